"""Choice of architectures and epochs together, by what each is expected to gain for its cost."""

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seminas.config.fidelities import ControllerFidelitySettings
from seminas.errors import config_error
from seminas.spaces.base import SearchSpace
from seminas.spaces.rungs import Rung
from seminas.strategies.base import Proposal, Strategy, summed
from seminas.strategies.improver import Improver
from seminas.strategies.plan_goals import PlanGoals
from seminas.strategies.plan_improvement import Label, PlanImprovement, fitted_numbers, unfinished
from seminas.strategies.scheduler import Scheduler, proposal_of_rungs


class FidelityController(Scheduler[ControllerFidelitySettings]):
    """Strategy that chooses architecture and epochs by a process that learns from evaluations at all levels.

    The first architectures are those of the inner strategy's first round. They begin at ``fidelity.begin``. Then each
    question goes to the plan with the highest gain for its cost (see ``best_plans``): to train a known architecture on,
    or to begin a new one at some level. The process and the inner strategy take turns with the choice of new
    architectures. The inner strategy learns from estimates at the full level. ``PlanGoals`` is the gain with several
    objectives and with limits of measured metrics.
    """

    def __init__(
        self,
        space: SearchSpace[Any],
        seed: int,
        settings: ControllerFidelitySettings,
        strategy: Strategy[Any],
        fidelities: Sequence[int],
    ) -> None:
        """Initialize the strategy, see the base class."""
        super().__init__(space, seed, settings, strategy, fidelities)
        if settings.begin is not None and settings.begin not in self.levels:
            raise config_error("fidelity.begin", settings.begin, f"one of {list(self.levels)}")
        self._begin = self.levels[-2] if settings.begin is None else settings.begin
        self._improver = Improver(strategy, settings.pool)
        self._labels: list[Label] = []
        self._fitted: tuple[int, PlanImprovement[Any]] | None = None
        """Number of successful evaluations of the last fit of the parameters, and the fit."""

    def begins_round(self, pending: Collection[Any]) -> bool:
        """Return whether the next question may need a fit of the inner strategy."""
        return self._inner.begins_round(self._begun(pending))

    def tell(self, architectures: Sequence[Any], accuracies: Sequence[float | None]) -> None:
        """Receive the scores of rungs, see the base class."""
        super().tell(architectures, accuracies)
        for rung, accuracy in zip(architectures, accuracies, strict=True):
            if accuracy is not None:
                self._labels.append(Label(rung.architecture, self.levels.index(rung.epochs), accuracy))

    def _ask_one(self, pending: Collection[Any]) -> Proposal[Any]:
        start = time.perf_counter()
        if self._is_first(pending):
            proposal = self._from_inner(pending, None)
            if proposal.architectures or self._num_labeled < 2:
                return proposal
        improvement = self._improvement(pending)
        known = unfinished(self._labels, self._scores, pending)
        further = improvement.best_plan(known)
        rng = np.random.default_rng([self.seed, sum(map(len, self._scores)), len(pending)])
        chosen, origins = self._improver.choose_by(
            improvement, 1, self._begun(pending), self._inner.leads, rng
        )
        new = improvement.best_plan(chosen)
        seconds = {"fit_s": time.perf_counter() - start}
        if new is None and further is None:
            return Proposal([])
        if new is None or (further is not None and further.ratio >= new.ratio):
            assert further is not None
            return Proposal([further.rung], metrics=seconds, origins={further.rung: "promotion"})
        if self._asks_inner(pending):
            proposal = self._from_inner(pending, improvement)
            if proposal.architectures:
                return replace(proposal, metrics=summed(proposal.metrics, seconds))
        self._inner.begin_question(self._begun(pending))
        return Proposal([new.rung], metrics=seconds, origins={new.rung: origins[new.rung.architecture]})

    def _number(self, pending: Collection[Any]) -> int:
        """Return the number of architectures that have begun, without the first ones. It is negative before."""
        begun = dict.fromkeys(a for scores in self._scores for a in scores)
        begun |= dict.fromkeys(rung.architecture for rung in pending)
        first = min(self.settings.first, self.sizes[0]) if self.sizes else self.settings.first
        return len(begun) - first

    @property
    def _num_labeled(self) -> int:
        return len({label.architecture for label in self._labels})

    def _is_first(self, pending: Collection[Any]) -> bool:
        """Return whether the process does not choose yet."""
        return self._number(pending) < 0 or self._num_labeled < 2

    def _asks_inner(self, pending: Collection[Any]) -> bool:
        """Return whether a new architecture would come from the inner strategy at this question."""
        number, part = self._number(pending), self.settings.improvement
        return self._is_first(pending) or int((number + 1) * part) == int(number * part)

    def _from_inner(
        self, pending: Collection[Any], improvement: PlanImprovement[Any] | None
    ) -> Proposal[Any]:
        """Return an architecture of the inner strategy, for the first level of its plan or for ``fidelity.begin``."""
        proposal = self._inner.ask(1, self._begun(pending))
        plan = None if improvement is None else improvement.best_plan(proposal.architectures)
        epochs = self._begin if plan is None else plan.rung.epochs
        return proposal_of_rungs(proposal, {a: Rung(a, epochs) for a in proposal.architectures})

    def _improvement(self, pending: Collection[Any]) -> PlanImprovement[Any]:
        """Return the gains of plans, with parameters that were fitted after a part of the evaluations.

        The part is a function of their number, so a resumed search has the same parameters.
        """
        number = fitted_numbers(len(self._labels), 2)
        while len({label.architecture for label in self._labels[:number]}) < 2:
            number += 1
        if self._fitted is None or self._fitted[0] != number:
            fit = PlanImprovement(self.space, self._labels[:number], (), self.levels)
            self._fitted = number, fit
        process = self._fitted[1].process
        if self.goals is None and self.limits is None:
            return PlanImprovement(self.space, self._labels, pending, self.levels, process, self._trained)
        return PlanGoals(self._labels, pending, self.levels, process, self._trained, self._inner)
