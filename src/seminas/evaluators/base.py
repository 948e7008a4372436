"""What an architecture is worth: the interface of an evaluator, which knows nothing of strategies."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np
from numpy.typing import NDArray
from torch import nn

from seminas.spaces.base import A


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation gave: all that a search ever sees of an architecture.

    Attributes:
        val_accuracy: A fraction, None where the evaluation failed.
        cost_s: Seconds that it took (of the benchmark's training, where it comes from a table).
        error: Why it failed, in one line.
    """

    val_accuracy: float | None
    cost_s: float
    error: str | None = None


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


class Evaluator(ABC, Generic[A]):
    """Architectures in, validation accuracies out."""

    def members(self) -> NDArray[np.int64] | None:
        """Return the indices of the architectures that can be evaluated, None where all of the space can."""
        return None

    @abstractmethod
    def evaluate(self, architectures: Sequence[A]) -> Iterator[tuple[int, Evaluation]]:
        """Evaluate architectures; yields the position and the evaluation of each as it is done."""

    @abstractmethod
    def test(self, architecture: A) -> float | None:
        """Return the test accuracy, a fraction, for the final report; None where it is not known."""

    def num_parameters(self, architecture: A) -> int | None:
        """Return the trainable parameters of the network that was evaluated, None where there is none."""
        return None

    def close(self) -> None:
        """Let go of processes and files."""
        return None
