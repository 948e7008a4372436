"""What a strategy returns and wishes: a proposal, and the sizes of its rounds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, NamedTuple

from seminas.spaces.base import A

LEAST_FIRST = 5
"""Smallest number of random architectures in the first round, unless a search has fewer evaluations."""


class RoundSizes(NamedTuple):
    """Numbers of architectures that a strategy prefers in each round.

    Attributes:
        first: Number of architectures in the first round, which is random.
        step: Smallest number of architectures in each later round.
        growth: Ratio between the size of a later round and the number of architectures evaluated after the first round.
            A round has this size if it is larger than ``step``.
        share: Largest fraction of all evaluations in the first round, if this is less than ``first``.
    """

    first: int
    step: int
    growth: float = 0.0
    share: float = 1.0

    def first_of(self, total: int) -> int:
        """Return the size of the first round of a search with ``total`` evaluations."""
        return min(self.first, max(LEAST_FIRST, round(self.share * total)))


@dataclass(frozen=True)
class Proposal(Generic[A]):
    """Result of ``ask``.

    Attributes:
        architectures: Distinct new architectures to evaluate.
        predictions: Predicted validation accuracy of each architecture, a fraction. Some architectures may have none.
        metrics: Numbers for the loggers by name, such as the duration of a fit in seconds.
        origins: Part of the strategy from which each architecture came, in one word. Some architectures may have none.
    """

    architectures: list[A]
    predictions: Mapping[A, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    origins: Mapping[A, str] = field(default_factory=dict)


def summed(*metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the sum of each metric by name."""
    return {k: sum(m.get(k, 0.0) for m in metrics) for k in dict.fromkeys(k for m in metrics for k in m)}
