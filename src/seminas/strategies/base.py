"""Which architectures to evaluate next: the interface of a strategy, which knows nothing of evaluators."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic

import numpy as np

from seminas.plan import OwnSizes
from seminas.spaces.base import A, EnumerableSpace, SearchSpace

NUM_PARENTS = 10
"""The best so far, whose neighbours are candidates where not all of a space is."""


class Strategy(ABC, Generic[A]):
    """Asked for architectures and told what they are worth, a round at a time.

    What it asks for follows from its arguments and from what it was told alone: randomness comes from
    (seed, round). So a search that was interrupted goes on as if it had not been, once a new strategy
    has been told the recorded rounds.

    Attributes:
        space: Where to search.
        seed: Of all randomness.
        own_sizes: Its round sizes where the config says nothing; None where it has no opinion.
        ends: How many architectures were told by the end of each round.
        told: Every architecture told, in order, with its validation accuracy, None for a failed one.
        predictions: What was expected of the last ``ask``'s architectures, as fractions, where anything was.
        metrics: Numbers on the last ``ask``, for the loggers.
    """

    def __init__(self, space: SearchSpace[A], seed: int) -> None:
        self.space = space
        self.seed = seed
        self.own_sizes: OwnSizes | None = None
        self.ends: list[int] = []
        self.told: dict[A, float | None] = {}
        self.predictions: dict[A, float] = {}
        self.metrics: dict[str, float] = {}

    @abstractmethod
    def ask(self, n: int) -> list[A]:
        """Return ``n`` distinct architectures that were not told yet; fewer where the space has no more."""

    def tell(self, architectures: Sequence[A], accuracies: Sequence[float | None]) -> None:
        """Take in the validation accuracies (fractions, None for a failed one) of a whole round."""
        self.told.update(zip(architectures, accuracies, strict=True))
        self.ends.append(len(self.told))

    def revise(self, architectures: Sequence[A], accuracies: Sequence[float | None]) -> None:
        """Take in what architectures told earlier are worth by now."""
        self.told.update(zip(architectures, accuracies, strict=True))

    @property
    def round(self) -> int:
        """The round that the next ``ask`` is for, from 0."""
        return len(self.ends)

    @property
    def labeled(self) -> dict[A, float]:
        """What was told and has an accuracy, in order."""
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
        """Return what to choose from: of a space that can be seen whole, all, told ones too.

        Of another one the new neighbours of the best so far, and ``most`` new ones at random; none where ``most`` is 0.
        """
        if isinstance(self.space, EnumerableSpace) and self.sees_all(most):
            return self.space.at(np.arange(self.space.size))
        near = self.near_best(NUM_PARENTS) if most else []
        return list(dict.fromkeys([*near, *self.space.sample(most, rng, exclude=self.told)]))

    def rng(self) -> np.random.Generator:
        """Return the generator of this round."""
        return np.random.default_rng([self.seed, self.round])
