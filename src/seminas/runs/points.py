"""The points that a logger's record holds already, so that a run that goes on logs no point twice."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

V = TypeVar("V")
KeptSteps = Callable[[], int]
"""Returns the number of steps that a run goes on from. Points of these steps stay; later ones will be logged again.

A step is an evaluation of a search, or a step of a training. A logger calls this when it starts.
"""
BESIDE = ("epoch",)
"""Numbers that Lightning logs beside others, in several rows of one step."""


def no_steps() -> int:
    """Return 0: the run begins."""
    return 0


class Points:
    """The last step of each metric in a record."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def add(self, names: Iterable[str], step: int) -> None:
        """Take in that the record holds these metrics of a step."""
        for name in names:
            self._last[name] = max(step, self._last.get(name, step))

    def missing(self, metrics: Mapping[str, V], step: int | None) -> dict[str, V]:
        """Return the metrics of a step that the record lacks; none if it holds all of them."""
        if step is None:
            return dict(metrics)
        lacking = [name for name in metrics if step > self._last.get(name, -1)]
        if all(name in BESIDE for name in lacking):
            return {}
        return {name: value for name, value in metrics.items() if name in lacking or name in BESIDE}
