"""Any evaluator in worker processes: the search survives an evaluation that ends its process, or hangs."""

import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seminas.config.build import TARGET, build, read
from seminas.config.evaluators import EvaluatorSettings
from seminas.config.schema import BY_TARGET, EVERY_EVALUATOR
from seminas.errors import UserError, config_error
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation, failed
from seminas.execution.base import LostError
from seminas.execution.engines import visible_gpus
from seminas.execution.workers import WorkerProcesses
from seminas.spaces.base import A
from seminas.storage.values import Config, Section


def build_evaluator(section: Section, context: Section) -> Evaluator:
    """Return the evaluator of the config's ``evaluator`` section, in worker processes where ``isolate`` says so.

    Args:
        section: The section.
        context: Further arguments of the evaluator; those that it does not take are left out.

    Raises:
        UserError: The evaluator cannot be made, or cannot run in worker processes.
    """
    of_every = {name: section[name] for name in EVERY_EVALUATOR if name in section}
    if section.get(TARGET) in BY_TARGET:
        settings: EvaluatorSettings = read(section, "evaluator", BY_TARGET[section[TARGET]])
        copy = EvaluatorCopy(section, context)
    else:
        settings = read(of_every, "evaluator", EvaluatorSettings)
        rest = {name: value for name, value in section.items() if name not in of_every}
        copy = EvaluatorCopy(rest, {**context, **of_every})
    if not settings.isolate or settings.ISOLATED:
        return copy.evaluator
    return IsolatedEvaluator(copy, int(settings.isolate), settings.timeout_s)


class EvaluatorCopy:
    """An evaluator that each process makes for itself, from the section of the config."""

    def __init__(self, section: Section, context: Section) -> None:
        self._section, self._context = dict(section), dict(context)

    def __getstate__(self) -> Config:
        """Leave the evaluator behind: another process makes its own."""
        return {name: value for name, value in vars(self).items() if name != "evaluator"}

    @cached_property
    def evaluator(self) -> Evaluator:
        """The evaluator of this process."""
        evaluator: Evaluator = build(self._section, "evaluator", Evaluator, **self._context)
        return evaluator

    def evaluate(self, architecture: Any) -> Evaluation:
        """Return the evaluation of one architecture; an exception is part of it."""
        start = time.perf_counter()
        try:
            ((_, evaluation),) = self.evaluator.evaluate([architecture])
        except Exception as error:
            return failed(error, time.perf_counter() - start)
        return evaluation

    def test(self, architecture: Any) -> float | None:
        """Return the test accuracy, a fraction."""
        return self.evaluator.test(architecture)


class IsolatedEvaluator(Evaluator[A]):
    """Evaluates in worker processes. All that costs nothing is asked of a copy in this process."""

    def __init__(self, copy: EvaluatorCopy, num_workers: int, timeout_s: float | None) -> None:
        """Set up the processes, which start with the first evaluation.

        Args:
            copy: Makes the evaluator, here and in each process.
            num_workers: Number of processes.
            timeout_s: Seconds that an evaluation may take; None: any number.

        Raises:
            UserError: The evaluator measures again what it has measured, so that its copies would disagree.
        """
        self._local = copy.evaluator
        if self._local.revises:
            raise config_error("evaluator.isolate", True, "false with an evaluator that measures again")
        self._engine = WorkerProcesses(copy, num_workers, visible_gpus("auto"), timeout_s)

    def evaluate(self, architectures: Sequence[A]) -> Iterator[tuple[int, Evaluation]]:
        """Evaluate architectures, each in a worker process; yields each as it ends.

        An evaluation whose process dies twice, or that takes too long, has failed.
        """
        for i, outcome in self._engine.calls("evaluate", [(a,) for a in architectures]):
            yield i, Evaluation(None, 0.0, str(outcome)) if isinstance(outcome, LostError) else outcome

    def test(self, architecture: A) -> float | None:
        """Return the test accuracy, measured in a worker process.

        Raises:
            UserError: Its process died, or it took too long.
        """
        ((_, outcome),) = self._engine.calls("test", [(architecture,)])
        if isinstance(outcome, LostError):
            raise UserError(f"the best architecture cannot be tested: {outcome}")
        accuracy: float | None = outcome
        return accuracy

    def members(self) -> NDArray[np.int64] | None:
        """See the base class."""
        return self._local.members()

    def look_up_tests(self, architectures: Sequence[A]) -> list[float] | None:
        """See the base class."""
        return self._local.look_up_tests(architectures)

    def best_there_is(self) -> dict[str, float] | None:
        """See the base class."""
        return self._local.best_there_is()

    def num_parameters(self, architecture: A) -> int | None:
        """See the base class."""
        return self._local.num_parameters(architecture)

    def close(self) -> None:
        """End the processes, and close the copy in this one."""
        self._engine.close()
        self._local.close()
