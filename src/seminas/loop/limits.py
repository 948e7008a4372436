"""Limits that end a search before its plan does: a value that is enough, and a time."""

from seminas.config.search import SearchSettings
from seminas.errors import config_error
from seminas.runs.archive import Archive
from seminas.runs.metric import ACCURACY, Metric

ROUNDING = 1e-9
"""Rounding error of a sum of costs, in full trainings."""


def check_target(settings: SearchSettings, metric: Metric) -> None:
    """Check that the target of a search fits the metric that it optimizes.

    Raises:
        UserError: The target is no value of the metric, or it is for accuracies and the metric is another one.
    """
    if settings.target_accuracy is not None and metric != ACCURACY:
        value = settings.target_accuracy
        raise config_error(
            "search.target_accuracy", f"{value:g}", f"null with the metric {metric.name}; set search.target"
        )
    if settings.target is not None and metric.checked(settings.target) is None:
        raise config_error("search.target", f"{settings.target:g}", f"{metric.allowed}, as {metric.name} is")


class Limits:
    """Limits of a search. A search of rounds asks for them before each round, an asynchronous one at each event."""

    def __init__(self, settings: SearchSettings) -> None:
        """Initialize the limits from the ``search`` section."""
        self._key = "target" if settings.target_accuracy is None else "target_accuracy"
        self._cost = settings.max_cost
        self._target, self._hours = getattr(settings, self._key), settings.max_hours

    def reached(self, archive: Archive, now_s: float) -> tuple[str, str] | None:
        """Return the limit that the search has reached and a line that says so, or None if it goes on.

        Args:
            archive: Archive of the search.
            now_s: Time since the start of the search in seconds, simulated if the evaluator simulates time.
        """
        best = archive.best
        value = None if best is None else best.value
        if self._target is not None and value is not None and not archive.metric.better(self._target, value):
            reason = f"search.{self._key}={self._target:g} is reached with {archive.metric.text(value)}"
            return self._key, reason
        if self._hours is not None and now_s >= 3600 * self._hours:
            return "max_hours", f"search.max_hours={self._hours:g} are over"
        if self._cost is not None and archive.cost >= self._cost - ROUNDING:
            return "max_cost", f"search.max_cost={self._cost:g} is spent"
        return None

    def affords(self, cost: float) -> bool:
        """Return whether evaluations that cost so many full trainings together are within ``search.max_cost``."""
        return self._cost is None or cost <= self._cost + ROUNDING
