"""Settings as dataclasses.

Each field states its type, default, unit and bounds, and whether a run may go on under another value.

A default stands in one place, the dataclass. OmegaConf checks the types when a config is composed; ``Settings``
checks the bounds when an object is made.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar

from seminas.errors import config_error

_RULE = "rule"
_key_of_section: ContextVar[str | None] = ContextVar("key_of_section", default=None)


@dataclass(frozen=True)
class Rule:
    """What a setting may be, beyond its type.

    Attributes:
        at_least, above, at_most, below: Bounds of a number, or of each number of a list.
        choices: All allowed values of a text, or of each text of a list.
        length: Of a list.
        distinct: Whether the items of a list must differ.
        unit: Of a number, such as ``seconds``.
        empty: Whether a text may be empty.
        may_change: Whether a run may go on under another value, since the value does not change the results.
        extends: Whether a finished run may go on under a larger value.
        in_place_of: Dotted key of the setting that counts where this one is null.
        endless: The value that means no limit.
    """

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    choices: tuple[str, ...] | None = None
    length: int | None = None
    distinct: bool = False
    unit: str | None = None
    empty: bool = False
    may_change: bool = False
    extends: bool = False
    in_place_of: str | None = None
    endless: float | None = None

    def amount(self, values: Mapping[str, Any], key: str) -> float | None:
        """Return what a setting that extends asks for, None if it is open; ``values`` are a config's by dotted key."""
        value = values.get(key)
        if value is None and self.in_place_of is not None:
            value = values.get(self.in_place_of)
        return math.inf if value is not None and value == self.endless else value

    def allowed(self, value: Any = None) -> str:
        """Return the allowed values in words, such as ``at least 1``, in place of ``value``."""
        if isinstance(value, str) and self.choices is None:
            return "a text that is not empty"
        parts = []
        if self.choices is not None:
            parts.append(f"one of {', '.join(self.choices)}")
        bounds = {
            "at least": self.at_least,
            "above": self.above,
            "at most": self.at_most,
            "below": self.below,
        }
        if self.at_least is not None and self.at_most is not None:
            parts.append(f"from {self.at_least:g} to {self.at_most:g}")
        else:
            parts += [f"{words} {bound:g}" for words, bound in bounds.items() if bound is not None]
        if self.length is not None:
            parts.insert(0, f"a list of {self.length} values")
        if self.distinct:
            parts.append("distinct")
        return " and ".join(parts) or "finite"

    def accepts(self, value: Any) -> bool:
        """Return whether a value of the right type is allowed; None always is."""
        if value is None:
            return True
        if isinstance(value, list | tuple):
            long_enough = self.length is None or len(value) == self.length
            differ = not self.distinct or len(set(map(str, value))) == len(value)
            return long_enough and differ and all(self.accepts(item) for item in value)
        if isinstance(value, str):
            return value in self.choices if self.choices is not None else bool(value) or self.empty
        if isinstance(value, bool) or not isinstance(value, int | float):
            return True
        return (
            math.isfinite(value)
            and (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )


def setting(default: Any = dataclasses.MISSING, **rule: Any) -> Any:
    """Return a dataclass field with a rule.

    Args:
        default: A list, dict or ``Settings`` class becomes a factory; ``omegaconf.MISSING`` must be set by the user.
        rule: Fields of ``Rule``.
    """
    metadata = {_RULE: Rule(**rule)}
    if isinstance(default, type) and issubclass(default, Settings):
        return dataclasses.field(default_factory=default, metadata=metadata)
    if isinstance(default, list | dict):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def rule_of(field: "dataclasses.Field[Any]") -> Rule:
    """Return the rule of a dataclass field."""
    rule: Rule = field.metadata.get(_RULE, Rule())
    return rule


@dataclass
class Settings:
    """A section of the config.

    Raises:
        UserError: A value breaks its field's rule. The message names the key, the value and the allowed values.

    Attributes:
        KEY: The section's usual place in a config, for errors of objects that are made in Python.
    """

    KEY: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Check every field, then the fields together."""
        key = _key_of_section.get()
        key = self.KEY if key is None else key
        for field in dataclasses.fields(self):
            value, rule = getattr(self, field.name), rule_of(field)
            if not isinstance(value, Settings) and not rule.accepts(value):
                raise config_error(f"{key}.{field.name}".lstrip("."), value, rule.allowed(value))
        self.check_together(key)

    def check_together(self, key: str) -> None:
        """Refuse values that contradict each other; ``key`` is the section's place in the config."""


def made(kind: type[Settings], values: Mapping[str, Any], key: str) -> Any:
    """Return an object of settings; nested sections first, so that each error names its full key.

    Args:
        kind: A subclass of ``Settings``.
        values: By field name; a nested section is a mapping.
        key: The section's place in the config.

    Raises:
        UserError: A value breaks a rule.
    """
    arguments = dict(values)
    for name, nested in nested_settings(kind):
        if isinstance(arguments.get(name), Mapping):
            arguments[name] = made(nested, arguments[name], f"{key}.{name}".lstrip("."))
    with _section(key):
        return kind(**arguments)


def nested_settings(kind: type[Settings]) -> Iterator[tuple[str, type[Settings]]]:
    """Yield the name and the type of each field that is a section of its own."""
    for field in dataclasses.fields(kind):
        factory = field.default_factory
        if isinstance(factory, type) and issubclass(factory, Settings):
            yield field.name, factory


def nested_values(settings: Settings) -> list[tuple[str, Settings]]:
    """Return the name and the value of each field that is a section of its own."""
    values = [(field.name, getattr(settings, field.name)) for field in dataclasses.fields(settings)]
    return [(name, value) for name, value in values if isinstance(value, Settings)]


@contextmanager
def _section(key: str) -> Iterator[None]:
    token = _key_of_section.set(key)
    try:
        yield
    finally:
        _key_of_section.reset(token)
