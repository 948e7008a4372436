"""Local search (White et al., "Exploring the Loss Landscape in Neural Architecture Search", UAI 2021)."""

from collections.abc import Sequence

from seminas.config.strategies import LocalSearchSettings
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.base import Proposal, RoundSizes, Strategy


class LocalSearch(Strategy[A]):
    """Strategy that moves from an architecture to its best neighbor until no neighbor is better.

    The search first evaluates random architectures and starts from the best of them. At a local optimum, the search
    starts again with random architectures. Without ``first_improvement``, the search evaluates all neighbors before a
    move (algorithm 1 of the paper). With ``first_improvement``, the search moves as soon as a neighbor is better (the
    paper's variant "query until lower").
    """

    def __init__(self, space: SearchSpace[A], seed: int, settings: LocalSearchSettings) -> None:
        super().__init__(space, seed)
        self.settings = settings
        self.round_sizes = RoundSizes(settings.num_start, 1)
        self._center: A | None = None
        """Architecture whose neighbors the search evaluates. None before the first round and after a local optimum."""
        self._neighbors: list[A] = []

    def ask(self, n: int) -> Proposal[A]:
        """Propose new neighbors of the current architecture, and random architectures if too few neighbors are new."""
        rng = self.rng()
        new = [a for a in self._neighbors if a not in self.told]
        chosen = [new[i] for i in rng.permutation(len(new))[:n]]
        return Proposal(self.filled(chosen, n, rng))

    def tell(self, architectures: Sequence[A], accuracies: Sequence[float | None]) -> None:
        """Receive the accuracies of a round, and move if the search has evaluated enough neighbors."""
        super().tell(architectures, accuracies)
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

    def _value(self, architecture: A) -> float:
        value = self.told[architecture]
        assert value is not None
        return value
