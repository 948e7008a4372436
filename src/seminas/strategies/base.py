"""Strategies: which architectures to evaluate next. A strategy knows nothing of evaluators."""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, NamedTuple

import numpy as np

from seminas.spaces.base import A, EnumerableSpace, SearchSpace

NUM_PARENTS = 10
"""The best so far, whose neighbours are candidates where not all of a space is."""


class RoundSizes(NamedTuple):
    """How many architectures a strategy wants in each round.

    Attributes:
        first: In the first, random round.
        step: In each further round.
        growth: Or this fraction of the architectures evaluated since the first round, if that is more.
    """

    first: int
    step: int
    growth: float = 0.0


@dataclass(frozen=True)
class Proposal(Generic[A]):
    """A strategy's answer to ``ask``.

    Attributes:
        architectures: To be evaluated, distinct and new.
        predictions: Expected validation accuracies, fractions, of those that the strategy has a prediction for.
        metrics: Numbers for the loggers, such as the seconds of a fit.
    """

    architectures: list[A]
    predictions: Mapping[A, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


class Strategy(ABC, Generic[A]):
    """Proposes architectures, and is told their accuracies, a round at a time.

    A proposal follows from the strategy's arguments and from the accuracies told. Its randomness comes from (seed,
    round). So an interrupted search goes on as if nothing had happened: a new strategy is told the recorded rounds.

    Attributes:
        space: The candidates.
        seed: Of all randomness.
        round_sizes: The sizes that it works best with; None: any.
        ends: How many architectures had been told by the end of each round.
        told: Every architecture told, in order, with its validation accuracy, None for a failed one.
    """

    def __init__(self, space: SearchSpace[A], seed: int) -> None:
        self.space = space
        self.seed = seed
        self.round_sizes: RoundSizes | None = None
        self.ends: list[int] = []
        self.told: dict[A, float | None] = {}

    @abstractmethod
    def ask(self, n: int) -> Proposal[A]:
        """Propose ``n`` distinct architectures that were not told yet; fewer where the space has no more."""

    def tell(self, architectures: Sequence[A], accuracies: Sequence[float | None]) -> None:
        """Take in the validation accuracies (fractions, None for a failed one) of a whole round."""
        self.told.update(zip(architectures, accuracies, strict=True))
        self.ends.append(len(self.told))

    def revise(self, architectures: Sequence[A], accuracies: Sequence[float | None]) -> None:
        """Take in new accuracies of architectures told earlier."""
        self.told.update(zip(architectures, accuracies, strict=True))

    @property
    def round(self) -> int:
        """The round that the next ``ask`` is for, from 0."""
        return len(self.ends)

    @property
    def labeled(self) -> dict[A, float]:
        """The architectures told that have an accuracy, in order."""
        return {a: accuracy for a, accuracy in self.told.items() if accuracy is not None}

    def filled(self, chosen: list[A], n: int, rng: np.random.Generator) -> list[A]:
        """Return the chosen architectures and random new ones, ``n`` in all where the space has so many."""
        missing = n - len(chosen)
        return chosen + self.space.sample(missing, rng, exclude={*self.told, *chosen}) if missing else chosen

    def near_best(self, number: int) -> list[A]:
        """Return the new neighbours of the best ``number`` architectures so far."""
        labeled = self.labeled
        best = sorted(labeled, key=lambda a: -labeled[a])[:number]
        return list(dict.fromkeys(a for b in best for a in self.space.neighbors(b) if a not in self.told))

    def sees_all(self, most: int) -> bool:
        """Return whether the space numbers its architectures and has no more than ``most``."""
        return isinstance(self.space, EnumerableSpace) and self.space.size <= most

    def candidates(self, most: int, rng: np.random.Generator) -> list[A]:
        """Return architectures to choose from.

        Of a space with at most ``most`` architectures these are all of them, also those told. Of a larger space they
        are the new neighbours of the best so far and ``most`` new ones at random; none where ``most`` is 0.
        """
        if isinstance(self.space, EnumerableSpace) and self.sees_all(most):
            return self.space.at(np.arange(self.space.size))
        near = self.near_best(NUM_PARENTS) if most else []
        return list(dict.fromkeys([*near, *self.space.sample(most, rng, exclude=self.told)]))

    def rng(self) -> np.random.Generator:
        """Return the generator of this round."""
        return np.random.default_rng([self.seed, self.round])


class FittedStrategy(Strategy[A]):
    """A strategy that fits a model on the accuracies told; until two architectures have one, it asks at random."""

    def ask(self, n: int) -> Proposal[A]:
        """Propose random architectures at first, and then those that the model leads to."""
        rng = self.rng()
        if len(self.labeled) < 2:
            return Proposal(self.space.sample(n, rng, exclude=self.told))
        start = time.perf_counter()
        proposal = self.propose(n, rng)
        seconds = {"fit_s": time.perf_counter() - start}
        return replace(proposal, metrics={**seconds, **proposal.metrics})

    @abstractmethod
    def propose(self, n: int, rng: np.random.Generator) -> Proposal[A]:
        """Fit the model on what was told, at least two accuracies, and propose ``n`` new architectures."""
