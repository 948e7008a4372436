"""Positions of a sequence space, as a user declares them: categories, ordered values, and intervals."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeGuard

import numpy as np

from seminas.config.spaces import BINS, MOST_VALUES
from seminas.errors import UserError, config_error

Scalar = str | int | float | bool | None
"""A value of a position: a text, a number, true, false or null, as in JSON."""
INACTIVE = "inactive"
"""Name of the choice of a position that does not count."""
_KEYS = ("values", "ordered", "low", "high", "step", "log", "bins", "when")


@dataclass(frozen=True)
class Position:
    """A position and its values.

    Attributes:
        name: Name of the position.
        values: Its values, in order.
        names: Name of each value.
        ordered: Whether models see the order and the distance of the values. Adjacent values are one step apart.
        when: Condition as the user declared it: mapping from earlier positions to the values with which this position
            counts. None if it always counts.
    """

    name: str
    values: tuple[Scalar, ...]
    names: tuple[str, ...]
    ordered: bool = False
    when: Mapping[str, Any] | None = field(default=None, hash=False)

    @property
    def choices(self) -> list[str]:
        """Names of all choices. A position with a condition has the further choice ``inactive``, the last one."""
        return list(self.names) if self.when is None else [*self.names, INACTIVE]

    def index(self, value: object) -> int | None:
        """Return the index of a value or of its name, or None if the position has no such value.

        A value of an ordered position may have any form of the same number, such as ``1e-3`` for ``0.001``.
        """
        for text in (json.dumps(value, ensure_ascii=False, default=str), value, str(value)):
            if text in self.names:
                return self.names.index(str(text))
        if self.ordered and isinstance(value, str | int | float) and not isinstance(value, bool):
            try:
                number = float(value)
            except (ValueError, OverflowError):
                return None
            return next((i for i, v in enumerate(self.values) if is_number(v) and v == number), None)
        return None

    def allowed(self) -> str:
        """Return a description of the values for errors."""
        if len(self.names) > 20:
            first, second, *_, last = self.names
            return f"one of the {len(self.names)} values {first}, {second}, …, {last}"
        return f"one of {', '.join(self.names)}"


@dataclass(frozen=True)
class Category(Position):
    """A position of a space whose positions are all plain lists. The name of a value is this value as text."""

    def index(self, value: object) -> int | None:
        """See the base class."""
        return self.names.index(str(value)) if str(value) in self.names else None

    def allowed(self) -> str:
        """See the base class."""
        return f"one of {', '.join(self.names)}"


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Return whether a value is a sequence, and no text."""
    return isinstance(value, Sequence) and not isinstance(value, str)


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a finite number, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_scalar(value: object) -> bool:
    """Return whether a value is a scalar of JSON."""
    return value is None or isinstance(value, str | int) or is_number(value)


