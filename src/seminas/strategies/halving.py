"""Asynchronous successive halving around any strategy (Li et al., MLSys 2020, algorithm 2)."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from seminas.config.fidelities import HalvingSettings
from seminas.spaces.rungs import Rung
from seminas.strategies.base import Proposal
from seminas.strategies.scheduler import Scheduler, proposal_of_rungs


class Halving(Scheduler[HalvingSettings]):
    """Strategy that begins short trainings of the architectures of another strategy, and promotes the best of them.

    When a worker is free, an architecture trains on if it is among the best 1/η of the finished ones of its level. The
    highest level with such an architecture comes first. Otherwise the inner strategy proposes a new architecture, which
    begins at the lowest level. So no promotion waits for other evaluations.

    With several objectives, the order of a level is by non-dominated rank and crowding distance, as in MO-ASHA with
    NSGA-II's order (Schmucker et al., "Multi-objective Asynchronous Successive Halving", 2021). With limits of measured
    metrics, the order is by constrained dominance (see ``Pursuit.standing``).

    In a search of rounds, a round has all promotions that are possible before it, and then new architectures.
    """

    works_in_rounds = True

    def begins_round(self, pending: Collection[Any]) -> bool:
        """Return whether the next question may need a fit of the inner strategy."""
        return self._promotion(pending) is None and self._inner.begins_round(self._begun(pending))

    def _ask_one(self, pending: Collection[Any]) -> Proposal[Any]:
        promotion = self._promotion(pending)
        if promotion is None:
            proposal = self._inner.ask(1, self._begun(pending))
            if proposal.architectures:
                return proposal_of_rungs(
                    proposal, {a: self._first_rung(a, pending) for a in proposal.architectures}
                )
            promotion = self._promotion(pending, reduction=1.0)  # The space has no more architectures.
        if promotion is None:
            return Proposal([])
        return Proposal([promotion], origins={promotion: "promotion"})

    def ask(self, n: int, pending: Collection[Any] = ()) -> Proposal[Any]:
        """Propose ``n`` rungs, or fewer if the space has no more and nothing can be promoted."""
        if self.sizes is not None:
            return super().ask(n, pending)
        chosen = self._promoted({}, n)
        number = n - len(chosen)
        proposal = self._inner.ask(number) if number else Proposal[Any]([])
        rung_of: dict[Any, Rung[Any]] = {}
        for architecture in proposal.architectures:
            rung_of[architecture] = self._first_rung(architecture, [*chosen, *rung_of.values()])
        new = proposal_of_rungs(proposal, rung_of)
        # If the space has no more architectures, the others of each level are promoted.
        last = self._promoted(chosen | dict.fromkeys(new.architectures), n, reduction=1.0)
        promotions = {rung: "promotion" for rung in last if rung not in rung_of.values()}
        return replace(new, architectures=list(last), origins={**new.origins, **promotions})

    def _promoted(self, chosen: dict[Any, None], n: int, reduction: float | None = None) -> dict[Any, None]:
        """Return chosen rungs and promotions, ``n`` in total or fewer."""
        promoted = dict(chosen)
        while len(promoted) < n and (rung := self._promotion(promoted, reduction)) is not None:
            promoted[rung] = None
        return promoted

    def _first_rung(self, architecture: Any, pending: Collection[Any]) -> Rung[Any]:
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
                succeeded = {a: score for a, score in of_group.items() if score is not None}
                best = self._orders[level].ranked(succeeded)[: int(len(of_group) / eta)]
                for architecture in best:
                    trained = self._trained.get(architecture, 0)
                    rung = Rung(architecture, self.levels[level + 1], trained)
                    if rung not in pending and not any(architecture in s for s in self._scores[level + 1 :]):
                        return rung
        return None
