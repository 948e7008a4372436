"""Workers: how a search begins evaluations and waits for them.

Evaluations run in this process, on an engine, or on a simulated clock.
"""

import heapq
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic

import numpy as np

from seminas.errors import UserError
from seminas.evaluators.evaluation import Evaluation, failed, with_cost
from seminas.execution.base import Engine, LostError, Raised
from seminas.spaces.base import A

Evaluate = Callable[[Sequence[A]], Iterator[tuple[int, Evaluation]]]


class Workers(ABC, Generic[A]):
    """Base class of workers. Each evaluation has a ticket, a number that is different from those of all open ones."""

    @property
    def num_workers(self) -> int:
        """Number of evaluations that run at the same time. It may change during a search."""
        return 1

    @abstractmethod
    def begin(self, ticket: int, architecture: A, at_s: float | None = None) -> None:
        """Begin an evaluation, or let it wait until a worker is free.

        Args:
            ticket: Number of the evaluation.
            architecture: Architecture to evaluate.
            at_s: Time of the simulated clock at which the evaluation began, in seconds. None means now. Workers that do
                not simulate time ignore it.
        """

    @abstractmethod
    def wait(self, timeout_s: float | None = None) -> list[tuple[int, Evaluation]]:
        """Wait until an evaluation ends. Return the ticket and the result of each evaluation that has ended.

        The list is empty if no evaluation is open, or if none ends within ``timeout_s`` seconds.

        Raises:
            UserError: The evaluator gave an invalid answer.
        """

    @abstractmethod
    def drop_waiting(self) -> list[int]:
        """Forget the evaluations that have not begun. Return their tickets."""

    def now_s(self) -> float | None:
        """Return the time of the simulated clock in seconds, or None if the time is real."""
        return None


class InProcess(Workers[A]):
    """Workers for an evaluator that works in this process. It evaluates all waiting architectures in one call."""

    def __init__(self, evaluate: Evaluate[A]) -> None:
        """Initialize the workers with the evaluator's method ``evaluate``."""
        self._evaluate = evaluate
        self._waiting: list[tuple[int, A]] = []
        self._batch: list[tuple[int, A]] = []
        self._open: set[int] = set()
        self._answers: Iterator[tuple[int, Evaluation]] | None = None

    def begin(self, ticket: int, architecture: A, at_s: float | None = None) -> None:
        """See the base class."""
        self._waiting.append((ticket, architecture))

    def wait(self, timeout_s: float | None = None) -> list[tuple[int, Evaluation]]:
        """Evaluate until an evaluation ends. This ignores ``timeout_s``."""
        if self._answers is None:
            if not self._waiting:
                return []
            self._batch, self._waiting = self._waiting, []
            self._open = set(range(len(self._batch)))
            self._answers = self._evaluate([architecture for _, architecture in self._batch])
        raised = False
        try:
            position, evaluation = next(self._answers)
            _check_answer(position, evaluation, len(self._batch), self._open)
        except UserError:
            raise
        except StopIteration:
            done = len(self._batch) - len(self._open)
            raise UserError(f"evaluator: ended after {done} of {len(self._batch)} evaluations") from None
        except Exception as error:
            # The evaluator did not catch the exception of an evaluation. This blames the first architecture without an
            # answer, and asks for the others again.
            position, evaluation, raised = min(self._open), failed(error, 0.0), True
        self._open.discard(position)
        if raised:
            self._waiting = self._unanswered() + self._waiting
        if raised or not self._open:
            self._answers = None
        return [(self._batch[position][0], evaluation)]

    def drop_waiting(self) -> list[int]:
        """See the base class. Between two calls of ``wait`` no evaluation runs."""
        unanswered = [] if self._answers is None else self._unanswered()
        close: Callable[[], None] = getattr(self._answers, "close", lambda: None)
        close()
        dropped = [ticket for ticket, _ in unanswered + self._waiting]
        self._answers, self._waiting = None, []
        return dropped

    def _unanswered(self) -> list[tuple[int, A]]:
        return [self._batch[position] for position in sorted(self._open)]


