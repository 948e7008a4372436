"""Metrics: the names, directions and units of the numbers that evaluations give."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any

from seminas.errors import UserError, config_error
from seminas.storage.values import Config

DIRECTIONS = ("maximize", "minimize")
FRACTION = "fraction"
"""Unit of numbers from 0 to 1. Reports state them in percent."""
DIGITS = 5
"""Number of significant digits of a value that is no fraction."""
METRIC_KEYS = ("metric", "metrics")
"""Keys of a recorded config with the metric that a search optimizes, and with further ones."""
RESERVED = ("cost_s", "epoch", "error", "index", "prediction", "round", "step", "value")
"""Names that other columns of the loggers and of the history have."""


@dataclass(frozen=True)
class Metric:
    """A number that evaluations give, such as a validation loss.

    Attributes:
        name: Name in files, plots and loggers: letters, digits and underscores, such as ``val_loss``.
        direction: ``maximize`` if higher values are better, or ``minimize``.
        unit: Unit, such as ``nats``. ``fraction`` means numbers from 0 to 1. None means no unit.

    Raises:
        UserError: The name, the direction or the unit is not valid.
    """

    name: str
    direction: str
    unit: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", self.name):
            raise config_error("metric.name", repr(self.name), "letters, digits and underscores")
        if self.name in RESERVED or self.name.startswith("best_"):
            raise config_error("metric.name", self.name, f"none of {', '.join(RESERVED)}, best_*")
        if self.direction not in DIRECTIONS:
            raise config_error(f"{self.name}: direction", repr(self.direction), " or ".join(DIRECTIONS))
        if self.unit is not None and (not isinstance(self.unit, str) or not self.unit.strip()):
            raise config_error(f"{self.name}: unit", repr(self.unit), "a text")

    def __str__(self) -> str:
        """Return the name, the direction and the unit as text."""
        return f"{self.name} ({', '.join(filter(None, (self.direction, self.unit)))})"

    @property
    def sign(self) -> float:
        """1 if higher values are better, otherwise -1. A value times the sign is its score: higher is better."""
        return 1.0 if self.direction == "maximize" else -1.0

    def score(self, value: float) -> float:
        """Return the score of a value, or the value of a score. A higher score is better."""
        return self.sign * value

    def scores(self, values: Iterable[float | None]) -> list[float | None]:
        """Return the score of each value, see ``score``. None stays None."""
        return [None if value is None else self.score(value) for value in values]

    def better(self, value: float, other: float | None) -> bool:
        """Return whether a value is better than another one. Every value is better than None."""
        return other is None or self.score(value) > self.score(other)

    def best(self, values: Sequence[float]) -> float:
        """Return the best of some values."""
        return max(values, key=self.score)

    @property
    def is_fraction(self) -> bool:
        """Whether the values are numbers from 0 to 1."""
        return self.unit == FRACTION

    @property
    def allowed(self) -> str:
        """Description of the valid values."""
        return "a number from 0 to 1" if self.is_fraction else "a finite number"

    def checked(self, value: object) -> float | None:
        """Return a valid value as a float, or None for other values. NumPy and PyTorch numbers are also allowed."""
        number = plain_number(value)
        if number is None or not math.isfinite(number) or (self.is_fraction and not 0 <= number <= 1):
            return None
        return number

    @property
    def title(self) -> str:
        """Name for people."""
        return "validation accuracy" if self == ACCURACY else self.name

    @property
    def test_title(self) -> str:
        """Name for people of the same number on the test data."""
        return "test accuracy" if self == ACCURACY else self.test_name

    @property
    def test_name(self) -> str:
        """Name of the same number on the test data: ``test_loss`` for ``val_loss``."""
        return f"test_{self.name.removeprefix('val_')}"

    @property
    def best_name(self) -> str:
        """Name of the best value so far: ``best_val_loss`` for ``val_loss``."""
        return f"best_{self.name}"

    def labeled(self, title: str) -> str:
        """Return the label of an axis: a title with the unit. Axes show fractions without a unit.

        The unit is also left out if the metric has its name, as ``parameters`` has.
        """
        is_named = self.unit is not None and self.unit.lower() == self.name.lower()
        return title if self.unit is None or self.is_fraction or is_named else f"{title} ({self.unit})"

    def text(self, value: float) -> str:
        """Return a value as text with its unit: ``0.9312`` for a fraction, ``3.7 nats`` for others."""
        if self.is_fraction:
            return f"{value:.4f}"
        return f"{value:.{DIGITS}g}" if self.unit is None else f"{value:.{DIGITS}g} {self.unit}"


ACCURACY = Metric("val_accuracy", "maximize", FRACTION)
"""The default metric: the validation accuracy, a fraction."""


def plain_number(value: object) -> float | None:
    """Return a number as a float, or None for other values. NumPy and PyTorch numbers are also allowed."""
    if not isinstance(value, Real | str) and hasattr(value, "item"):
        try:
            value = value.item()
        except (ValueError, RuntimeError):  # It has several numbers.
            return None
    if not isinstance(value, Real) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def check_metrics(objective: object, further: object) -> None:
    """Check the declared metrics of an evaluator or a study.

    Args:
        objective: Metric that the search optimizes.
        further: Sequence of further metrics.

    Raises:
        UserError: One of them is no ``Metric``, or two have the same name.
    """
    if not isinstance(objective, Metric):
        raise config_error("metric", repr(objective), "a seminas.Metric")
    if not isinstance(further, Sequence) or not all(isinstance(metric, Metric) for metric in further):
        raise config_error("metrics", repr(further), "a list of seminas.Metric")
    names = [objective.name, *(metric.name for metric in further)]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"metrics: the name {name} is declared twice")


def metrics_section(objective: Metric, further: Sequence[Metric]) -> Config:
    """Return the keys of a run's config that record its metrics. A search for accuracy has none of them."""
    values = (asdict(objective), [asdict(metric) for metric in further])
    needed = (objective != ACCURACY, bool(further))
    return {key: v for key, v, is_needed in zip(METRIC_KEYS, values, needed, strict=True) if is_needed}


def metric_of(config: Mapping[str, Any], source: object = "config") -> Metric:
    """Return the metric that a run optimizes. A config without a metric means the validation accuracy.

    Args:
        config: Recorded config of the run.
        source: Path of the run, for errors.

    Raises:
        UserError: The config has an invalid metric.
    """
    values = config.get("metric")
    if values is None:
        return ACCURACY
    try:
        return Metric(**values)
    except (TypeError, UserError) as error:
        raise UserError(f"{source}: has an invalid metric ({error})") from error
