"""Evaluators: architectures in, validation accuracies out. An evaluator knows nothing of strategies."""

import time
from abc import ABC
from collections.abc import Callable, Iterator, Sequence
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from seminas.evaluators.evaluation import Evaluation, failed
from seminas.spaces.base import A


def _say_nothing(text: str) -> None:
    """Show nothing."""


class Evaluator(ABC, Generic[A]):
    """Says the validation accuracy of architectures. A subclass writes ``evaluate_one``, or ``evaluate``.

    Attributes:
        note: Shows on the screen what takes long, in a few words.
        revises: Whether an accuracy may change later, because the evaluator learns.
    """

    revises = False

    note: Callable[[str], None] = staticmethod(_say_nothing)

    def members(self) -> NDArray[np.int64] | None:
        """Return the indices of the architectures that can be evaluated, None where all of the space can."""
        return None

    def evaluate_one(self, architecture: A) -> float:
        """Return the validation accuracy of an architecture, a fraction."""
        raise NotImplementedError

    def evaluate(self, architectures: Sequence[A]) -> Iterator[tuple[int, Evaluation]]:
        """Evaluate architectures; yields the position and the evaluation of each as it ends.

        One after the other by ``evaluate_one``, unless overridden.
        """
        for position, architecture in enumerate(architectures):
            start = time.perf_counter()
            try:
                accuracy = float(self.evaluate_one(architecture))
            except Exception as error:
                yield position, failed(error, time.perf_counter() - start)
            else:
                yield position, Evaluation(accuracy, time.perf_counter() - start)

    def revised(self, architectures: Sequence[A]) -> list[float]:
        """Return new accuracies of architectures evaluated earlier, fractions, in their order.

        Only evaluators whose ``revises`` is true are asked.
        """
        raise NotImplementedError

    def test(self, architecture: A) -> float | None:
        """Return the test accuracy, a fraction, for the final report; None where it is not known."""
        return None

    def look_up_tests(self, architectures: Sequence[A]) -> list[float] | None:
        """Return test accuracies, fractions, if looking them up costs nothing; None otherwise."""
        return None

    def best_there_is(self) -> dict[str, float] | None:
        """Return the highest validation and mean test accuracy of all candidates; None where they are not known.

        Only the final report asks, to state regrets: ``{"val_accuracy": …, "test_accuracy": …}``.
        """
        return None

    def num_parameters(self, architecture: A) -> int | None:
        """Return the trainable parameters of the network that was evaluated, None where there is none."""
        return None

    def close(self) -> None:
        """Let go of processes and files."""
        return None
