"""Automata that count, number and sample the legal sequences of a chain of choices.

An automaton reads the choices from left to right. For each state it knows the number of ways to finish the sequence.
These counts give the size of the space, the lexicographic number of each sequence, uniform samples, and the legal next
choices.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_SUMS = 2_000_000
"""Largest number of total costs of the last choices that a chain with a budget keeps at a position."""
DEAD = -1
"""State after an illegal choice."""


class Chain(ABC):
    """The legal sequences of P choices.

    Attributes:
        size: Number of legal sequences.
        numbered: Whether 64-bit integers can number the sequences.
        length: P, number of positions.
        start: State before the first choice.
    """

    size: int
    numbered: bool
    length: int
    start: int = 0

    @abstractmethod
    def _step(self, position: int, state: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return two arrays ``[n, choices]`` for states ``[n]``: numbers of ways to finish, and next states.

        A choice with 0 ways to finish is illegal.
        """

    def at(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the sequences ``[n, P]`` with the numbers ``[n]``. Numbers follow lexicographic order."""
        rank = numbers.astype(np.int64)
        state = self._started(len(rank))
        columns = []
        for p in range(self.length):
            ways, after = self._step(p, state)
            before = np.cumsum(ways, axis=1) - ways
            # Each legal choice covers a range of ranks. Take the choice whose range contains the rank.
            choice = np.where((before <= rank[:, None]) & (ways > 0), np.arange(ways.shape[1]), -1).max(
                axis=1
            )
            rank = rank - _pick(before, choice)
            state = _pick(after, choice)
            columns.append(choice)
        return np.stack(columns, axis=1)

    def index(self, sequences: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers ``[n]`` of sequences ``[n, P]``, -1 for an illegal sequence."""
        number, state = np.zeros(len(sequences), dtype=np.int64), self._started(len(sequences))
        legal = self.holds(sequences)
        for p in range(self.length):
            ways, after = self._step(p, state)
            choice = sequences[:, p].clip(0, ways.shape[1] - 1)
            number += _pick(np.cumsum(ways, axis=1) - ways, choice)
            state = _pick(after, choice).clip(0)
        return np.where(legal, number, -1)

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw n legal sequences ``[n, P]`` uniformly with replacement."""
        state = self._started(n)
        columns = []
        for p in range(self.length):
            ways, after = self._step(p, state)
            share = np.cumsum(ways / ways.sum(axis=1, keepdims=True).clip(1), axis=1)
            choice = (rng.random(n)[:, None] >= share).sum(axis=1).clip(max=ways.shape[1] - 1)
            state = _pick(after, choice)
            columns.append(choice)
        return np.stack(columns, axis=1)

    def holds(self, sequences: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether each sequence ``[n, P]`` is legal, ``[n]``."""
        return self._states(sequences)[1]

    def allowed(self, prefixes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether each choice may follow each prefix ``[n, p]``: mask ``[n, choices at position p]``."""
        state, legal = self._states(prefixes)
        return (self._step(prefixes.shape[1], state)[0] > 0) & legal[:, None]

    def _states(self, prefixes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the state ``[n]`` after each prefix ``[n, p]``, and whether the prefix is legal, ``[n]``."""
        state, legal = self._started(len(prefixes)), np.ones(len(prefixes), dtype=bool)
        for p in range(prefixes.shape[1]):
            _, after = self._step(p, state)
            choice = prefixes[:, p]
            legal &= (choice >= 0) & (choice < after.shape[1])
            state = _pick(after, choice.clip(0, after.shape[1] - 1))
            legal &= state != DEAD
            state = state.clip(0)
        return state, legal

    def _started(self, n: int) -> NDArray[np.int64]:
        return np.full(n, self.start, dtype=np.int64)


class BudgetChain(Chain):
    """The sequences whose total cost is at most a budget. The total cost is the sum of the choices' costs.

    A state is the part of the budget that the choices so far leave over, beyond the cost of the cheapest choices at the
    remaining positions. Two parts that allow the same continuations are one state. So the number of states follows the
    number of different total costs, and not the size of the budget.
    """

    def __init__(self, costs: Sequence[Sequence[int]], budget: int) -> None:
        """Count the sequences within the budget.

        Args:
            costs: Cost of each choice at each of P positions.
            budget: Largest allowed total cost.
        """
        self.length = len(costs)
        self._extra = [np.array(choices, dtype=np.int64) - min(choices) for choices in costs]
        self.numbered = reduce(lambda product, choices: product * len(choices), costs, 1) < 2**63
        self.size = 0
        spare = budget - sum(min(choices) for choices in costs)
        if spare < 0:
            return
        self._most = [sum(int(extra.max()) for extra in self._extra[p:]) for p in range(self.length + 1)]
        self._sums = sums_from_the_end(self._extra, spare)
        self._left = [self._same(0, np.array([spare]))]
        for p, extra in enumerate(self._extra, start=1):
            before = self._left[-1]
            after = [self._same(p, before[before >= cost] - cost) for cost in extra.tolist()]
            self._left.append(_different(np.concatenate([_different(left) for left in after])))
        number = np.int64 if self.numbered else np.float64
        self._ways: list[NDArray[Any]] = [np.ones(len(self._left[-1]), dtype=number)]
        for p in reversed(range(self.length)):
            states = (self._after(p, self._left[p], cost) for cost in self._extra[p].tolist())
            ways = sum(np.where(state != DEAD, self._ways[0][state], 0) for state in states)
            self._ways.insert(0, np.asarray(ways))
        self.size = int(self._ways[0][0])

    def _same(self, position: int, left: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the smallest parts of the budget that allow the same choices from a position on."""
        left = np.minimum(left, self._most[position])
        sums = self._sums[position]
        return left if sums is None else sums[np.searchsorted(sums, left, side="right") - 1]

    def _after(self, position: int, left: NDArray[np.int64], cost: int) -> NDArray[np.int64]:
        """Return the states ``[n]`` after a choice of this cost, for the parts of the budget before it, ``[n]``."""
        rest = left - cost
        state = np.searchsorted(self._left[position + 1], self._same(position + 1, rest.clip(0)))
        return np.where(rest >= 0, state, DEAD)

    def _step(self, position: int, state: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        left = self._left[position][state]
        after = np.stack([self._after(position, left, e) for e in self._extra[position].tolist()], axis=1)
        return np.where(after != DEAD, self._ways[position + 1][after], 0), after


def sums_from_the_end(costs: Sequence[NDArray[np.int64]], budget: int) -> list[NDArray[np.int64] | None]:
    """Return the different total costs of the choices from each position on, ascending, up to the budget.

    The list has None for the positions before the first one with more than ``MOST_SUMS`` of them.
    """
    last: NDArray[np.int64] | None = np.zeros(1, dtype=np.int64)
    sums = [last]
    for choices in reversed(costs):
        if last is not None:
            last = _different((last + choices[:, None]).ravel())
            last = last[last <= budget] if len(last) <= MOST_SUMS else None
        sums.insert(0, last)
    return sums


def _different(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the different numbers, ascending. This is faster than ``np.unique`` where many are in order already."""
    numbers = np.sort(numbers, kind="stable")
    different: NDArray[np.int64] = numbers[np.diff(numbers, prepend=-1) != 0]
    return different


def _pick(table: NDArray[Any], choice: NDArray[np.int64]) -> NDArray[Any]:
    """Return one entry of each row of ``[n, choices]``: ``[n]``."""
    return table[np.arange(len(table)), choice]
