"""Values of JSON with the types that a reader expects."""

from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, is_typeddict

from seminas.errors import UserError
from seminas.storage.files import parse_json
from seminas.storage.values import Json

T = TypeVar("T")


def read_typed(path: Path, kind: type[T], content: str) -> T | None:
    """Return the value in a JSON file, or None if the file does not exist.

    Args:
        path: Path of the file.
        kind: Type of the value, as for ``typed``.
        content: What the file holds, for the error, such as ``list of jobs``.

    Raises:
        UserError: The file cannot be read, is no strict JSON, or has a value of another type.
    """
    try:
        value: T = typed(parse_json(path.read_bytes()), kind)
        return value
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: is no {content} ({error})") from error


def typed(value: Json, kind: Any) -> Any:
    """Return a value of JSON as a value of a type.

    Args:
        value: Value of JSON.
        kind: ``Json``, ``Any``, a plain type, a dataclass, a ``TypedDict``, or a union, list or dictionary of these. A
            dataclass is built from an object with its fields.

    Raises:
        ValueError: The value has another type.
    """
    if kind in (Json, Any):
        return value
    parts = get_args(kind)
    if isinstance(kind, UnionType):
        for part in parts:
            try:
                return typed(value, part)
            except ValueError:
                continue
    elif is_dataclass(kind) and isinstance(value, dict):
        return _built(value, kind)
    elif is_typeddict(kind) and isinstance(value, dict):
        return {**value, **{n: typed(value.get(n), k) for n, k in kind.__annotations__.items()}}
    elif get_origin(kind) is list and isinstance(value, list):
        return [typed(item, parts[0]) for item in value]
    elif get_origin(kind) is dict and isinstance(value, dict):
        return {name: typed(item, parts[1]) for name, item in value.items()}
    elif kind in (bool, int, float, str, type(None)) and _is_plain(value, kind):
        return value
    raise ValueError(f"{value!r:.80} is no {getattr(kind, '__name__', kind)}")


def _is_plain(value: Json, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _built(value: dict[str, Json], kind: Any) -> Any:
    known = {field.name: field for field in fields(kind)}
    for name in value:
        if name not in known:
            raise ValueError(f"has the unknown field {name}")
    arguments = {}
    for name, field in known.items():
        if name in value:
            try:
                arguments[name] = typed(value[name], field.type)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"has no {name}")
    return kind(**arguments)
