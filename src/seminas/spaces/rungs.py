"""Evaluations at a fidelity: an architecture, and the number of epochs that its training must reach."""

from dataclasses import dataclass, field
from typing import Any, Generic

from seminas.spaces.base import A
from seminas.spaces.retraining import Retraining


@dataclass(frozen=True)
class Rung(Generic[A]):
    """An architecture and the epochs after which it is measured. Two rungs are equal if both agree.

    Attributes:
        architecture: The architecture.
        epochs: Number of epochs that the training must reach.
        trained: Number of epochs that a shorter training of the same architecture has reached, and that cost nothing.
            An imported evaluation costs nothing at all. It has the value of ``epochs``.
    """

    architecture: A
    epochs: int
    trained: int = field(default=0, compare=False)

    def share_of(self, full: int) -> float:
        """Return the cost of the epochs from ``trained`` to ``epochs`` in trainings of ``full`` epochs."""
        return (self.epochs - self.trained) / full


def plain(element: Any) -> Any:
    """Return the architecture of a rung or of a further training. Any other element is an architecture itself."""
    return element.architecture if isinstance(element, Rung | Retraining) else element
