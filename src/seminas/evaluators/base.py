"""Base class of evaluators. An evaluator measures architectures. It does not use the strategy."""

import time
from abc import ABC
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from seminas.evaluators.evaluation import Evaluation, failed, measured
from seminas.evaluators.workers import InProcess, Simulated, Workers
from seminas.runs.metric import ACCURACY, Metric
from seminas.runs.recordings import Recording
from seminas.spaces.base import A, SearchSpace
from seminas.spaces.exact import ExactCosts, exact_costs
from seminas.spaces.rungs import Rung


def _say_nothing(text: str) -> None:
    """Ignore a note."""


class Evaluator(ABC, Generic[A]):
    """Base class of evaluators. A subclass implements ``evaluate_one`` or ``evaluate``.

    Attributes:
        metric: Metric that a search optimizes. The default is the validation accuracy, a fraction.
        metrics: Further metrics that evaluations may give.
        fidelities: Numbers of epochs after which ``evaluate`` can measure, increasing. The last one is a full training.
            ``evaluate`` then also takes rungs. Empty without this capability. A supernet has numbers of images instead.
        note: Function that shows a short text on the screen. An evaluator calls it before a long step.
        revises: Whether the value of an architecture may change in later rounds, because the evaluator trains on.
        simulates_time: Whether the costs of evaluations are recorded times, which do not pass while it evaluates.
        num_simulated: Number of simulated workers, if ``simulates_time`` is true.
    """

    metric: Metric = ACCURACY
    fidelities: Sequence[int] = ()
    metrics: Sequence[Metric] = ()
    revises = False
    simulates_time = False
    num_simulated = 1

    note: Callable[[str], None] = staticmethod(_say_nothing)

    def members(self) -> NDArray[np.int64] | None:
        """Return the indices of the architectures that the evaluator can measure. None means the whole space."""
        return None

    def evaluate_one(self, architecture: A) -> float | Mapping[str, float]:
        """Return the value of ``metric`` for an architecture, by default the validation accuracy, a fraction.

        A dictionary gives the values of ``metric`` and of further metrics by name.
        """
        raise NotImplementedError

    def evaluate(self, architectures: Sequence[A]) -> Iterator[tuple[int, Evaluation]]:
        """Evaluate architectures. Yield the position and the evaluation of each architecture when it ends.

        The default evaluates one architecture after the other with ``evaluate_one``. An exception of ``evaluate_one``
        becomes a failed evaluation.
        """
        for position, architecture in enumerate(architectures):
            start = time.perf_counter()
            try:
                returned = self.evaluate_one(architecture)
            except Exception as error:
                yield position, failed(error, time.perf_counter() - start)
            else:
                yield position, measured(returned, self.metric, time.perf_counter() - start)

    def workers(self) -> Workers[A]:
        """Return the workers that run the evaluations of a search. A search asks for them once.

        The default evaluates in this process, one evaluation at a time. If ``simulates_time`` is true, it evaluates on
        a simulated clock, with ``num_simulated`` workers.
        """
        if self.simulates_time:
            return Simulated(self.evaluate, self.num_simulated)
        return InProcess(self.evaluate)

    def no_retraining(self) -> str | None:
        """Return why the evaluator cannot train an architecture again, for an error, or None if it can.

        If it can, ``evaluate`` or ``evaluate_one`` also takes a ``Retraining`` in place of an architecture. It then
        measures the architecture with other random numbers. ``search.repeats`` needs this capability.
        """
        return "an evaluator that does not train an architecture again"

    def cost_of(self, element: A | Rung[A]) -> float:
        """Return the cost of an evaluation in full trainings, before it begins.

        The default is the share of its new epochs. Without fidelities each evaluation costs 1.
        """
        return element.share_of(self.fidelities[-1]) if isinstance(element, Rung) else 1.0

    def recorded(self, element: A | Rung[A], score: float | None) -> None:
        """Note that an evaluation is in the history, of this process or of an earlier one.

        Args:
            element: The architecture or the rung.
            score: Its score, of which higher ones are better. None means that the evaluation failed.
        """
        return None

    def ended(self) -> None:
        """Note that the search has ended and its result is written. It may go on later with larger limits."""
        return None

    def revised(self, architectures: Sequence[A]) -> list[float]:
        """Return new values of architectures evaluated earlier, in the order of ``architectures``.

        A search calls this method only if ``revises`` is true.
        """
        raise NotImplementedError

    def test(self, architecture: A) -> float | None:
        """Return the metric of an architecture on the test data for the final report, or None if it is not known."""
        return None

    def look_up_tests(self, architectures: Sequence[A]) -> list[float] | None:
        """Return the metric on the test data if it costs nothing, as in a table. Otherwise return None."""
        return None

    def best_there_is(self) -> dict[str, float] | None:
        """Return the best value of all candidates, and the best mean value on the test data.

        Their keys are ``metric.name`` and ``metric.test_name``: ``{"val_accuracy": …, "test_accuracy": …}`` by default.
        The result has no values that are not known, and is None if none is known. Only the final report uses these
        values, to compute regrets.
        """
        return None

    def best_of(self, candidates: SearchSpace[A]) -> dict[str, float] | None:
        """Return the same as ``best_there_is`` for a part of the candidates, which constraints leave.

        Args:
            candidates: Space of the candidates within the constraints.
        """
        return None

    def recordings(self, architectures: Sequence[A]) -> list[Recording]:
        """Return speech of architectures' networks for people, if the evaluator has such networks.

        A search calls this method at its end, for its best architectures.
        """
        return []

    def num_parameters(self, architecture: A) -> int | None:
        """Return the number of trainable parameters of an architecture's network, or None if it is not known."""
        return None

    def exact_costs(self, space: SearchSpace[A]) -> ExactCosts[A]:
        """Return the exact costs of the networks that the evaluator measures, which are known without an evaluation.

        Args:
            space: Space of the candidates.
        """
        return exact_costs(space)

    def close(self) -> None:
        """End the processes and close the files of the evaluator."""
        return None
