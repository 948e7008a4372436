"""Candidates for the expected improvement, and the choice among them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Generic

import numpy as np

from seminas.config.strategies import SOURCES
from seminas.spaces.base import A
from seminas.strategies.base import NUM_PARENTS, Strategy
from seminas.strategies.feasibility import Feasibility
from seminas.strategies.front import FrontImprovement
from seminas.strategies.improvement import Improvement, Views, views_of

NUM_RANDOM = 100
"""Number of random candidates in a space that is too large to list."""


class Improver(Generic[A]):
    """Choice of architectures with the highest expected improvement, from candidates that fit the size of the space.

    If the space has at most ``pool`` architectures, all of them are candidates. Otherwise the choice climbs from
    candidates of several sources: random architectures, neighbors of the best ones, and candidates of the strategy,
    which come from gradient steps.
    """

    def __init__(self, strategy: Strategy[A], pool: int, sources: Collection[str] = SOURCES) -> None:
        """Initialize the choice for a strategy, with the sources of its candidates."""
        self._strategy, self._pool, self._sources = strategy, pool, sources
        self._all: tuple[list[A], Views] | None = None

    def choose(
        self,
        n: int,
        labeled: Mapping[A, float],
        pending: Collection[A],
        made: Sequence[A],
        rng: np.random.Generator,
    ) -> tuple[list[A], dict[A, str]]:
        """Return new architectures, ``n`` or fewer if the space has no more, and the source of each.

        Args:
            n: Number of architectures.
            labeled: Accuracy of each labeled architecture, a fraction. At least two.
            pending: Architectures that are being evaluated.
            made: Candidates of the strategy. Their source is ``gradient``.
            rng: Random generator.
        """
        return self.choose_by(self._improvement(labeled, pending), n, pending, made, rng)

    def choose_by(
        self,
        improvement: Improvement[A],
        n: int,
        pending: Collection[A],
        made: Sequence[A],
        rng: np.random.Generator,
    ) -> tuple[list[A], dict[A, str]]:
        """Return new architectures with the highest gain of an improvement that was made already, see ``choose``."""
        strategy, known = self._strategy, set(self._strategy.known(pending))
        sees_all = strategy.sees_all(self._pool)
        sources: dict[str, Sequence[A]] = {}
        if not sees_all:
            drawn = strategy.space.sample(NUM_RANDOM, rng, exclude=known)
            sources = {"gradient": made, "neighbors": strategy.near_best(NUM_PARENTS), "random": drawn}
            sources = {name: sources[name] for name in self._sources}
        chosen: dict[A, str] = {}
        while len(chosen) < n:
            taken = known | set(chosen)
            if sees_all:
                best = improvement.best_of(*self._space(rng), taken)
                climbed = None if best is None else (best, "gradient" if best in made else "space")
            else:
                climbed = improvement.climb(sources, taken)
            if climbed is None:
                break
            architecture, source = climbed
            chosen[architecture] = source
            if len(chosen) < n:
                improvement.believe([architecture])
        full = strategy.filled(chosen, n, rng, known)
        return full, dict.fromkeys(full, "random") | chosen

    def _improvement(self, labeled: Mapping[A, float], pending: Collection[A]) -> Improvement[A]:
        """Return the expected improvement, or the expected hypervolume improvement with several objectives."""
        strategy, space = self._strategy, self._strategy.space
        feasibility = None
        if strategy.limits is not None:
            feasibility = Feasibility(space, labeled, strategy.limits, strategy.further)
        if strategy.goals is None:
            return Improvement(space, labeled, pending, feasibility)
        num_first = sum(a in labeled for a in strategy.first_round)
        return FrontImprovement(
            space, labeled, pending, strategy.goals, strategy.further, num_first, feasibility
        )

    def _space(self, rng: np.random.Generator) -> tuple[list[A], Views]:
        """Return all architectures of the space, and their features."""
        if self._all is None:
            architectures = self._strategy.candidates(self._pool, rng)
            self._all = architectures, views_of(self._strategy.space, architectures)
        return self._all
