"""Asynchronous successive halving around any strategy (Li et al., MLSys 2020, algorithm 2)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seminas.config.fidelities import HalvingSettings
from seminas.errors import config_error
from seminas.spaces.base import SearchSpace
from seminas.spaces.rungs import Rung
from seminas.strategies.base import Proposal, Strategy, summed
from seminas.strategies.levels import at_full_fidelity


class Halving(Strategy[Any]):
    """Strategy that begins short trainings of the architectures of another strategy, and promotes the best of them.

    The elements that it proposes are rungs. When a worker is free, an architecture trains on if it is among the best
    1/η of the finished ones of its level. The highest level with such an architecture comes first. Otherwise the inner
    strategy proposes a new architecture, which begins at the lowest level. So no promotion waits for other evaluations.

    The inner strategy knows one score for each architecture: its score at the highest level that it has reached,
    carried to the full level (``at_full_fidelity``). These estimates change when further architectures are promoted.
    """

    asks_singly = True
    share_together = 0.0
    option = "halving"
    """Name in the config."""

    def __init__(
        self,
        space: SearchSpace[Any],
        seed: int,
        settings: HalvingSettings,
        strategy: Strategy[Any],
        fidelities: Sequence[int],
    ) -> None:
        """Initialize the strategy.

        Args:
            space: Space of the candidates.
            seed: Seed of all random numbers.
            settings: Levels, and the part of the architectures that is promoted.
            strategy: Strategy that proposes architectures. It must accept other accuracies for known architectures.
            fidelities: Numbers of epochs after which the evaluator measures, increasing. Empty if it knows none.

        Raises:
            UserError: The evaluator does not measure after the epochs of the settings.
        """
        super().__init__(space, seed)
        if len(fidelities) < 2:
            raise config_error("fidelity", self.option, "none with an evaluator without fidelities")
        self.levels = tuple(fidelities if settings.epochs is None else settings.epochs)
        if not set(self.levels) <= set(fidelities) or self.levels[-1] != fidelities[-1]:
            allowed = f"among {list(fidelities)}, with {fidelities[-1]} as the last one"
            raise config_error("fidelity.epochs", list(self.levels), allowed)
        self.settings, self._inner = settings, strategy
        self.round_sizes = strategy.round_sizes
        self._scores: list[dict[Any, float | None]] = [{} for _ in self.levels]
        """Score of each architecture at each level, in the order of arrival. None means that its evaluation failed."""

    def start(self, sizes: Sequence[int]) -> None:
        """Prepare for an asynchronous search. The sizes are those of the inner strategy's rounds."""
        super().start(sizes)
        self._inner.start(sizes)

    @property
    def round(self) -> int:
        """Number of the next round of the inner strategy."""
        return self._inner.round

    @property
    def size_of_round(self) -> int:
        """Size of the current round of the inner strategy."""
        return self._inner.size_of_round

    def begins_round(self, pending: Collection[Any]) -> bool:
        """Return whether the next question may need a fit of the inner strategy."""
        return self._promotion(pending) is None and self._inner.begins_round(self._begun(pending))

    def begin_question(self, pending: Collection[Any], replayed: Any = None) -> None:
        """Pass a recorded question on to the inner strategy, if the inner strategy has proposed its architecture."""
        if replayed is not None and not replayed.trained:
            self._inner.begin_question(self._begun(pending), replayed.architecture)

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

    def _ask_one(self, pending: Collection[Any]) -> Proposal[Any]:
        promotion = self._promotion(pending)
        if promotion is None:
            proposal = self._inner.ask(1, self._begun(pending))
            if proposal.architectures:
                return proposal_of_rungs(proposal, {a: self._first_rung(a) for a in proposal.architectures})
            promotion = self._promotion(pending, reduction=1.0)  # The space has no more architectures.
        if promotion is None:
            return Proposal([])
        return Proposal([promotion], origins={promotion: "promotion"})

    def propose(self, n: int, rng: np.random.Generator) -> Proposal[Any]:
        """Propose the first evaluations of a round. An asynchronous search uses ``ask`` alone."""
        return self.ask(n)

    def tell(self, architectures: Sequence[Any], accuracies: Sequence[float | None]) -> None:
        """Receive the scores of rungs, and give the inner strategy the estimates at the full level."""
        for rung, accuracy in zip(architectures, accuracies, strict=True):
            self._scores[self.levels.index(rung.epochs)][rung.architecture] = accuracy
            estimates = at_full_fidelity(self._scores)
            if not self._inner.is_known(rung.architecture):
                self._inner.tell([rung.architecture], [estimates[rung.architecture]])
            finished = [a for a in self._inner.told if a in estimates]
            self._inner.revise(finished, [estimates[a] for a in finished])
            self._inner.recent.update({a: estimates[a] for a in self._inner.recent})

    def _first_rung(self, architecture: Any) -> Rung[Any]:
        """Return the first evaluation of a new architecture."""
        return Rung(architecture, self.levels[0])

    def _groups(self, pending: Collection[Any]) -> list[tuple[int, Collection[Any] | None]]:
        """Return the lowest level of each bracket and its architectures. None means all architectures."""
        return [(0, None)]

    def _promotion(self, pending: Collection[Any], reduction: float | None = None) -> Rung[Any] | None:
        """Return the evaluation of the best architecture that may train on, or None.

        Args:
            pending: Rungs that were asked for and whose evaluations have not ended.
            reduction: η. None means the setting.
        """
        eta = self.settings.reduction if reduction is None else reduction
        groups = self._groups(pending)
        for level in range(len(self.levels) - 2, -1, -1):
            for lowest, members in groups:
                if level < lowest:
                    continue
                scores = self._scores[level]
                of_group = {a: s for a, s in scores.items() if members is None or a in members}
                succeeded = [a for a, score in of_group.items() if score is not None]
                best = sorted(succeeded, key=lambda a: -(scores[a] or 0.0))[: int(len(of_group) / eta)]
                for architecture in best:
                    rung = Rung(architecture, self.levels[level + 1], self.levels[level])
                    if architecture not in self._scores[level + 1] and rung not in pending:
                        return rung
        return None

    def _begun(self, pending: Collection[Any]) -> dict[Any, None]:
        """Return the pending architectures that the inner strategy has proposed and that have no score yet."""
        return {rung.architecture: None for rung in pending if not rung.trained}


def proposal_of_rungs(proposal: Proposal[Any], rung_of: Mapping[Any, Rung[Any]]) -> Proposal[Any]:
    """Return a proposal of architectures as one of their rungs."""
    return replace(
        proposal,
        architectures=list(rung_of.values()),
        predictions={rung_of[a]: value for a, value in proposal.predictions.items()},
        origins={rung_of[a]: origin for a, origin in proposal.origins.items()},
    )
