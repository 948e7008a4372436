"""The automaton of sequences whose sums of costs are within their limits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seminas.errors import UserError
from seminas.spaces.chain import DEAD, Chain
from seminas.spaces.sums import Sum, different, sums_from_the_end

MOST_STATES = 4_000_000
"""Largest number of states of the automaton after one position."""
MOST_JOINT_STATES = 1_500_000
"""The same for an automaton with several sums."""
FINE, COARSE = 20_000, 200
"""Number of steps into which a limit is divided first, and smallest number, if its sum takes too many values."""
_BLOCK = 400_000
"""Number of states that are processed at once, which bounds the memory."""


class TooManyStates(Exception):
    """The automaton needs more states after a position than are allowed."""


class BudgetChain(Chain):
    """The sequences whose total costs are within budgets. A total cost is the sum of the choices' costs.

    A state is the part of each budget that the choices so far leave over, beyond the cost of the cheapest choices at
    the remaining positions. Two parts that allow the same continuations are one part. So the number of states follows
    the number of different total costs, and not the size of the budgets.
    """

    def __init__(self, sums: Sequence[Sum], most_states: int | None = None) -> None:
        """Count the sequences within all budgets.

        Args:
            sums: Sums with their limits, of the same P positions.
            most_states: Largest number of states after a position. None means no limit.

        Raises:
            TooManyStates: A position needs more states.
        """
        sums = [s.divided() for s in sums]
        self.length = len(sums[0].costs)
        self._extra = [s.extras() for s in sums]
        choices = [len(extra) for extra in self._extra[0]]
        self.numbered = reduce(lambda product, n: product * n, choices, 1) < 2**63
        self.size = 0
        if min(s.spare for s in sums) < 0:
            return
        self._layers = self._states_of([s.spare for s in sums], most_states)
        self._ways: list[NDArray[Any]] = [
            np.ones(len(self._layers[-1].keys), dtype=np.int64 if self.numbered else object)
        ]
        for p in reversed(range(self.length)):
            self._ways.insert(0, np.concatenate([self._counted(p, b) for b in _blocks(self._layers[p].keys)]))
        self.size = int(self._ways[0][0])
        if (
            not self.numbered
        ):  # Such sequences are only drawn, so that floating-point numbers are exact enough.
            self._ways = [ways.astype(np.float64) for ways in self._ways]

    def _states_of(self, spare: list[int], most_states: int | None) -> "list[_Layer]":
        """Return the states before each position, and after the last one."""
        suffixes = [sums_from_the_end(extra, s) for extra, s in zip(self._extra, spare, strict=True)]
        most = [
            [sum(int(e.max()) for e in extra[p:]) for p in range(self.length + 1)] for extra in self._extra
        ]
        radices = [
            [min(s, m[p]) + 1 for s, m in zip(spare, most, strict=True)] for p in range(self.length + 1)
        ]

        def same(p: int, j: int, rest: NDArray[np.int64]) -> NDArray[np.int64]:
            """Return the smallest parts of a budget that allow the same choices from a position on."""
            known = suffixes[j][p]
            rest = np.minimum(rest, most[j][p])
            return rest if known is None else known[known.searchsorted(rest, "right") - 1]

        start = [same(0, j, np.array([s])) for j, s in enumerate(spare)]
        layers = [_Layer.of(_packed(start, radices[0]), radices[0])]
        for p in range(self.length):
            found = np.empty(0, dtype=np.int64)
            for block in _blocks(layers[-1].keys):
                rests = layers[-1].rests(block)
                for left in self._left(p, rests):
                    fits = np.logical_and.reduce([rest >= 0 for rest in left])
                    after = [same(p + 1, j, rest[fits]) for j, rest in enumerate(left)]
                    found = different(np.concatenate([found, different(_packed(after, radices[p + 1]))]))
                if most_states is not None and len(found) > most_states:
                    raise TooManyStates
            for suffix in suffixes:
                suffix[p] = None  # It is not needed again, and it may be large.
            layers.append(_Layer.of(found, radices[p + 1]))
        return layers

    def _left(self, position: int, rests: Sequence[NDArray[np.int64]]) -> Iterator[list[NDArray[np.int64]]]:
        """Yield for each choice what it leaves of each budget, each ``[n]``."""
        for extras in zip(*(extra[position].tolist() for extra in self._extra), strict=True):
            yield [rest - extra for rest, extra in zip(rests, extras, strict=True)]

    def _after(self, position: int, rests: Sequence[NDArray[np.int64]]) -> Iterator[NDArray[np.int64]]:
        """Yield the states ``[n]`` after each choice, given the parts of the budgets before it, each ``[n]``."""
        for left in self._left(position, rests):
            fits = np.logical_and.reduce([rest >= 0 for rest in left])
            yield np.where(fits, self._layers[position + 1].find(left), DEAD)

    def _counted(self, position: int, block: NDArray[np.int64]) -> NDArray[Any]:
        """Return the number of ways to finish from each state of a block."""
        ways: Any = 0
        for state in self._after(position, self._layers[position].rests(block)):
            ways = ways + np.where(state != DEAD, self._ways[0][state], 0)
        return np.asarray(ways)

    def _step(self, position: int, state: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        layer = self._layers[position]
        after = np.stack(list(self._after(position, layer.rests(layer.keys[state]))), axis=1)
        return np.where(after != DEAD, self._ways[position + 1][after], 0), after


@dataclass(frozen=True)
class _Layer:
    """The states at a position.

    Attributes:
        keys: Number of each state, ascending, ``[states]``. Its digits are the parts of the budgets.
        radices: One more than the largest part of each budget.
        levels: Parts of each budget that occur, ascending.
    """

    keys: NDArray[np.int64]
    radices: list[int]
    levels: list[NDArray[np.int64]]

    @classmethod
    def of(cls, keys: NDArray[np.int64], radices: list[int]) -> "_Layer":
        """Return the layer of some states."""
        layer = cls(keys, radices, [])
        if len(radices) > 1:
            layer.levels.extend(np.unique(rest) for rest in layer.rests(keys))
        else:
            layer.levels.append(keys)
        return layer

    def rests(self, keys: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Return the parts of the budgets of some states, each ``[n]``."""
        rests: list[NDArray[np.int64]] = []
        for radix in reversed(self.radices[1:]):
            keys, rest = np.divmod(keys, radix)
            rests.insert(0, rest)
        return [keys, *rests]

    def find(self, rests: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        """Return the index ``[n]`` of the state of each combination of parts that can occur."""
        # Each part stands for the largest one that occurs and is not larger.
        places = [
            (level.searchsorted(rest, "right") - 1).clip(0)
            for level, rest in zip(self.levels, rests, strict=True)
        ]
        if len(self.radices) == 1:
            return places[0]
        same = [level[place] for level, place in zip(self.levels, places, strict=True)]
        return self.keys.searchsorted(_packed(same, self.radices)).clip(max=len(self.keys) - 1)


def _packed(rests: Sequence[NDArray[np.int64]], radices: Sequence[int]) -> NDArray[np.int64]:
    """Return one number for each combination of parts of the budgets, ``[n]``.

    Raises:
        TooManyStates: 64 bits cannot hold it.
    """
    if reduce(lambda product, radix: product * radix, radices, 1) >= 2**63:
        raise TooManyStates
    packed = rests[0]
    for rest, radix in zip(rests[1:], radices[1:], strict=True):
        packed = packed * radix + rest
    return packed


def _blocks(keys: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(keys), _BLOCK):
        yield keys[start : start + _BLOCK]


def budget_chain(sums: Sequence[Sum]) -> BudgetChain:
    """Return the automaton of sums. If it would have too many states, round costs up.

    The sum with the most different values is rounded first, to a ``FINE`` part of its limit. The steps are doubled
    until the automaton is small enough. Rounded costs admit no sequence beyond a limit.

    Raises:
        UserError: Even with steps of a ``COARSE`` part of the limit, a sum takes too many values.
    """
    exact = [s.divided() for s in sums]
    steps = [1] * len(sums)
    most = MOST_STATES if len(sums) == 1 else MOST_JOINT_STATES
    while True:
        rounded = [s.in_steps(step) for s, step in zip(exact, steps, strict=True)]
        try:
            return BudgetChain(rounded, most)
        except TooManyStates:
            numbers = [s.num_steps() for s in rounded]
            j = max(range(len(sums)), key=numbers.__getitem__)
            if numbers[j] <= COARSE:
                raise UserError(
                    f"{sums[j].key}: takes too many different values to count with the other limits; round its costs"
                ) from None
            steps[j] = max(2 * steps[j], exact[j].num_steps() // FINE)
