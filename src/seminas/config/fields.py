"""Base class and fields of settings, which are dataclasses.

A field states its type, default, unit and bounds, and whether a run may continue under another value. Only the
dataclass states the default. OmegaConf checks types when it composes a config. ``Settings`` checks bounds when it
creates an object.
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
    """Allowed values of a setting in addition to its type, and its role when a run continues.

    Bounds and choices of a list hold for each of its items.

    Attributes:
        at_least: Lower bound of a number, allowed itself.
        above: Lower bound of a number, not allowed itself.
        at_most: Upper bound of a number, allowed itself.
        below: Upper bound of a number, not allowed itself.
        choices: All allowed values of a text.
        length: Number of items in a list.
        distinct: Whether the items of a list must be distinct.
        unit: Unit of a number, such as ``seconds``.
        empty: Whether a text may be empty.
        stays: Whether null means the value with which a run has begun.
        may_change: Whether a run may continue under another value, because the value does not change its results.
        extends: Whether a finished run may continue under a larger value.
        both_ways: Whether a finished run with ``extends`` may also continue under a smaller value, or under null.
        in_place_of: Dotted key of the setting that this setting replaces. If this setting is null, the replaced
            setting is used.
        endless: Value that means no limit.
        any_names: Whether the command line may set further names of a mapping, as in ``search.constraints.macs=6e8``.
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
    stays: bool = False
    may_change: bool = False
    extends: bool = False
    both_ways: bool = False
    in_place_of: str | None = None
    endless: float | None = None
    any_names: bool = False

    def amount(self, values: Mapping[str, Any], key: str) -> float | None:
        """Return the amount of work that a setting with ``extends`` requests, or None if the config does not say.

        Args:
            values: Values of a config by dotted key.
            key: Dotted key of the setting.
        """
        value = values.get(key)
        if value is None and self.in_place_of is not None:
            value = values.get(self.in_place_of)
        return math.inf if value is not None and value == self.endless else value

    def allowed(self, value: Any = None) -> str:
        """Return a description of the allowed values, such as ``at least 1``, for an error about ``value``."""
        if isinstance(value, str) and self.choices is None:
            return "a text that is not empty"
        parts = []
        if isinstance(value, float) and not math.isfinite(value):
            parts.append("finite")
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
        """Return whether a value of the right type is allowed. None is always allowed."""
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
        default: Default value. A list, a dict or a ``Settings`` class becomes a factory. ``omegaconf.MISSING`` means
            that the user must set the value.
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
    """Base class of the sections of a config.

    Attributes:
        KEY: Usual dotted key of the section, for errors about objects that are created in Python.

    Raises:
        UserError: A value breaks its field's rule. The message names the key, the value and the allowed values.
    """

    KEY: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Turn the mappings of nested sections into their objects, check each field, and then the combination."""
        key = _key_of_section.get()
        key = self.KEY if key is None else key
        for name, nested in nested_settings(type(self)):
            if isinstance(getattr(self, name), Mapping):
                setattr(self, name, made(nested, getattr(self, name), f"{key}.{name}".lstrip(".")))
        for field in dataclasses.fields(self):
            value, rule = getattr(self, field.name), rule_of(field)
            if not isinstance(value, Settings) and not rule.accepts(value):
                raise config_error(f"{key}.{field.name}".lstrip("."), value, rule.allowed(value))
        self.check_together(key)

    def check_together(self, key: str) -> None:
        """Refuse values that contradict each other. The default accepts all values.

        Args:
            key: Dotted key of the section, for errors.

        Raises:
            UserError: Values contradict each other.
        """


def made(kind: type[Settings], values: Mapping[str, Any], key: str) -> Any:
    """Return an object of a settings class, with the full key of a wrong value in each error.

    Args:
        kind: Subclass of ``Settings``.
        values: Values by field name. The value of a nested section is a mapping.
        key: Dotted key of the section.

    Raises:
        UserError: A value breaks a rule, or values contradict each other.
    """
    with _section(key):
        return kind(**values)


def nested_settings(kind: type[Settings]) -> Iterator[tuple[str, type[Settings]]]:
    """Yield the name and the type of each field that is a nested section."""
    for field in dataclasses.fields(kind):
        factory = field.default_factory
        if isinstance(factory, type) and issubclass(factory, Settings):
            yield field.name, factory


def nested_values(settings: Settings) -> list[tuple[str, Settings]]:
    """Return the name and the value of each field that is a nested section."""
    values = [(field.name, getattr(settings, field.name)) for field in dataclasses.fields(settings)]
    return [(name, value) for name, value in values if isinstance(value, Settings)]


def check_group(key: str, value: object) -> None:
    """Check that a setting is null or a mapping with texts as keys.

    OmegaConf has no type for a mapping of any values that may be null. So the type of such a setting is ``Any``, and
    OmegaConf checks nothing.

    Args:
        key: Dotted key of the setting, for the error.
        value: Value of the setting.

    Raises:
        UserError: It is another value.
    """
    is_group = isinstance(value, Mapping) and all(isinstance(name, str) for name in value)
    if value is not None and not is_group:
        raise config_error(key, value, "a group of keys, or null")


@contextmanager
def _section(key: str) -> Iterator[None]:
    """Use ``key`` in the errors of the section that the block creates."""
    token = _key_of_section.set(key)
    try:
        yield
    finally:
        _key_of_section.reset(token)
