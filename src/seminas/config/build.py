"""Construction of checked settings, and of objects with a ``_target_``, from sections of a config."""

import importlib
import inspect
import typing
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from seminas.config.evaluators import EvaluatorSettings
from seminas.config.fields import Settings, made
from seminas.config.messages import explained
from seminas.config.schema import BY_TARGET, EVERY_EVALUATOR
from seminas.errors import UserError, config_error, first_line
from seminas.storage.values import Config

TARGET = "_target_"


def read(section: Any, key: str, kind: type[Settings]) -> Any:
    """Return a section of the config as an object of its settings class. Check types and bounds.

    Args:
        section: Mapping, or node of OmegaConf.
        key: Dotted key of the section, for errors.
        kind: Settings class of the section.

    Raises:
        UserError: A key is unknown or missing, or a value has the wrong type or is out of bounds.
    """
    values = plain(section, key)
    try:
        merged = OmegaConf.merge(OmegaConf.structured(kind), values)
        typed: Any = OmegaConf.to_container(merged, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise UserError(f"{key}.{error.full_key}: must be set") from error
    except OmegaConfBaseException as error:
        raise UserError(explained(error, key, values)) from error
    return made(kind, typed, key)


def read_section(config: Mapping[str, Any], key: str, kind: type[Settings]) -> Any:
    """Return the section at ``key`` of a whole config as an object of its settings class, see ``read``."""
    return read(config[key], key, kind)


def build_section(config: Mapping[str, Any], key: str, interface: type[Any], **context: Any) -> Any:
    """Return the object that the section at ``key`` of a whole config describes, see ``build``."""
    return build(config[key], key, interface, **context)


def plain(section: Any, key: str) -> Config:
    """Return a section as a plain dictionary with resolved interpolations.

    Raises:
        UserError: The section is not a mapping, or a value is missing.
    """
    try:
        if isinstance(section, DictConfig | ListConfig):
            section = OmegaConf.to_container(section, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise UserError(f"{error.full_key}: must be set") from error
    except OmegaConfBaseException as error:
        raise UserError(explained(error, key, {})) from error
    if not isinstance(section, Mapping):
        raise config_error(key, section, "a group of keys")
    return {str(name): value for name, value in section.items()}


def build(section: Any, key: str, interface: type[Any] | None = None, **context: Any) -> Any:
    """Return the object that a section describes by ``_target_`` and arguments.

    If the target has a settings class and takes ``settings``, it gets the section as an object of this class. Other
    targets get the values of the section as keyword arguments.

    Args:
        section: Section of a config that the user composed.
        key: Dotted key of the section, for errors.
        interface: Class from which the target must derive. None accepts any class or function.
        context: Further arguments. Arguments that the target does not take are left out.

    Raises:
        UserError: The target cannot be imported, is of another kind, does not take an argument, or cannot be created.
    """
    target, arguments = bound(section, key, interface)
    taken = inspect.signature(target).parameters
    arguments |= {name: value for name, value in context.items() if name in taken}
    try:
        return target(**arguments)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{key}: {target_name(section)} cannot be made ({first_line(error)})") from error


def bound(section: Any, key: str, interface: type[Any] | None = None) -> tuple[Any, dict[str, Any]]:
    """Return the target of a section and the checked arguments from the section. The target is not called.

    Raises:
        UserError: The target cannot be imported, is of another kind, or does not take an argument.
    """
    values = plain(section, key)
    name = values.pop(TARGET, None)
    if not isinstance(name, str):
        raise config_error(f"{key}.{TARGET}", name, "the name of a class or function")
    kind = BY_TARGET.get(name)
    settings = None if kind is None else read(section, key, kind)
    target = located(name, key, interface)
    parameters = inspect.signature(target).parameters
    if settings is not None:
        if "settings" in parameters:
            return target, {"settings": settings}
        values = {n: v for n, v in vars(settings).items() if n != TARGET}
        takes_any = _takes_any(parameters)
        return target, {n: v for n, v in values.items() if takes_any or n in parameters}
    _check_arguments(values, parameters, key)
    return target, values


def split_evaluator(section: Mapping[str, Any]) -> tuple[EvaluatorSettings, dict[str, Any]]:
    """Return the settings that every evaluator has, and the rest of the section of a user's evaluator.

    Raises:
        UserError: A setting of every evaluator has an invalid value.
    """
    of_every = {name: section[name] for name in EVERY_EVALUATOR if name in section}
    rest = {name: value for name, value in section.items() if name not in of_every}
    return read(of_every, "evaluator", EvaluatorSettings), rest


def located(name: str, key: str, interface: type[Any] | None = None) -> Any:
    """Import and return the class or function with a dotted name.

    Raises:
        UserError: The name cannot be imported, or the class does not derive from ``interface``.
    """
    return imported(name, f"{key}.{TARGET}", interface)


def imported(name: str, key: str, interface: type[Any] | None = None) -> Any:
    """Import and return the class or function that the setting at ``key`` names, see ``located``."""
    module, _, attribute = name.rpartition(".")
    if not module or module.startswith("."):
        raise config_error(key, name, "a full name, such as package.module.Class")
    try:
        target = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # The module's own code may raise anything.
        hint = "; PYTHONPATH must name its folder" if isinstance(error, ModuleNotFoundError) else ""
        raise UserError(f"{key}={name}: cannot be imported ({first_line(error)}){hint}") from error
    derives = isinstance(target, type) and (interface is None or issubclass(target, interface))
    if interface is not None and not derives:
        raise UserError(f"{key}={name}: is no {interface.__name__}")
    if not callable(target):
        raise UserError(f"{key}={name}: is no class or function")
    return target


def target_name(section: Any) -> str:
    """Return the name of the target of a section."""
    return str(section.get(TARGET)) if isinstance(section, Mapping | DictConfig) else str(section)


def _takes_any(parameters: Mapping[str, inspect.Parameter]) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _check_arguments(
    values: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter], key: str
) -> None:
    """Refuse an argument that the target does not take, and an argument of the wrong plain type."""
    takes_any = _takes_any(parameters)
    for name, value in values.items():
        if name not in parameters:
            if takes_any:
                continue
            known = ", ".join(p for p in parameters if p != "self")
            raise UserError(f"{key}.{name}: is unknown, {key} takes {known}")
        if not _fits(value, parameters[name].annotation):
            raise config_error(f"{key}.{name}", value, f"of type {parameters[name].annotation}")


_PLAIN: dict[str, Any] = {"int": int, "float": (int, float), "str": str, "bool": bool, "None": NoneType}


def _fits(value: Any, annotation: Any) -> bool:
    """Return whether a value fits an annotation. Only plain types are checked, other annotations accept any value."""
    if isinstance(annotation, UnionType):
        return any(_fits(value, part) for part in typing.get_args(annotation))
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    expected = _PLAIN.get("None" if name == "NoneType" else name)
    if expected is None:
        return True
    return isinstance(value, expected) and (name == "bool" or not isinstance(value, bool))
