"""Limits that end a search before its plan does: an accuracy that is enough, and a time."""

from collections.abc import Callable

from seminas.config.search import SearchSettings
from seminas.evaluators.base import Evaluator
from seminas.runs.archive import Archive


class Limits:
    """Limits of a search. The search asks before each round whether one of them ends it."""

    def __init__(self, settings: SearchSettings, evaluator: Evaluator, wall_s: Callable[[], float]) -> None:
        """Initialize the limits.

        Args:
            settings: The ``search`` section.
            evaluator: Evaluator of the search. It says whose time counts.
            wall_s: Function that returns the duration of the search so far, in seconds.
        """
        self._target, self._hours = settings.target_accuracy, settings.max_hours
        self._simulates, self._wall_s = evaluator.simulates_time, wall_s

    def reason_to_end(self, archive: Archive) -> str | None:
        """Return which limit the search has reached, in one line, or None if it goes on.

        The time of an evaluator that simulates it is the sum of the costs, as if one worker evaluated.
        """
        best = archive.best
        if self._target is not None and best is not None and (best.val_accuracy or 0) >= self._target:
            return f"search.target_accuracy={self._target:g} is reached with {best.val_accuracy:.4f}"
        if self._hours is None:
            return None
        seconds = archive.cost_s if self._simulates else self._wall_s()
        return f"search.max_hours={self._hours:g} are over" if seconds >= 3600 * self._hours else None
