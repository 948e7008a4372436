"""Local search (White et al., "Exploring the Loss Landscape in Neural Architecture Search", UAI 2021)."""

from collections.abc import Sequence

from seminas.config.strategies import LocalSearchSettings
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.base import Proposal, RoundSizes, Strategy


class LocalSearch(Strategy[A]):
    """Evaluates all neighbours of the best of some random architectures, moves to the best of them, and so on.

    At a local optimum it starts again at a random architecture. As in the paper's algorithm 1, a whole neighbourhood
    is evaluated before a move; ``first_improvement`` moves at once, as its variant "query until lower" does.
    """

    def __init__(self, space: SearchSpace[A], seed: int, settings: LocalSearchSettings) -> None:
        super().__init__(space, seed)
        self.settings = settings
        self.round_sizes = RoundSizes(settings.num_start, 1)
        self._center: A | None = None
        """The architecture whose neighbours are evaluated; None when the search starts again."""
        self._neighbors: list[A] = []

    def ask(self, n: int) -> Proposal[A]:
        """Propose neighbours that are not evaluated yet, and random architectures if there are too few."""
        rng = self.rng()
        new = [a for a in self._neighbors if a not in self.told]
        chosen = [new[i] for i in rng.permutation(len(new))[:n]]
        return Proposal(self.filled(chosen, n, rng))

    def tell(self, architectures: Sequence[A], accuracies: Sequence[float | None]) -> None:
        """Take in a round, and move if its neighbourhood is done."""
        super().tell(architectures, accuracies)
        if self._center is None:
            self._move(self._best(architectures))
        while self._center is not None:
            better = self._best(self._neighbors)
            if better is not None and not self._value(better) > self._value(self._center):
                better = None
            if all(a in self.told for a in self._neighbors):
                self._move(better)  # At a local optimum there is none: the search starts again.
            elif self.settings.first_improvement and better is not None:
                self._move(better)
            else:
                return

    def _move(self, center: A | None) -> None:
        self._center = center
        self._neighbors = [] if center is None else self.space.neighbors(center)

    def _best(self, architectures: Sequence[A]) -> A | None:
        """The best of those that have an accuracy."""
        done = [a for a in architectures if self.told.get(a) is not None]
        return max(done, key=self._value, default=None)

    def _value(self, architecture: A) -> float:
        value = self.told[architecture]
        assert value is not None
        return value
