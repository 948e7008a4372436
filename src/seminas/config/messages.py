"""Conversion of Hydra's and OmegaConf's errors to one line with the key, the value and the allowed values."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.errors import HydraException, MissingConfigException
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from seminas.config.compose import CONFIG_DIR
from seminas.config.renamed import RENAMED
from seminas.errors import UserError, first_line

_OVERRIDE = re.compile(r"Error merging override (.*)|Could not override '(.*)'\.")
_POSITION = re.compile(r"(space\.positions)(?:\.([^.]+))?(?:\.(.+))?")
_OTHER_FORM = re.compile("with (List|Dict)Config|is not a (List|Dict)Config")
_AMBIGUOUS = re.compile("Ambiguous value for argument '(.*)'")
_EXPECTED = (
    (re.compile("could not be converted to Integer"), "a whole number"),
    (re.compile("could not be converted to Float"), "a number"),
    (re.compile("is not a valid bool"), "true or false"),
    (re.compile("Cannot convert '.*' to string|Incompatible value.*str"), "a text"),
    (re.compile("is not a ListConfig|with ListConfig|to List"), "a list"),
    (re.compile("is not Optional|Incompatible value 'None'"), "set, and not null"),
    (re.compile("is not a subclass of|not a DictConfig|Cannot assign|with DictConfig"), "a group of keys"),
)


def one_line(error: BaseException) -> str:
    """Return an error as one line for the user that names the key or the file."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        # For a list of options, Hydra does not state the allowed options.
        options = error.options or sorted(path.stem for path in (CONFIG_DIR / group).glob("*.yaml"))
        allowed = f"one of {', '.join(options)}" if options else "in the config folder"
        return f"{group}={option}: must be {allowed}"
    if isinstance(error, MissingMandatoryValue) and error.full_key:
        return f"{error.full_key}: must be set"
    if isinstance(error, HydraException):
        if ambiguous := _AMBIGUOUS.match(first_line(error)):
            return f"{ambiguous[1]}: is several values; -m runs a sweep over them, and [A,B] is a list"
        cause = error.__cause__
        match = _OVERRIDE.match(first_line(error))
        if match and isinstance(cause, OmegaConfBaseException):
            override = match[1] or match[2]
            key, _, value = override.partition("=")
            return _explained(cause, key.lstrip("+~"), value if match[1] else None)
        if isinstance(cause, OmegaConfBaseException):
            return f"{first_line(error)} {one_line(cause)}"
    if isinstance(error, OmegaConfBaseException) and error.full_key:
        return _explained(error, str(error.full_key), None)
    return first_line(error)


def no_option(error: ValueError, overrides: Sequence[str]) -> UserError:
    """Return the error for a config group whose value is not the name of an option.

    Hydra's error does not name the group, so the message names all groups among the overrides.

    Args:
        error: Hydra's error.
        overrides: Overrides of the command line.

    Raises:
        ValueError: ``error`` has another cause.
    """
    if not str(error).startswith("Config group override must be"):
        raise error
    groups = [o for o in overrides if (CONFIG_DIR / o.partition("=")[0]).is_dir()]
    return UserError(f"{', '.join(groups)}: must be the name of an option")


def explained(error: OmegaConfBaseException, key: str, values: Mapping[str, Any]) -> str:
    """Return the line for an error in the section at ``key`` with these values."""
    inner = str(error.full_key or "")
    value: Any = values
    for part in inner.split(".") if inner else ():
        value = value.get(part) if isinstance(value, Mapping) else None
    full = f"{key}.{inner}".strip(".") if inner else key
    return _explained(error, full, value if inner else None)


def _explained(error: OmegaConfBaseException, key: str, value: Any) -> str:
    """Return the line for an error at a key. ``value`` is None if the error does not concern a value."""
    text = first_line(error)
    if isinstance(error, ConfigAttributeError | ConfigKeyError):
        return unknown_key(_unknown(error, key), error)
    if isinstance(error, InterpolationResolutionError):
        return f"{key}: {text}"
    written = key if value is None else f"{key}={value}"
    if value is not None and (moved := _moved(key)):
        return moved
    if (position := _POSITION.fullmatch(key)) and _OTHER_FORM.search(text):
        return f"{written}: has another form than in the config; {_replaces(position)}"
    for pattern, allowed in _EXPECTED:
        if pattern.search(text):
            return f"{written}: must be {allowed}"
    return f"{written}: {text}"


def _replaces(match: re.Match[str]) -> str:
    """Return how overrides replace a position of a space. Other overrides only change it."""
    position = f"{match[1]}.{match[2] or 'NAME'}"
    return f"~{position} and +{position}=VALUE replace the position"


def _unknown(error: OmegaConfBaseException, key: str) -> str:
    """Return the full unknown key. It may be a part of the overridden key, or lie below the overridden key."""
    full = str(error.full_key or "")
    return full if full and (full.startswith(key) or key.startswith(full)) else key


def unknown_key(key: str, error: OmegaConfBaseException | None = None) -> str:
    """Return the line for an unknown key. It states the new key, a similar key, or all keys of the section."""
    if moved := _moved(key):
        return moved
    known = _siblings(error)
    name = key.rpartition(".")[2]
    near = difflib.get_close_matches(name, known, 1)
    prefix = key[: -len(name)]
    position = _POSITION.fullmatch(key)
    if near:
        parts = [f"{key}: is unknown; did you mean {prefix}{near[0]}?"]
    else:
        section = prefix.rstrip(".") or "the config"
        parts = [f"{key}: is unknown; {section} has {', '.join(known) or 'no keys'}"]
    if position is not None and position[2] is not None:
        parts.append(f"+{key}=VALUE adds it{'' if position[3] is None else f', {_replaces(position)}'}")
    return (" " if near else "; ").join(parts)


def _moved(key: str) -> str | None:
    """Return the line for a key of version 0.1 that has a new name, or None for another key."""
    for old, new in RENAMED.items():
        if key == old or key.endswith(f".{old}"):
            return f"{key}: is unknown; it is {new} since version 0.2"
    return None


def _siblings(error: OmegaConfBaseException | None) -> list[str]:
    """Return the sorted keys of the section in which an error occurred."""
    node = getattr(error, "parent_node", None)
    try:
        return [] if node is None else sorted(map(str, node.keys()))
    except (AttributeError, OmegaConfBaseException):
        return []