def _check_answer(position: object, evaluation: object, number: int, unanswered: set[int]) -> None:
    """Check an answer of the evaluator.

    Args:
        position: Position of the architecture in the request.
        evaluation: The answer.
        number: Number of architectures in the request.
        unanswered: Positions that have no answer yet.

    Raises:
        UserError: The position is not open, or the answer is no ``Evaluation``.
    """
    if not isinstance(position, int | np.integer) or position not in unanswered:
        raise UserError(
            f"evaluator: yields position {position!r}, which is not open among {number} evaluations"
        )
    if not isinstance(evaluation, Evaluation):
        raise UserError(f"evaluator: yields {evaluation!r}, which is no Evaluation")


class OnEngine(Workers[A]):
    """Workers on an engine."""

    def __init__(
        self,
        engine: Engine,
        method: str,
        arguments: Callable[[A], tuple[Any, ...]],
        as_evaluation: Callable[[Any], Evaluation],
    ) -> None:
        """Initialize the workers.

        Args:
            engine: The engine.
            method: Method of the engine's object that evaluates one architecture.
            arguments: Function that returns the arguments of the method for an architecture.
            as_evaluation: Function that turns the result of the method into an evaluation.
        """
        self._engine, self._method = engine, method
        self._arguments, self._as_evaluation = arguments, as_evaluation

    @property
    def num_workers(self) -> int:
        """Number of workers of the engine."""
        return self._engine.num_workers

    def begin(self, ticket: int, architecture: A, at_s: float | None = None) -> None:
        """See the base class."""
        self._engine.submit(ticket, self._method, self._arguments(architecture))

    def wait(self, timeout_s: float | None = None) -> list[tuple[int, Evaluation]]:
        """See the base class."""
        return [(ticket, self._evaluation(outcome)) for ticket, outcome in self._engine.wait(timeout_s)]

    def _evaluation(self, outcome: Any) -> Evaluation:
        if isinstance(outcome, LostError):
            return Evaluation(None, 0.0, str(outcome))
        return failed(outcome.error, 0.0) if isinstance(outcome, Raised) else self._as_evaluation(outcome)

    def drop_waiting(self) -> list[int]:
        """See the base class."""
        return self._engine.drop_waiting()


class Simulated(Workers[A]):
    """Workers on a simulated clock, for an evaluator whose costs are recorded times.

    An evaluation takes the seconds that it costs. ``wait`` moves the clock to the next end of an evaluation. So a week
    of trainings passes in seconds, and the order of the ends is the order that the recorded times give.
    """

    def __init__(self, evaluate: Evaluate[A], num_workers: int = 1) -> None:
        """Initialize the workers with the evaluator's method ``evaluate``, and their number."""
        self._evaluate, self._number = evaluate, num_workers
        self._now = 0.0
        self._waiting: list[tuple[int, A]] = []
        self._running: list[tuple[float, int, Evaluation]] = []
        """Time of the end, ticket and result of each running evaluation, as a heap."""

    @property
    def num_workers(self) -> int:
        """Number of simulated workers."""
        return self._number

    def now_s(self) -> float:
        """Return the time of the simulated clock in seconds."""
        return self._now

    def go_on_from(self, now_s: float) -> None:
        """Set the clock, in seconds, when a search goes on."""
        self._now = max(self._now, now_s)

    def begin(self, ticket: int, architecture: A, at_s: float | None = None) -> None:
        """See the base class."""
        if len(self._running) < self._number and not self._waiting:
            self._begin_at(self._now if at_s is None else at_s, ticket, architecture)
        else:
            self._waiting.append((ticket, architecture))

    def _begin_at(self, start_s: float, ticket: int, architecture: A) -> None:
        try:
            ((_, answer),) = self._evaluate([architecture])
            evaluation = with_cost(answer)
        except UserError:
            raise
        except Exception as error:
            evaluation = failed(error, 0.0)
        heapq.heappush(self._running, (start_s + evaluation.cost_s, ticket, evaluation))

    def wait(self, timeout_s: float | None = None) -> list[tuple[int, Evaluation]]:
        """Move the clock to the next end of an evaluation. This ignores ``timeout_s``."""
        # Only now, because the caller has stored the evaluation that freed the worker.
        while self._waiting and len(self._running) < self._number:
            self._begin_at(self._now, *self._waiting.pop(0))
        if not self._running:
            return []
        end_s, ticket, evaluation = heapq.heappop(self._running)
        self._now = max(self._now, end_s)
        return [(ticket, evaluation)]

    def drop_waiting(self) -> list[int]:
        """See the base class."""
        dropped = [ticket for ticket, _ in self._waiting]
        self._waiting = []
        return dropped
