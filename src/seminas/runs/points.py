"""The points in a logger's record. A resumed run logs none of them again. A point is a metric at a step."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

V = TypeVar("V")
KeptSteps = Callable[[], int]
"""Function that returns the first step of a resumed run. Points before this step stay. The run logs later points again.

A step is an evaluation of a search or a step of a training. A logger calls the function when it starts.
"""
BESIDE = ("epoch",)
"""Metrics that Lightning repeats in several rows of a step."""


def no_steps() -> int:
    """Return 0, the first step of a new run."""
    return 0


class Points:
    """The last step of each metric in a record."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def add(self, names: Iterable[str], step: int) -> None:
        """Remember that the record has these metrics at a step."""
        for name in names:
            self._last[name] = max(step, self._last.get(name, step))

    def missing(self, metrics: Mapping[str, V], step: int | None) -> dict[str, V]:
        """Return the metrics of a step that are not in the record."""
        if step is None:
            return dict(metrics)
        lacking = [name for name in metrics if step > self._last.get(name, -1)]
        if all(name in BESIDE for name in lacking):
            return {}
        return {name: value for name, value in metrics.items() if name in lacking or name in BESIDE}
