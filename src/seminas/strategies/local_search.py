"""Local search (White et al., "Exploring the Loss Landscape in Neural Architecture Search", UAI 2021)."""

from collections.abc import Collection, Sequence

import numpy as np

from seminas.config.strategies import LocalSearchSettings
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.base import Proposal, RoundSizes, Strategy


class LocalSearch(Strategy[A]):
    """Strategy that moves from an architecture to its best neighbor until no neighbor is better.

    The search first evaluates random architectures and starts from the best of them. At a local optimum, the search
    starts again with random architectures. Without ``first_improvement``, the search evaluates all neighbors before a
    move (algorithm 1 of the paper). With ``first_improvement``, the search moves as soon as a neighbor is better (the
    paper's variant "query until lower").

    In an asynchronous search, free workers evaluate the next neighbors. If all neighbors are being evaluated, they
    evaluate neighbors of the best neighbors so far, because the search may move to one of these.

    With limits of measured metrics, an architecture is better by constrained dominance (see ``standing``).
    """

    takes_limits = True

    def __init__(self, space: SearchSpace[A], seed: int, settings: LocalSearchSettings) -> None:
        super().__init__(space, seed)
        self.settings = settings
        self.round_sizes = RoundSizes(settings.num_start, 1)
        self._center: A | None = None
        """Architecture whose neighbors the search evaluates. None before the first round and after a local optimum."""
        self._neighbors: list[A] = []

    def propose(self, n: int, rng: np.random.Generator) -> Proposal[A]:
        """Propose new neighbors of the current architecture, and random architectures if too few neighbors are new."""
        taken = self.taken
        new = [a for a in self._neighbors if a not in taken]
        chosen = [new[i] for i in rng.permutation(len(new))[:n]]
        return Proposal(self.filled(chosen, n, rng))

    def propose_more(self, n: int, pending: Collection[A], rng: np.random.Generator) -> Proposal[A]:
        """Propose the next new neighbors of the current architecture, and then neighbors of its best neighbors.

        The current architecture may move to one of them. Random architectures follow if these are too few.
        """
        known = self.known(pending)
        new = [a for a in self._neighbors if a not in known]
        chosen = dict.fromkeys(new[i] for i in rng.permutation(len(new))[:n])
        done = [a for a in self._neighbors if self.told.get(a) is not None]
        for best in sorted(done, key=self._value, reverse=True):
            if len(chosen) == n:
                break
            further = [a for a in self.space.neighbors(best) if a not in known and a not in chosen]
            chosen |= dict.fromkeys(further[i] for i in rng.permutation(len(further))[: n - len(chosen)])
        return Proposal(self.filled(chosen, n, rng, known))

    def round_ended(self, architectures: Sequence[A]) -> None:
        """Move if the search has evaluated enough neighbors."""
        if self._center is None:
            self._move(self._best(architectures))
        while self._center is not None:
            better = self._best(self._neighbors)
            if better is not None and not self._value(better) > self._value(self._center):
                better = None
            if all(a in self.told for a in self._neighbors):
                self._move(better)  # None at a local optimum: the search starts again.
            elif self.settings.first_improvement and better is not None:
                self._move(better)
            else:
                return

    def _move(self, center: A | None) -> None:
        self._center = center
        self._neighbors = [] if center is None else self.space.neighbors(center)

    def _best(self, architectures: Sequence[A]) -> A | None:
        """Return the architecture with the highest accuracy, or None if no architecture has an accuracy."""
        done = [a for a in architectures if self.told.get(a) is not None]
        return max(done, key=self._value, default=None)

    def _value(self, architecture: A) -> tuple[float, float]:
        value = self.told[architecture]
        assert value is not None
        return self.standing(architecture, value)