def plain(value: Any) -> Any:
    """Return a declaration as lists, dicts and scalars, as JSON holds it."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if is_list(value) else value


def is_structured(positions: Mapping[str, Any]) -> bool:
    """Return whether a position is more than a list of categories. Then architectures show values, not their names."""
    return any(isinstance(declared, Mapping) for declared in positions.values())


def names_of(values: Sequence[Scalar]) -> list[str]:
    """Return the names of a position's values: a text itself, or the JSON form of another value.

    If two values have the same name, or if a text has spaces, all values have their JSON form as name.
    """
    written = [json.dumps(v, ensure_ascii=False) for v in values]
    names = [v if isinstance(v, str) else text for v, text in zip(values, written, strict=True)]
    plain = all(len(name.split()) == 1 for name in names) and len(set(names)) == len(names)
    return names if plain else written


def read_categories(positions: Mapping[str, Any], key: str) -> list[Position]:
    """Return the positions of a space whose positions are all lists of numbers, texts or truth values.

    Args:
        positions: Mapping from the name of each position, in order, to its values.
        key: Dotted key of the positions, for errors.

    Raises:
        UserError: The values of a position are no list of distinct numbers, texts or truth values.
    """
    read: list[Position] = []
    for name, values in positions.items():
        if not is_list(values) or not all(isinstance(v, str | int | float) for v in values):
            raise config_error(f"{key}.{name}", values, "a list of choices, each a number or a text")
        names = tuple(map(str, values))
        if not names or len(set(names)) < len(names):
            raise config_error(f"{key}.{name}", values, "one or more distinct choices")
        if any(position.name == str(name) for position in read):
            raise UserError(f"{key}.{name}: is there twice")
        read.append(Category(str(name), tuple(values), names))
    return read


def read_positions(positions: Mapping[str, Any], key: str) -> list[Position]:
    """Return the positions of a space, each a list of scalars or a mapping.

    A position is a list of categories or a mapping: ``{values: […], ordered: true}``, ``{low: 2, high: 6, step: 1}`` or
    ``{low: 1e-4, high: 1e-1, log: true, bins: 64}``. A mapping may have ``when``. If ``low`` and ``high`` are whole
    numbers, all values are whole numbers.

    Args:
        positions: Mapping from the name of each position, in order, to its declaration.
        key: Dotted key of the positions, for errors.

    Raises:
        UserError: A declaration is not valid.
    """
    read: list[Position] = []
    has_conditions = any(isinstance(d, Mapping) and d.get("when") is not None for d in positions.values())
    for name, declared in positions.items():
        of = f"{key}.{name}"
        if any(position.name == str(name) for position in read):
            raise UserError(f"{of}: is there twice")
        if has_conditions and (len(str(name).split()) != 1 or "=" in str(name)):
            raise config_error(of, repr(name), "a name without spaces and without =")
        spec = declared if isinstance(declared, Mapping) else {"values": declared}
        for unknown in sorted(set(map(str, spec)) - set(_KEYS)):
            raise UserError(f"{of}.{unknown}: is unknown, a position takes {', '.join(_KEYS)}")
        if "values" in spec:
            for other in ("low", "high", "step", "log", "bins"):
                if spec.get(other) is not None:
                    raise config_error(f"{of}.{other}", spec[other], "left out with values")
            values = _listed(spec["values"], of if spec is not declared else f"{of}.values")
            ordered = _truth(spec, "ordered", of)
        else:
            values, ordered = _interval(spec, of), True
        when = spec.get("when")
        names = names_of(values)
        if when is not None and INACTIVE in names:
            raise config_error(of, INACTIVE, "another name, because this position has a condition")
        read.append(Position(str(name), tuple(values), tuple(names), ordered, when))
    return read


def _listed(values: Any, key: str) -> list[Scalar]:
    if not is_list(values):
        raise config_error(key, values, "a list of choices")
    for value in values:
        if not is_scalar(value):
            raise config_error(key, repr(value), "a scalar of JSON")
    if not values or len(set(map(json.dumps, values))) < len(values):
        raise config_error(key, list(values), "one or more distinct choices")
    return list(values)


def _truth(spec: Mapping[str, Any], name: str, key: str) -> bool:
    value = spec.get(name)
    if value is not None and not isinstance(value, bool):
        raise config_error(f"{key}.{name}", value, "true or false")
    return bool(value)


def _interval(spec: Mapping[str, Any], key: str) -> list[Scalar]:
    """Return the values from ``low`` to ``high``, ascending and distinct."""
    for name in ("low", "high"):
        if not is_number(spec.get(name)):
            raise config_error(f"{key}.{name}", spec.get(name), "a number; or give the position values")
    low, high, step, bins = spec["low"], spec["high"], spec.get("step"), spec.get("bins")
    if low >= high:
        raise config_error(f"{key}.low", low, f"below high={high}")
    if "ordered" in spec:
        raise config_error(f"{key}.ordered", spec["ordered"], "left out with low and high")
    log = _truth(spec, "log", key)
    if log and low <= 0:
        raise config_error(f"{key}.low", low, "above 0 with log=true")
    whole = isinstance(low, int) and isinstance(high, int)
    if step is not None and (log or bins is not None):
        raise config_error(f"{key}.step", step, "left out with log or bins")
    if bins is not None and (
        not isinstance(bins, int) or isinstance(bins, bool) or not 2 <= bins <= MOST_VALUES
    ):
        raise config_error(f"{key}.bins", bins, f"a whole number from 2 to {MOST_VALUES}")
    if step is not None or (whole and not log and bins is None):
        return _stepped(low, high, 1 if step is None else step, whole, key)
    bins = BINS if bins is None else bins
    spaced = np.geomspace(low, high, bins) if log else np.linspace(low, high, bins)
    if whole:
        return list[Scalar](sorted({round(float(v)) for v in spaced}))
    return _rounded([float(low), *spaced[1:-1].tolist(), float(high)])


def _stepped(low: float, high: float, step: Any, whole: bool, key: str) -> list[Scalar]:
    """Return the values from ``low`` to ``high`` that are multiples of ``step`` apart."""
    if not is_number(step) or step <= 0 or (whole and not isinstance(step, int)):
        raise config_error(f"{key}.step", step, "a whole number above 0" if whole else "a number above 0")
    number = (high - low) / step
    if number >= MOST_VALUES:
        raise config_error(f"{key}.step", step, f"larger, for at most {MOST_VALUES} values")
    if round(number) < 1 or abs(number - round(number)) > 1e-6:
        raise config_error(f"{key}.high", high, f"low={low} plus a multiple of step={step}")
    if whole:
        return list[Scalar](range(int(low), int(high) + 1, int(step)))
    values = [low + i * step for i in range(round(number))]
    return _rounded([float(low), *values[1:], float(high)])


def _rounded(values: list[float]) -> list[Scalar]:
    """Return ascending floats with few digits, so that they have short names. The ends stay."""
    for digits in range(4, 17):
        inner = [float(f"{v:.{digits}g}") for v in values[1:-1]]
        rounded = [values[0], *inner, values[-1]]
        if all(a < b for a, b in pairwise(rounded)):
            return list(rounded)
    return list(dict.fromkeys(values))
