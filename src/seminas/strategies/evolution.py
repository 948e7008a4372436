"""Regularized evolution (Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019)."""

from collections.abc import Collection
from itertools import islice

import numpy as np

from seminas.config.strategies import EvolutionSettings
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.base import Proposal, RoundSizes, Strategy
from seminas.strategies.taken import Taken

TRIES = 100
"""Number of tournaments in a row without a new child, after which random architectures fill the round."""


class Evolution(Strategy[A]):
    """Strategy with a population of the youngest architectures.

    Each tournament draws some architectures from the population, and the best of them wins. A child is a mutation of
    the winner. The authors evaluate a child again if it is a known architecture. Here a child is always a new
    architecture. If all mutations of a winner are known, the strategy holds another tournament.

    In an asynchronous search, each evaluation that ends changes the population at once, and each free worker gets a
    child of it, as in section 3 of the paper. A child is never an architecture that is being evaluated.

    With several objectives, the strategy is NSGA-II (Deb et al., 2002) in a steady state. The population is the best of
    all architectures by dominance and crowding distance, and this order decides the tournaments.

    With limits of measured metrics, a tournament's winner is the best one by constrained dominance (see ``standing``).
    """

    takes_objectives = True
    takes_limits = True

    def __init__(self, space: SearchSpace[A], seed: int, settings: EvolutionSettings) -> None:
        super().__init__(space, seed)
        self.settings = settings
        self.round_sizes = RoundSizes(max(2, settings.population_size), 1)
        self._neighbors: dict[A, list[A]] = {}
        self._place: dict[A, int] = {}
        """Place of each member of the population of several objectives, the best first."""

    def propose(self, n: int, rng: np.random.Generator) -> Proposal[A]:
        """Propose ``n`` children, or random architectures in the first round."""
        return Proposal(self.space.sample(n, rng) if self.round == 0 else self.children(n, rng, self.taken))

    def propose_more(self, n: int, pending: Collection[A], rng: np.random.Generator) -> Proposal[A]:
        """Propose children of the population of finished evaluations, as in a steady state."""
        return Proposal(self.children(n, rng, self.known(pending)))

    def children(self, n: int, rng: np.random.Generator, taken: Collection[A]) -> list[A]:
        """Return ``n`` distinct new children of the population, in the order of their creation.

        If tournaments give too few children, random new architectures follow them.

        Args:
            n: Number of children.
            rng: Random generator.
            taken: Architectures that are no children, because they are known or are being evaluated.
        """
        population = self.population()
        self._neighbors = {a: self._neighbors.get(a) or self.space.neighbors(a) for a in population}
        born: dict[A, None] = {}
        tries = 0
        while population and len(born) < n and tries < TRIES:
            child = self._child(population, Taken(taken, born), rng)
            tries += 1
            if child is not None:
                born[child], tries = None, 0
        return self.filled(born, n, rng, taken)

    def population(self) -> list[A]:
        """Return the youngest ``population_size`` architectures that have an accuracy, oldest first.

        With several objectives, return the best of all architectures, best first.
        """
        if self.goals is not None:
            best = self.ranked(self.labeled)[: self.settings.population_size]
            self._place = {architecture: place for place, architecture in enumerate(best)}
            return best
        newest_first = (a for a, accuracy in reversed(self.told.items()) if accuracy is not None)
        return list(islice(newest_first, self.settings.population_size))[::-1]

    def _value(self, architecture: A) -> tuple[float, float]:
        if self.goals is not None:
            return 0.0, -self._place[architecture]
        value = self.told[architecture]
        assert value is not None
        return self.standing(architecture, value)

    def _child(self, population: list[A], taken: Collection[A], rng: np.random.Generator) -> A | None:
        """Return a random new mutation of a tournament's winner, or None if all its mutations are taken."""
        size = min(self.settings.tournament_size, len(population))
        drawn = [population[i] for i in rng.choice(len(population), size=size, replace=False)]
        winner = max(drawn, key=self._value)
        new = [a for a in self._neighbors[winner] if a not in taken]
        return new[rng.integers(len(new))] if new else None
