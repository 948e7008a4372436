"""The sweep overrides of a Hydra app as positions of a space, and the overrides of one job."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    QuotedString,
    RangeSweep,
    Transformer,
)

from seminas.config.names import override_value
from seminas.config.spaces import BINS, MOST_VALUES
from seminas.errors import UserError, config_error

_PLAIN = re.compile(r"[A-Za-z_][\w./-]*")
_WORDS = ("true", "false", "null", "nan", "inf")
"""Texts that are no texts in Hydra's override grammar."""


@dataclass(frozen=True)
class Swept:
    """The overrides of a sweep.

    Attributes:
        positions: Mapping from the key of each swept override to its position, as ``seminas.Study`` takes it.
        texts: For a key with choices, mapping from the JSON form of each value to the value in Hydra's grammar.
        fixed: Mapping from the key of each other override to this override.
    """

    positions: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, dict[str, str]] = field(default_factory=dict)
    fixed: dict[str, str] = field(default_factory=dict)

    def job(self, choices: Mapping[str, Any]) -> list[str]:
        """Return the overrides of a job with these choices. A key without a choice keeps the app's default."""
        chosen = [f"{key}={self._text(key, value)}" for key, value in choices.items()]
        return [*self.fixed.values(), *chosen]

    def kinds_of_jobs(self, base: Mapping[str, Any]) -> list[list[str]]:
        """Return jobs that differ from a first job in one choice each, to check whether such choices fit the app.

        Texts may name the options of a config group, so each is in a job. Numbers fit alike.

        Args:
            base: Choices of the first job.
        """
        jobs = [self.job(base)]
        for key, texts in self.texts.items():
            for name in texts:
                if isinstance(value := json.loads(name), str) and base.get(key, value) != value:
                    jobs.append(self.job({**base, key: value}))
        return jobs

    def _text(self, key: str, value: Any) -> str:
        text = self.texts.get(key, {}).get(json.dumps(value))
        return _written(value) if text is None else text


def read_overrides(overrides: Sequence[Override]) -> Swept:
    """Return the positions and the fixed overrides of a sweep. Of several overrides of one key, the last one counts.

    Raises:
        UserError: A sweep has no values, an interval is upside down, a tag is unknown, or a logarithm is impossible.
    """
    swept = Swept()
    for override in overrides:
        key = override.get_key_element()
        for known in (swept.positions, swept.texts, swept.fixed):
            known.pop(key, None)
        if not override.is_sweep_override():
            swept.fixed[key] = str(override.input_line)
            continue
        shown = str(override.input_line)
        value = override.value()
        if isinstance(value, IntervalSweep):
            swept.positions[key] = _interval(value, shown)
        elif isinstance(value, RangeSweep):
            swept.positions[key] = _range(value, shown)
        else:
            swept.positions[key], swept.texts[key] = _choices(override, shown)
    return swept


def _tags(value: object, shown: str, *allowed: str) -> set[str]:
    """Return the tags of a sweep.

    Raises:
        UserError: A tag is not among the allowed ones.
    """
    tags: set[str] = getattr(value, "tags", set())
    for tag in sorted(tags - set(allowed)):
        raise UserError(f"{shown}: has the tag {tag}, must be {' or '.join(allowed)}")
    return tags


def _interval(value: IntervalSweep, shown: str) -> dict[str, Any]:
    log = "log" in _tags(value, shown, "log")
    low, high = value.start, value.end
    if low is None or high is None or not math.isfinite(low) or not math.isfinite(high) or low >= high:
        raise UserError(f"{shown}: must be an interval whose first number is below the second")
    _check_log(log, low, shown)
    spec: dict[str, Any] = {"low": low, "high": high}
    if log:
        spec["log"] = True
    elif isinstance(low, int) and isinstance(high, int) and high - low >= MOST_VALUES:
        spec["bins"] = BINS
    return spec


def _range(value: RangeSweep, shown: str) -> Any:
    log = "log" in _tags(value, shown, "log", "ordered")
    numbers = (value.start, value.stop, value.step)
    if any(number is None or not math.isfinite(number) for number in numbers) or not value.step:
        raise UserError(f"{shown}: must be a range of finite numbers with a step other than 0")
    start, stop, step = value.start, value.stop, value.step
    assert start is not None and stop is not None
    number = math.ceil((stop - start) / step)
    if number < 1:
        raise UserError(f"{shown}: must be a range with at least one number; the end is no part of it")
    if log and number > 1:
        if not isinstance(start, int) or not isinstance(stop, int) or step not in (1, -1):
            raise UserError(f"{shown}: with the tag log, must be a range of whole numbers with step 1")
        low, high = sorted((start, start + (number - 1) * int(step)))
        _check_log(log, low, shown)
        return {"low": low, "high": high, "log": True}
    if number > MOST_VALUES:
        raise UserError(f"{shown}: must have at most {MOST_VALUES} numbers; an interval may be larger")
    values = sorted(value.range())
    return values if len(values) == 1 else {"values": values, "ordered": True}


def _check_log(log: bool, low: float, shown: str) -> None:
    if log and low <= 0:
        raise UserError(f"{shown}: with the tag log, all numbers must be above 0")


def _choices(override: Override, shown: str) -> tuple[Any, dict[str, str]]:
    """Return the position of a choice or a glob, and its values in Hydra's grammar."""
    value = override.value()
    ordered = "ordered" in _tags(value, shown, "ordered")
    # A choice may be shuffled, but a sweep that goes on needs the same order.
    listed = value.list if isinstance(value, ChoiceSweep) else list(override.sweep_iterator())
    texts: dict[str, str] = {}
    values: list[Any] = []
    plain = [item.text if isinstance(item, QuotedString) else item for item in listed]
    written = [Transformer.str(item) for item in listed]
    for item, text in zip(plain, written, strict=True):
        scalar = item is None or isinstance(item, str | int | float)
        if isinstance(item, float) and not math.isfinite(item):
            scalar = False
        values.append(item if scalar else text)
        name = json.dumps(values[-1])
        if name in texts:
            raise UserError(f"{shown}: must be distinct choices, has {text} twice")
        texts[name] = text
    if not values:
        raise UserError(f"{shown}: must have at least one choice")
    return {"values": values, "ordered": True} if ordered and len(values) > 1 else values, texts


def _written(value: Any) -> str:
    """Return a scalar in Hydra's override grammar, a plain text without quotes."""
    is_plain = isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    return value if is_plain else override_value(value)


def whole(key: str, value: object, least: int) -> int:
    """Return a setting of the sweeper that is a whole number.

    Raises:
        UserError: It is no whole number, or below the least one.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise config_error(key, value, f"a whole number, at least {least}")
    return value


def one_of(key: str, value: object, options: Sequence[str]) -> str:
    """Return a setting of the sweeper that is one of some texts.

    Raises:
        UserError: It is another one.
    """
    if value not in options:
        raise config_error(key, value, f"one of {', '.join(options)}")
    return str(value)
