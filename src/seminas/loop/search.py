"""One search: its parts, and what both of its loops do with an evaluation.

``rounds.py`` has the loop of rounds, and ``asynchronous.py`` the loop that keeps every worker busy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from seminas.errors import UserError
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation, checked
from seminas.evaluators.workers import Workers
from seminas.loop.constraints import with_limited
from seminas.loop.interrupts import Interrupts
from seminas.loop.limits import Limits
from seminas.loop.objectives import completed
from seminas.loop.observers import Observer
from seminas.runs.archive import Archive
from seminas.runs.constraints import MeasuredLimits
from seminas.runs.records import Record
from seminas.spaces.base import SearchSpace
from seminas.spaces.rungs import Rung, plain
from seminas.strategies.base import Strategy
from seminas.strategies.goals import Goals

POLL_S = 1.0
"""Seconds that a loop waits for an evaluation before it looks at interrupts and limits again."""


@dataclass
class Search:
    """One search.

    Attributes:
        space: Space of the candidates.
        evaluator: Evaluator that measures architectures.
        strategy: Strategy that chooses the architectures to evaluate.
        archive: Archive that stores the evaluations.
        observer: Observer of each event.
        max_failures: Number of failed evaluations that the search accepts.
        add_traceback: Function that stores the traceback of a failed evaluation.
        limits: Limits that end the search before its plan does. None means no limits.
        wall_s: Function that returns the duration of the search so far, in seconds, with earlier processes.
        interrupts: Ctrl-C, which ends the search before its plan does.
        goals: Several objectives. None in a search for one metric.
        measured_limits: Limits of measured metrics. None without such limits.
        ended_by: What ended the search: ``max_queries`` (its plan), ``target_accuracy``, ``target``, ``max_hours``,
            ``max_cost``, ``interrupt``, or ``space`` if the strategy has no more architectures.
    """

    space: SearchSpace
    evaluator: Evaluator
    strategy: Strategy
    archive: Archive
    observer: Observer
    max_failures: int
    add_traceback: Callable[[str], None] = lambda text: None
    limits: Limits | None = None
    wall_s: Callable[[], float] = lambda: 0.0
    interrupts: Interrupts | None = None
    goals: Goals | None = None
    measured_limits: MeasuredLimits | None = None
    ended_by: str = "max_queries"

    @cached_property
    def workers(self) -> Workers:
        """Workers of the evaluator."""
        return self.evaluator.workers()

    def now_s(self) -> float:
        """Return the time since the start of the search, of the clock or of the simulated clock, in seconds."""
        simulated = self.workers.now_s()
        return self.wall_s() if simulated is None else simulated

    def interrupted(self) -> bool:
        """Return whether Ctrl-C has ended the search. Then no further evaluation begins."""
        if self.interrupts is not None and self.interrupts.came:
            self.ended_by = "interrupt"
        return self.ended_by == "interrupt"

    def ends(self) -> bool:
        """Return whether the search has reached a limit. Notify the observer of it."""
        reached = None if self.limits is None else self.limits.reached(self.archive, self.now_s())
        if reached is not None:
            self.ended_by, reason = reached
            self.observer.ending(reason)
        return reached is not None

    def add(
        self,
        index: int,
        round_number: int,
        architecture: Any,
        evaluation: Evaluation,
        *,
        prediction: float | None = None,
        origin: str | None = None,
        number: int | None = None,
    ) -> None:
        """Store an evaluation, and notify the observer of it.

        Args:
            index: Position in the history.
            round_number: Round of the search.
            architecture: The architecture.
            evaluation: Its evaluation.
            prediction: Value that the strategy predicted. None without a prediction.
            origin: Part of the strategy from which the architecture came, if it names one.
            number: Number of the question, in an asynchronous search.

        Raises:
            UserError: More than ``max_failures`` evaluations failed, or the evaluation cannot be written. Or no
                evaluation has succeeded so far, and this one gave no metric of the name that the search needs.
        """
        rung, architecture = architecture, plain(architecture)
        evaluation = checked(evaluation, self.archive.metric, self.evaluator.metrics)
        if self.goals is not None:
            evaluation = completed(evaluation, self.goals, architecture)
        feasible = None
        if self.measured_limits is not None:
            evaluation = with_limited(evaluation, self.measured_limits)
            feasible = None if evaluation.value is None else self.measured_limits.allow(evaluation.metrics)
        if evaluation.lacks_metric and len(self.archive.failures) == len(self.archive):
            raise UserError(
                f"{evaluation.error}; the search ends, because no evaluation has this metric so far"
            )
        key = self.space.key(architecture)
        if evaluation.error is not None:
            self.add_traceback(f"evaluation {index}, {key}:\n{evaluation.traceback or evaluation.error}")
        only_costs = self.workers.now_s() is not None and self.workers.num_workers == 1 and number is None
        record = Record(
            index=index,
            round=round_number,
            architecture=self.space.to_json(architecture),
            key=key,
            value=evaluation.value,
            cost_s=evaluation.cost_s,
            prediction=prediction,
            error=evaluation.error,
            number=number,
            ended_s=None if only_costs else self.now_s(),
            origin=origin,
            metrics=dict(evaluation.metrics),
            feasible=feasible,
            **self._fidelity(rung, evaluation),
        )
        stored = self.archive.add(record)
        self.evaluator.recorded(rung, *self.archive.scores([record]))
        self.show(stored)

    def _fidelity(self, element: Any, evaluation: Evaluation) -> dict[str, Any]:
        """Return the fields of a record that only a search with fidelities has."""
        if not isinstance(element, Rung):
            return {}
        partial = element.epochs < self.evaluator.fidelities[-1] or None
        cost = self.evaluator.cost_of(element) if evaluation.cost is None else evaluation.cost
        return {"epochs": element.epochs, "cost": cost, "partial": partial}

    def show(self, records: Sequence[Record]) -> None:
        """Notify the observer of new records in the history.

        Raises:
            UserError: More than ``max_failures`` evaluations failed.
        """
        self.observer.evaluated(records)
        self.check_failures()

    def check_failures(self) -> None:
        """Raise a ``UserError`` if more than ``max_failures`` evaluations and second trainings failed."""
        failures = self.archive.all_failures
        if len(failures) > self.max_failures:
            raise UserError(
                f"search.max_failures={self.max_failures}: {len(failures)} evaluations failed, "
                f"the last one with {failures[-1].error}"
            )
