"""Base classes of strategies. A strategy selects the architectures to evaluate next. It does not use the evaluator."""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, NamedTuple

import numpy as np

from seminas.spaces.base import A, EnumerableSpace, SearchSpace

NUM_PARENTS = 10
"""Number of the best architectures so far whose neighbors are candidates, if the space is too large to list."""


class RoundSizes(NamedTuple):
    """Numbers of architectures that a strategy prefers in each round.

    Attributes:
        first: Number of architectures in the first round, which is random.
        step: Smallest number of architectures in each later round.
        growth: Ratio between the size of a later round and the number of architectures evaluated after the first round.
            A round has this size if it is larger than ``step``.
    """

    first: int
    step: int
    growth: float = 0.0


@dataclass(frozen=True)
class Proposal(Generic[A]):
    """Result of ``ask``.

    Attributes:
        architectures: Distinct new architectures to evaluate.
        predictions: Predicted validation accuracy of each architecture, a fraction. Some architectures may have none.
        metrics: Numbers for the loggers by name, such as the duration of a fit in seconds.
    """

    architectures: list[A]
    predictions: Mapping[A, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


class Strategy(ABC, Generic[A]):
    """Base class of strategies. In each round, ``ask`` proposes architectures and ``tell`` receives their accuracies.

    The arguments of the strategy and the accuracies so far determine a proposal. The seed and the round determine its
    random numbers. So an interrupted search can continue exactly: a new strategy first receives the recorded rounds.

    Attributes:
        space: Search space.
        seed: Seed of all random numbers.
        round_sizes: Numbers of architectures that the strategy prefers in each round. None means any numbers.
        ends: Total number of received architectures at the end of each round.
        told: Validation accuracy of each received architecture, in the order of evaluation. None means that its
            evaluation failed.
    """

    def __init__(self, space: SearchSpace[A], seed: int) -> None:
        self.space = space
        self.seed = seed
        self.round_sizes: RoundSizes | None = None
        self.ends: list[int] = []
        self.told: dict[A, float | None] = {}

    @abstractmethod
    def ask(self, n: int) -> Proposal[A]:
        """Propose ``n`` distinct new architectures, or fewer if the space has no more."""

    def tell(self, architectures: Sequence[A], accuracies: Sequence[float | None]) -> None:
        """Receive the validation accuracies of a whole round, fractions. None means that the evaluation failed."""
        self.told.update(zip(architectures, accuracies, strict=True))
        self.ends.append(len(self.told))

    def revise(self, architectures: Sequence[A], accuracies: Sequence[float | None]) -> None:
        """Replace the accuracies of architectures that the strategy received earlier."""
        self.told.update(zip(architectures, accuracies, strict=True))

    @property
    def round(self) -> int:
        """Number of the next round. The first round is 0."""
        return len(self.ends)

    @property
    def labeled(self) -> dict[A, float]:
        """Accuracies of the architectures whose evaluation succeeded, in the order of evaluation."""
        return {a: accuracy for a, accuracy in self.told.items() if accuracy is not None}

    def filled(self, chosen: list[A], n: int, rng: np.random.Generator) -> list[A]:
        """Return the chosen architectures and random new ones, ``n`` in total or fewer if the space has no more."""
        missing = n - len(chosen)
        return chosen + self.space.sample(missing, rng, exclude={*self.told, *chosen}) if missing else chosen

    def near_best(self, number: int) -> list[A]:
        """Return the new neighbors of the best ``number`` architectures so far."""
        labeled = self.labeled
        best = sorted(labeled, key=lambda a: -labeled[a])[:number]
        return list(dict.fromkeys(a for b in best for a in self.space.neighbors(b) if a not in self.told))

    def sees_all(self, most: int) -> bool:
        """Return whether the space numbers its architectures and has at most ``most`` of them."""
        return isinstance(self.space, EnumerableSpace) and self.space.size <= most

    def candidates(self, most: int, rng: np.random.Generator) -> list[A]:
        """Return candidates for the next round.

        If ``sees_all(most)``, return all architectures of the space, including evaluated architectures. Otherwise
        return ``most`` random new architectures and the new neighbors of the best architectures so far. If ``most`` is
        0, return nothing.
        """
        if isinstance(self.space, EnumerableSpace) and self.sees_all(most):
            return self.space.at(np.arange(self.space.size))
        near = self.near_best(NUM_PARENTS) if most else []
        return list(dict.fromkeys([*near, *self.space.sample(most, rng, exclude=self.told)]))

    def rng(self) -> np.random.Generator:
        """Return the random generator of the next round."""
        return np.random.default_rng([self.seed, self.round])


class FittedStrategy(Strategy[A]):
    """Base class of strategies that fit a model on the accuracies so far.

    The strategy proposes random architectures until two architectures have an accuracy.
    """

    def ask(self, n: int) -> Proposal[A]:
        """Propose architectures with the model, or random ones if fewer than two architectures have an accuracy."""
        rng = self.rng()
        if len(self.labeled) < 2:
            return Proposal(self.space.sample(n, rng, exclude=self.told))
        start = time.perf_counter()
        proposal = self.propose(n, rng)
        seconds = {"fit_s": time.perf_counter() - start}
        return replace(proposal, metrics={**seconds, **proposal.metrics})

    @abstractmethod
    def propose(self, n: int, rng: np.random.Generator) -> Proposal[A]:
        """Fit the model on the accuracies so far, at least two, and propose ``n`` new architectures."""
