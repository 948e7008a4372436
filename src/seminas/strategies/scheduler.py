"""Schedulers: strategies around a strategy, which choose the epochs of its architectures."""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

import numpy as np

from seminas.config.fidelities import FidelitySettings
from seminas.config.schema import option_of
from seminas.errors import config_error
from seminas.runs.constraints import MeasuredLimits
from seminas.runs.metric import Metric
from seminas.spaces.base import SearchSpace
from seminas.spaces.rungs import Rung
from seminas.strategies.base import Proposal, Strategy, summed
from seminas.strategies.goals import Goals
from seminas.strategies.levels import at_full_fidelity
from seminas.strategies.pursuit import Pursuit

S = TypeVar("S", bound=FidelitySettings)


class Scheduler(Strategy[Any], Generic[S]):
    """Base class of strategies that propose rungs: architectures of an inner strategy, and their numbers of epochs.

    The inner strategy knows one score for each architecture: its score at the highest level that it has reached,
    carried to the full level (``at_full_fidelity``). These estimates change when further evaluations end. Measured
    objectives and limited metrics are carried in the same way. Each level has an order of its own by the objectives and
    limits, in which architectures are compared by their values at this level.
    """

    asks_singly = True
    share_together = 0.0
    works_in_rounds = False
    """Whether the scheduler also proposes whole rounds, for an evaluator that measures again."""

    def __init__(
        self,
        space: SearchSpace[Any],
        seed: int,
        settings: S,
        strategy: Strategy[Any],
        fidelities: Sequence[int],
    ) -> None:
        """Initialize the strategy.

        Args:
            space: Space of the candidates.
            seed: Seed of all random numbers.
            settings: Levels, and how they are chosen.
            strategy: Strategy that proposes architectures. It must accept other accuracies for known architectures.
            fidelities: Numbers of epochs after which the evaluator measures, increasing. Empty if it knows none.

        Raises:
            UserError: The evaluator does not measure after the epochs of the settings.
        """
        super().__init__(space, seed)
        if len(fidelities) < 2:
            chosen = option_of("fidelity", settings._target_)
            raise config_error("fidelity", chosen, "none with an evaluator without fidelities")
        self.levels = tuple(fidelities if settings.epochs is None else settings.epochs)
        if not set(self.levels) <= set(fidelities) or self.levels[-1] != fidelities[-1]:
            allowed = f"among {list(fidelities)}, with {fidelities[-1]} as the last one"
            raise config_error("fidelity.epochs", list(self.levels), allowed)
        self.settings, self._inner = settings, strategy
        self.round_sizes = strategy.round_sizes
        self._scores: list[dict[Any, float | None]] = [{} for _ in self.levels]
        """Score of each architecture at each level, in the order of arrival. None means that its evaluation failed."""
        self._orders: list[Pursuit[Any]] = [Pursuit() for _ in self.levels]
        """Order of the architectures of each level, and their further metrics there."""
        self._trained: dict[Any, int] = {}
        """Number of epochs that this search has trained of each architecture. Imported trainings cannot go on."""

    def pursue(self, goals: Goals[Any]) -> None:
        """Prepare for several objectives.

        Raises:
            UserError: The inner strategy takes one objective.
        """
        self._inner.pursue(goals)
        for pursuit in (self, *self._orders):
            pursuit.goals = goals

    def respect(self, limits: MeasuredLimits) -> None:
        """Prepare for limits of measured metrics.

        Raises:
            UserError: The inner strategy takes no such limits.
        """
        self._inner.respect(limits)
        for pursuit in (self, *self._orders):
            pursuit.limits = limits

    def start(self, sizes: Sequence[int]) -> None:
        """Prepare for an asynchronous search. The sizes are those of the inner strategy's rounds."""
        super().start(sizes)
        self._inner.start(sizes)

    @property
    def round(self) -> int:
        """Number of the next round of the inner strategy."""
        return self._inner.round

    @abstractmethod
    def _ask_one(self, pending: Collection[Any]) -> Proposal[Any]:
        """Propose one rung, or none if there is nothing to do."""

    def begin_question(self, pending: Collection[Any], replayed: Any = None) -> None:
        """Pass a recorded question on to the inner strategy, if the inner strategy has proposed its architecture."""
        if replayed is not None and not self._inner.is_known(replayed.architecture):
            self._inner.begin_question(self._begun(pending), replayed.architecture)
            if self._asks_inner(pending):
                self._inner.note_labels()

    def _asks_inner(self, pending: Collection[Any]) -> bool:
        """Return whether a new architecture would come from the inner strategy at this question."""
        return True

    @property
    def size_of_round(self) -> int:
        """Size of the current round of the inner strategy."""
        return self._inner.size_of_round

    def ask(self, n: int, pending: Collection[Any] = ()) -> Proposal[Any]:
        """Propose ``n`` rungs, or fewer if the space has no more and nothing can be promoted."""
        proposals = Proposal[Any]([])
        asked = dict.fromkeys(pending)
        for _ in range(n):
            proposal = self._ask_one(asked)
            if not proposal.architectures:
                break
            asked |= dict.fromkeys(proposal.architectures)
            proposals = Proposal(
                [*proposals.architectures, *proposal.architectures],
                {**proposals.predictions, **proposal.predictions},
                summed(proposals.metrics, proposal.metrics),
                {**proposals.origins, **proposal.origins},
            )
        return proposals

    def propose(self, n: int, rng: np.random.Generator) -> Proposal[Any]:
        """Propose the first evaluations of a round. An asynchronous search uses ``ask`` alone."""
        return self.ask(n)

    def receive_further(self, architectures: Sequence[Any], metrics: Sequence[Mapping[str, float]]) -> None:
        """Receive values of further metrics of rungs by name, before ``tell`` receives the accuracies."""
        for rung, of_rung in zip(architectures, metrics, strict=True):
            self._orders[self.levels.index(rung.epochs)].receive_further([rung.architecture], [of_rung])

    def tell(self, architectures: Sequence[Any], accuracies: Sequence[float | None]) -> None:
        """Receive the scores of rungs, and give the inner strategy the estimates at the full level."""
        estimated = self._estimated_further()
        self._inner.receive_further(list(estimated), list(estimated.values()))
        in_rounds = self.sizes is None
        for rung, accuracy in zip(architectures, accuracies, strict=True):
            self._scores[self.levels.index(rung.epochs)][rung.architecture] = accuracy
            if rung.trained < rung.epochs:
                self._trained[rung.architecture] = max(rung.epochs, self._trained.get(rung.architecture, 0))
            if not in_rounds:
                self._tell_inner([rung.architecture])
        if in_rounds:
            self._tell_inner(list(dict.fromkeys(rung.architecture for rung in architectures)))

    def revise(self, architectures: Sequence[Any], accuracies: Sequence[float | None]) -> None:
        """Replace the scores of rungs that the scheduler received earlier."""
        for rung, accuracy in zip(architectures, accuracies, strict=True):
            self._scores[self.levels.index(rung.epochs)][rung.architecture] = accuracy
        self._revise_inner(at_full_fidelity(self._scores))

    def _tell_inner(self, architectures: Sequence[Any]) -> None:
        """Tell the inner strategy the estimates of architectures that are new to it, and revise all others.

        In a search of rounds, this ends its round, also if no architecture is new.
        """
        estimates = at_full_fidelity(self._scores)
        new = [a for a in architectures if not self._inner.is_known(a)]
        if new or self.sizes is None:
            self._inner.tell(new, [estimates[a] for a in new])
        self._revise_inner(estimates)

    def _revise_inner(self, estimates: Mapping[Any, float | None]) -> None:
        finished = [a for a in self._inner.told if a in estimates]
        self._inner.revise(finished, [estimates[a] for a in finished])
        self._inner.recent.update({a: estimates[a] for a in self._inner.recent})

    def _estimated_further(self) -> dict[Any, dict[str, float]]:
        """Return the further metrics of each architecture, carried to the full level as its score."""
        of_level = [order.further for order in self._orders]
        estimated = {a: dict(metrics) for further in of_level for a, metrics in further.items()}
        for metric in self._carried():
            name = metric.name
            scores = [
                {
                    a: metric.score(metrics[name]) if name in metrics else None
                    for a, metrics in further.items()
                }
                for further in of_level
            ]
            for architecture, score in at_full_fidelity(scores).items():
                if score is not None:
                    estimated[architecture][name] = metric.score(score)
        return estimated

    def _carried(self) -> list[Metric]:
        """Return the further metrics that are objectives or have limits."""
        objectives = () if self.goals is None else self.goals.objectives.further
        limited = () if self.limits is None else (limit.metric for limit in self.limits.limits)
        return list(dict.fromkeys([*objectives, *limited]))

    def _begun(self, pending: Collection[Any]) -> dict[Any, None]:
        """Return the pending architectures that the inner strategy has proposed and that have no score yet."""
        known = self._inner.is_known
        return {rung.architecture: None for rung in pending if not known(rung.architecture)}


def proposal_of_rungs(proposal: Proposal[Any], rung_of: Mapping[Any, Rung[Any]]) -> Proposal[Any]:
    """Return a proposal of architectures as one of their rungs."""
    return replace(
        proposal,
        architectures=list(rung_of.values()),
        predictions={rung_of[a]: value for a, value in proposal.predictions.items()},
        origins={rung_of[a]: origin for a, origin in proposal.origins.items()},
    )
