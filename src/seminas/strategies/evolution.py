"""Regularized evolution (Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019)."""

from collections.abc import Collection

import numpy as np

from seminas.errors import check_at_least
from seminas.plan import OwnSizes
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.base import Strategy

TRIES = 100
"""Tournaments whose child is known already before a random architecture takes its place."""


class Evolution(Strategy[A]):
    """Keeps the youngest architectures; a child mutates the winner of a tournament among some of them.

    The authors let a child be evaluated twice. Here it is mutated on, or another tournament held, until it is new:
    an evaluation buys something each time.
    """

    def __init__(
        self, space: SearchSpace[A], seed: int, population_size: int = 10, tournament_size: int = 3
    ) -> None:
        """Set up the strategy.

        Args:
            space: Where to search.
            seed: Of all randomness.
            population_size: P, the youngest architectures, which can be parents; so many are random at first.
            tournament_size: S, drawn from the population without repetition; the best is the parent. The
                authors take P = 100 and S = 25 for 20,000 evaluations; small budgets want small populations.
        """
        super().__init__(space, seed)
        check_at_least("strategy", locals(), {"population_size": 1, "tournament_size": 1})
        self.population_size = population_size
        self.tournament_size = tournament_size
        self.own_sizes = OwnSizes(max(2, population_size), 1)
        self._neighbors: dict[A, list[A]] = {}

    def ask(self, n: int) -> list[A]:
        """Return ``n`` children; at first, random architectures."""
        rng = self.rng()
        if self.round == 0:
            return self.space.sample(n, rng)
        return self.children(n, rng)

    def children(self, n: int, rng: np.random.Generator) -> list[A]:
        """Return ``n`` distinct new children of the population, in the order in which they were born."""
        population = self.population()
        self._neighbors = {a: self._neighbors.get(a) or self.space.neighbors(a) for a in population}
        found: dict[A, None] = {}
        tries = 0
        while population and len(found) < n and tries < TRIES:
            child = self._child(population, found, rng)
            tries += 1
            if child is not None:
                found[child], tries = None, 0
        return self.filled(list(found), n, rng)

    def population(self) -> list[A]:
        """Return the youngest architectures that have an accuracy, oldest first."""
        return list(self.labeled)[-self.population_size :]

    def _child(self, population: list[A], taken: Collection[A], rng: np.random.Generator) -> A | None:
        """A mutation of a tournament's winner, None where it is not new."""
        size = min(self.tournament_size, len(population))
        drawn = [population[i] for i in rng.choice(len(population), size=size, replace=False)]
        winner = max(drawn, key=lambda a: self.told[a] or 0.0)
        new = [a for a in self._neighbors[winner] if a not in self.told and a not in taken]
        return new[rng.integers(len(new))] if new else None
