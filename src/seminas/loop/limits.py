"""Limits that end a search before its plan does: an accuracy that is enough, and a time."""

from seminas.config.search import SearchSettings
from seminas.runs.archive import Archive


class Limits:
    """Limits of a search. A search of rounds asks for them before each round, an asynchronous one at each event."""

    def __init__(self, settings: SearchSettings) -> None:
        """Initialize the limits from the ``search`` section."""
        self._target, self._hours = settings.target_accuracy, settings.max_hours

    def reached(self, archive: Archive, now_s: float) -> tuple[str, str] | None:
        """Return the limit that the search has reached and a line that says so, or None if it goes on.

        Args:
            archive: Archive of the search.
            now_s: Time since the start of the search in seconds, simulated if the evaluator simulates time.
        """
        best = archive.best
        if self._target is not None and best is not None and (best.val_accuracy or 0) >= self._target:
            reason = f"search.target_accuracy={self._target:g} is reached with {best.val_accuracy:.4f}"
            return "target_accuracy", reason
        if self._hours is not None and now_s >= 3600 * self._hours:
            return "max_hours", f"search.max_hours={self._hours:g} are over"
        return None
