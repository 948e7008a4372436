"""Neighbors of an architecture of a sequence space: one position takes another value."""

from collections.abc import Iterator, Sequence

import numpy as np

from seminas.spaces.positions import Position
from seminas.spaces.ruled_chain import Rules

FEW = 8
"""Largest number of ordered values for which neighbors are the adjacent values alone."""
JUMP = 4
"""Ratio of the lengths of the jumps among many ordered values.

A jump of 1 refines. With jumps of 1, 4 and 16, any of 64 values is a few neighbors away from any other, and a position
has at most six neighbors. With adjacent values alone, a local search would need up to 63 evaluations for a position.
"""
MOST_ACTIVATED = 256
"""Largest number of combinations of values that the positions take when they begin to count together."""


class Steps:
    """The neighbors of the architectures of a space. If b is a neighbor of a, then a is a neighbor of b.

    A category takes any other value. An ordered position takes an adjacent value or a value some jumps away.

    After the change, other positions may begin or cease to count. A position that begins to count takes each of its
    values. If several positions may begin together, each takes a few evenly spaced values only, so that the
    combinations are at most ``MOST_ACTIVATED``. A change by which a position with another value would cease to count is
    then no neighbor, because neighbors are symmetric.
    """

    def __init__(self, positions: Sequence[Position], rules: Rules) -> None:
        self._num_values = [len(position.values) for position in positions]
        self._targets = [_targets(position) for position in positions]
        self._rules = rules
        self._landmarks = _landmarks(self._num_values, rules)

    def of(self, architecture: Sequence[int]) -> list[tuple[int, ...]]:
        """Return the neighbors of an architecture. Some may be forbidden or break a limit."""
        near: list[tuple[int, ...]] = []
        for p, value in enumerate(architecture):
            if value == self._num_values[p]:
                continue  # The position does not count.
            for other in self._targets[p][value]:
                near += self._completed([*architecture[:p], other], architecture)
        return near

    def _completed(self, start: list[int], before: Sequence[int]) -> Iterator[tuple[int, ...]]:
        """Yield the architectures that begin with some choices and otherwise keep the values of another one."""
        p = len(start)
        if p == len(before):
            yield tuple(start)
            return
        if p not in self._rules.conditions:
            values: Sequence[int] = (before[p],)
        else:
            inactive = self._num_values[p]
            did_count, counts = before[p] != inactive, self._rules.counts(p, start)
            if did_count == counts:
                values = (before[p],)
            elif counts:
                values = self._landmarks[p]
            else:
                values = (inactive,) if before[p] in self._landmarks[p] else ()
        for value in values:
            yield from self._completed([*start, value], before)


def _targets(position: Position) -> list[list[int]]:
    """Return the values to which each value of a position may change, ascending."""
    n = len(position.values)
    jumps = {1}
    while position.ordered and n > FEW and max(jumps) * JUMP < n / 2:
        jumps.add(max(jumps) * JUMP)
    return [
        [j for j in range(n) if j != i and (not position.ordered or abs(j - i) in jumps)] for i in range(n)
    ]


def _landmarks(num_values: Sequence[int], rules: Rules) -> dict[int, list[int]]:
    """Return the values that each position with a condition takes when it begins to count."""
    roots: dict[int, set[int]] = {}
    for p, condition in rules.conditions.items():
        roots[p] = set().union(*(roots.get(q, {q}) for q in condition))
    landmarks = {}
    for p, of in roots.items():
        together = sum(not of.isdisjoint(others) for others in roots.values())
        n = num_values[p]
        number = min(n, max(1, int(MOST_ACTIVATED ** (1 / together) + 1e-9)))
        landmarks[p] = ((np.arange(number) + 0.5) * n / number).astype(int).tolist()
    return landmarks
