"""The function of a user's Hydra app, read before any job runs."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

from seminas.commands.app_settings import KEY, SweepSettings
from seminas.errors import UserError


def check_returns(task: Any, settings: SweepSettings) -> None:
    """Refuse an app whose function has no ``return`` with a value. All its jobs would fail.

    Raises:
        UserError: The function returns nothing.
    """
    if not isinstance(task, FunctionType) or not _returns_nothing(task):
        return
    directions = [metric.direction for metric in settings.metrics]
    several = len(directions) > 1
    shown = f"[{', '.join(directions)}]" if several else directions[0]
    needed = f"a list of {len(directions)} numbers" if several else "one number"
    where = f"{Path(task.__code__.co_filename).name}: {task.__name__}"
    raise UserError(f"{KEY}.direction={shown}: {where} returns nothing, must return {needed}")


def _returns_nothing(function: FunctionType) -> bool:
    """Return whether the source of a function has no ``return`` with a value. False if the source is not known."""
    try:
        # Python gives the source of the wrapped function for a decorated one. The code object has its own source.
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(function.__code__))).body
    except (OSError, TypeError, ValueError, SyntaxError):
        return False
    if not isinstance(definition, ast.FunctionDef) or definition.name != function.__code__.co_name:
        return False
    return not any(
        isinstance(node, ast.Yield | ast.YieldFrom)
        or (isinstance(node, ast.Return) and not _is_none(node.value))
        for node in _inside(definition)
    )


def _is_none(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a function without those of functions and classes in it."""
    for part in ast.iter_child_nodes(node):
        if not isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield part
            yield from _inside(part)
