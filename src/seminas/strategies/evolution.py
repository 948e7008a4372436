"""Regularized evolution (Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019)."""

from collections.abc import Collection

import numpy as np

from seminas.config.strategies import EvolutionSettings
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.base import Proposal, RoundSizes, Strategy

TRIES = 100
"""Tournaments whose child is known already before a random architecture takes its place."""


class Evolution(Strategy[A]):
    """Keeps the youngest architectures; a child mutates the winner of a tournament among some of them.

    The authors evaluate a child again that is already known. Here another tournament is held until a child is new, so
    that each evaluation pays for something new.
    """

    def __init__(self, space: SearchSpace[A], seed: int, settings: EvolutionSettings) -> None:
        super().__init__(space, seed)
        self.settings = settings
        self.round_sizes = RoundSizes(max(2, settings.population_size), 1)
        self._neighbors: dict[A, list[A]] = {}

    def ask(self, n: int) -> Proposal[A]:
        """Propose ``n`` children; at first, random architectures."""
        rng = self.rng()
        return Proposal(self.space.sample(n, rng) if self.round == 0 else self.children(n, rng))

    def children(self, n: int, rng: np.random.Generator) -> list[A]:
        """Return ``n`` distinct new children of the population, in the order in which they were born."""
        population = self.population()
        self._neighbors = {a: self._neighbors.get(a) or self.space.neighbors(a) for a in population}
        born: dict[A, None] = {}
        tries = 0
        while population and len(born) < n and tries < TRIES:
            child = self._child(population, born, rng)
            tries += 1
            if child is not None:
                born[child], tries = None, 0
        return self.filled(list(born), n, rng)

    def population(self) -> list[A]:
        """Return the youngest architectures that have an accuracy, oldest first."""
        return list(self.labeled)[-self.settings.population_size :]

    def _child(self, population: list[A], taken: Collection[A], rng: np.random.Generator) -> A | None:
        """A mutation of a tournament's winner, None where it is not new."""
        size = min(self.settings.tournament_size, len(population))
        drawn = [population[i] for i in rng.choice(len(population), size=size, replace=False)]
        winner = max(drawn, key=lambda a: self.told[a] or 0.0)
        new = [a for a in self._neighbors[winner] if a not in self.told and a not in taken]
        return new[rng.integers(len(new))] if new else None
