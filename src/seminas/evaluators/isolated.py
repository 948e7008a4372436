"""Evaluator in worker processes. A search continues if an evaluation ends its process or takes too long."""

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seminas.config.build import TARGET, build, read, split_evaluator
from seminas.config.evaluators import EvaluatorSettings
from seminas.config.schema import BY_TARGET
from seminas.errors import UserError, config_error
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation, failed
from seminas.evaluators.workers import OnEngine, Simulated, Workers
from seminas.execution.base import LostError
from seminas.execution.engines import visible_gpus
from seminas.execution.workers import WorkerProcesses
from seminas.spaces.base import A, SearchSpace
from seminas.spaces.exact import ExactCosts


def build_evaluator(section: Mapping[str, Any], context: Mapping[str, Any]) -> Evaluator:
    """Return the evaluator of the config's ``evaluator`` section, in worker processes where ``isolate`` says so.

    Args:
        section: Section ``evaluator`` of the config.
        context: Further arguments of the evaluator. Arguments that its class does not have are left out.

    Raises:
        UserError: The section does not describe a valid evaluator, or the evaluator cannot run in worker processes.
    """
    if section.get(TARGET) in BY_TARGET:
        settings: EvaluatorSettings = read(section, "evaluator", BY_TARGET[section[TARGET]])
        copy = EvaluatorCopy(section, context)
    else:
        settings, rest = split_evaluator(section)
        copy = EvaluatorCopy(rest, {**context, **vars(settings)})
    if not settings.isolate or settings.ISOLATED:
        return copy.evaluator
    return IsolatedEvaluator(copy, int(settings.isolate), settings.timeout_s)


class EvaluatorCopy:
    """Description of an evaluator. Each process builds its own copy of the evaluator from the section of the config."""

    def __init__(self, section: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        self._section, self._context = dict(section), dict(context)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the evaluator behind: another process makes its own."""
        return {name: value for name, value in vars(self).items() if name != "evaluator"}

    @cached_property
    def evaluator(self) -> Evaluator:
        """The evaluator of this process."""
        evaluator: Evaluator = build(self._section, "evaluator", Evaluator, **self._context)
        return evaluator

    def evaluate(self, architecture: Any) -> Evaluation:
        """Return the evaluation of one architecture. An exception becomes a failed evaluation."""
        start = time.perf_counter()
        try:
            ((_, evaluation),) = self.evaluator.evaluate([architecture])
        except Exception as error:
            return failed(error, time.perf_counter() - start)
        return evaluation

    def test(self, architecture: Any) -> float | None:
        """Return the test accuracy of an architecture, a fraction, or None if it is not known."""
        return self.evaluator.test(architecture)


class IsolatedEvaluator(Evaluator[A]):
    """Evaluator that evaluates and tests architectures in worker processes.

    A copy of the evaluator in this process answers all other calls.
    """

    def __init__(self, copy: EvaluatorCopy, num_workers: int, timeout_s: float | None) -> None:
        """Initialize the evaluator. Each process starts with its first evaluation.

        Args:
            copy: Description of the evaluator for this process and for the worker processes.
            num_workers: Number of worker processes.
            timeout_s: Largest duration of an evaluation in seconds. None means no limit.

        Raises:
            UserError: The evaluator changes the accuracies of architectures in later rounds (``revises``). Then
                different copies would give different accuracies.
        """
        self._local = copy.evaluator
        if self._local.revises:
            raise config_error("evaluator.isolate", True, "false with an evaluator that measures again")
        self.simulates_time = self._local.simulates_time
        self.fidelities = self._local.fidelities
        self.metric, self.metrics = self._local.metric, self._local.metrics
        self._engine = WorkerProcesses(copy, num_workers, visible_gpus("auto"), timeout_s)

    def evaluate(self, architectures: Sequence[A]) -> Iterator[tuple[int, Evaluation]]:
        """Evaluate architectures in worker processes. Yield the position and the evaluation of each when it ends.

        An evaluation fails if its process dies twice or if it takes too long.
        """
        for i, outcome in self._engine.calls("evaluate", [(a,) for a in architectures]):
            yield i, Evaluation(None, 0.0, str(outcome)) if isinstance(outcome, LostError) else outcome

    def workers(self) -> Workers[A]:
        """Return the workers: the processes, or simulated workers for an evaluator that simulates time."""
        if self.simulates_time:
            return Simulated(self.evaluate, self._local.workers().num_workers)
        return OnEngine(self._engine, "evaluate", lambda architecture: (architecture,), lambda result: result)

    def test(self, architecture: A) -> float | None:
        """Return the test accuracy of an architecture, measured in a worker process.

        Raises:
            UserError: The process died twice, or the measurement took too long.
        """
        ((_, outcome),) = self._engine.calls("test", [(architecture,)])
        if isinstance(outcome, LostError):
            raise UserError(
                f"the best architecture cannot be tested: {outcome}; the same command tests again"
            )
        accuracy: float | None = outcome
        return accuracy

    def no_retraining(self) -> str | None:
        """See the base class."""
        return self._local.no_retraining()

    def members(self) -> NDArray[np.int64] | None:
        """See the base class."""
        return self._local.members()

    def look_up_tests(self, architectures: Sequence[A]) -> list[float] | None:
        """See the base class."""
        return self._local.look_up_tests(architectures)

    def best_there_is(self) -> dict[str, float] | None:
        """See the base class."""
        return self._local.best_there_is()

    def best_of(self, candidates: SearchSpace[A]) -> dict[str, float] | None:
        """See the base class."""
        return self._local.best_of(candidates)

    def num_parameters(self, architecture: A) -> int | None:
        """See the base class."""
        return self._local.num_parameters(architecture)

    def exact_costs(self, space: SearchSpace[A]) -> ExactCosts[A]:
        """See the base class."""
        return self._local.exact_costs(space)

    def close(self) -> None:
        """End the worker processes, and close the copy of the evaluator in this process."""
        self._engine.close()
        self._local.close()
