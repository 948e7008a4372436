"""Sums of costs over a chain of choices, with their limits, in whole units."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd

import numpy as np
from numpy.typing import NDArray

MOST_SUMS = 2_500_000
"""Largest number of total costs of the last choices that a chain with a budget keeps at a position."""


@dataclass(frozen=True)
class Sum:
    """A sum of costs with a limit.

    Attributes:
        costs: Cost of each choice at each position, in whole units.
        at_most: Largest sum, in whole units.
        unit: Number of units in a cost of 1.
        key: Dotted key of the setting with the limit, for errors.
        fixed: Cost outside the chain, in whole units. The limit is for the sum without it.
    """

    costs: Sequence[Sequence[int]]
    at_most: int
    unit: int = 1
    key: str = ""
    fixed: int = 0

    @property
    def least(self) -> int:
        """The sum of the cheapest choices, in whole units."""
        return sum(min(costs) for costs in self.costs)

    @property
    def spare(self) -> int:
        """The part of the limit beyond the cheapest choices, in whole units. It is negative if nothing fits."""
        return self.at_most - self.least

    def extras(self) -> list[NDArray[np.int64]]:
        """Return the cost of each choice beyond the cheapest choice of its position."""
        return [np.array(costs, dtype=np.int64) - min(costs) for costs in self.costs]

    def in_steps(self, step: int) -> "Sum":
        """Return a sum of whole steps that admits no sequence beyond the limit.

        The cost of a choice beyond the cheapest choice is rounded up to whole steps. If the step divides all these
        costs, the new sum admits the same sequences. Otherwise it excludes some whose sum is within P steps of the
        limit, for P positions.
        """
        costs = [(-(-extra // step)).tolist() for extra in self.extras()]
        return replace(self, costs=costs, at_most=self.spare // step, unit=1)

    def divided(self) -> "Sum":
        """Return the sum in the largest steps that divide all costs beyond the cheapest ones. Nothing is rounded."""
        return self.in_steps(max(1, gcd(*(int(cost) for extra in self.extras() for cost in extra))))

    def num_steps(self) -> int:
        """Return the number of different parts of the limit that the choices can leave over, at most."""
        return min(self.spare, sum(int(extra.max()) for extra in self.extras())) + 1


def sums_from_the_end(costs: Sequence[NDArray[np.int64]], budget: int) -> list[NDArray[np.int64] | None]:
    """Return the different total costs of the choices from each position on, ascending, up to the budget.

    The list has None for the positions before the first one with more than ``MOST_SUMS`` of them.
    """
    last: NDArray[np.int64] | None = np.zeros(1, dtype=np.int64)
    sums = [last]
    for choices in reversed(costs):
        if last is not None:
            merged = np.empty(0, dtype=np.int64)
            for cost in np.unique(choices).tolist():
                merged = different(
                    np.concatenate([merged, last[: last.searchsorted(budget - cost, "right")] + cost])
                )
                if len(merged) > MOST_SUMS:
                    break
            last = merged if len(merged) <= MOST_SUMS else None
        sums.insert(0, last)
    return sums


def different(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the different numbers, ascending. This is faster than ``np.unique`` where many are in order already."""
    numbers.sort(kind="stable")
    kept: NDArray[np.bool_] = np.empty(len(numbers), dtype=bool)
    kept[:1] = True
    np.not_equal(numbers[1:], numbers[:-1], out=kept[1:])
    return numbers[kept]
