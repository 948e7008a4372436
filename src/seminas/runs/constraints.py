"""Limits of metrics that evaluations give. Only an evaluation shows whether an architecture keeps to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seminas.runs.metric import Metric

KEY = "search.constraints"


@dataclass(frozen=True)
class MeasuredLimit:
    """A limit of a metric: its largest allowed value, or its smallest allowed value if higher values are better.

    Attributes:
        metric: The metric.
        bound: The limit, allowed itself.
    """

    metric: Metric
    bound: float

    def __str__(self) -> str:
        """Return the limit as text."""
        return f"{self.metric.name} {'≥' if self.metric.sign > 0 else '≤'} {self.metric.text(self.bound)}"

    @property
    def score(self) -> float:
        """Smallest allowed score of the metric."""
        return self.metric.score(self.bound)

    def violation(self, value: float) -> float:
        """Return the distance of a value beyond the limit, as a part of the limit. It is 0 within the limit."""
        return max(0.0, self.score - self.metric.score(value)) / (abs(self.bound) or 1.0)


class MeasuredLimits:
    """One or more limits of measured metrics.

    Attributes:
        limits: The limits.
    """

    def __init__(self, limits: Sequence[MeasuredLimit]) -> None:
        """Initialize the limits, one or more."""
        self.limits = tuple(limits)

    def __str__(self) -> str:
        """Return the limits as text."""
        return ", ".join(map(str, self.limits))

    @property
    def setting(self) -> str:
        """The settings of the limits, for errors."""
        return ", ".join(f"{KEY}.{limit.metric.name}={limit.bound:g}" for limit in self.limits)

    def missing(self, metrics: Mapping[str, float]) -> str | None:
        """Return why an evaluation without some limited metric has failed, in one line, or None if it has all of them.

        Args:
            metrics: Further metrics of the evaluation by name.
        """
        absent = (limit.metric.name for limit in self.limits if limit.metric.name not in metrics)
        return next((f"{name}: is missing, {KEY} limits it" for name in absent), None)

    def violation(self, metrics: Mapping[str, float]) -> float:
        """Return the sum of the violations of all limits. It is 0 for a feasible architecture.

        Args:
            metrics: Values of all limited metrics by name.
        """
        return sum(limit.violation(metrics[limit.metric.name]) for limit in self.limits)

    def allow(self, metrics: Mapping[str, float]) -> bool:
        """Return whether measured values, of all limited metrics by name, are within all limits."""
        return self.violation(metrics) == 0
