"""Automata that count, number and sample the legal sequences of a chain of choices.

An automaton reads the choices from left to right. For each state it knows the number of ways to finish the sequence.
These counts give the size of the space, the lexicographic number of each sequence, uniform samples, and the legal next
choices.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import reduce
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seminas.errors import UserError

MOST_STATES = 100_000
"""Largest number of states of an automaton after one position."""
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


class ForbiddenChain(Chain):
    """The sequences that contain no forbidden combination.

    A state is the set of forbidden combinations that the choices so far have begun and not yet ruled out.
    """

    def __init__(self, num_choices: Sequence[int], forbidden: Sequence[Mapping[int, int]] = ()) -> None:
        """Build the automaton.

        Args:
            num_choices: Number of choices at each of P positions.
            forbidden: Forbidden combinations. Each maps positions to choices.

        Raises:
            UserError: The automaton needs more than ``MOST_STATES`` states at a position.
        """
        self.length = len(num_choices)
        self._next = _transitions(num_choices, forbidden)
        counts: list[list[int]] = [[1] * int(max(1, self._next[-1].max() + 1))]
        for after in reversed(self._next):
            ways = [sum(counts[0][s] for s in row if s != DEAD) for row in after.tolist()]
            counts.insert(0, ways)
        self.size = counts[0][0]
        self.numbered = self.size < 2**63
        # Ways to finish after each choice in each state: [P][states, choices].
        # Sequences without numbers are only drawn. Floating-point counts are exact enough for this purpose.
        kind = np.int64 if self.numbered else np.float64
        self._ways = [
            np.array([[ways[s] if s != DEAD else 0 for s in row] for row in after.tolist()], dtype=kind)
            for after, ways in zip(self._next, counts[1:], strict=True)
        ]

    def _step(self, position: int, state: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        return self._ways[position][state], self._next[position][state]


class BudgetChain(Chain):
    """The sequences whose total cost is at most a budget. The total cost is the sum of the choices' costs.

    A state is the rest of the budget minus the cost of the cheapest choices at the remaining positions.
    """

    def __init__(self, costs: Sequence[Sequence[int]], budget: int) -> None:
        """Count the sequences within the budget.

        Args:
            costs: Cost of each choice at each of P positions.
            budget: Largest allowed total cost.
        """
        self.length = len(costs)
        extra = [np.array(choices, dtype=np.int64) - min(choices) for choices in costs]
        unit = reduce(gcd, (int(e) for choices in extra for e in choices), 0) or 1
        spare = budget - sum(min(choices) for choices in costs)
        most = sum(int(choices.max()) for choices in extra)
        self.start = min(spare, most) // unit
        self._extra = [choices // unit for choices in extra]
        if spare < 0:
            self.size, self.numbered = 0, True
            return
        upper = reduce(lambda product, choices: product * len(choices), costs, 1)
        self.numbered = upper < 2**63
        ways: NDArray[Any] = np.ones(self.start + 1, dtype=np.int64 if self.numbered else np.float64)
        self._ways = [ways]
        for choices in reversed(self._extra):
            before = np.zeros_like(ways)
            for e in choices[choices <= self.start].tolist():
                before[e:] += ways[: len(ways) - e]
            ways = before
            self._ways.insert(0, ways)
        self.size = int(ways[self.start])

    def _step(self, position: int, state: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        left = state[:, None] - self._extra[position]
        ways = np.where(left >= 0, self._ways[position + 1][left.clip(0)], 0)
        return ways, np.where(left >= 0, left, DEAD)


def _pick(table: NDArray[Any], choice: NDArray[np.int64]) -> NDArray[Any]:
    """Return one entry of each row of ``[n, choices]``: ``[n]``."""
    return table[np.arange(len(table)), choice]


def _transitions(
    num_choices: Sequence[int], forbidden: Sequence[Mapping[int, int]]
) -> list[NDArray[np.int64]]:
    """Return the next state for each state and choice at each position: ``[P][states, choices]``."""
    states: dict[frozenset[int], int] = {frozenset(): 0}
    transitions = []
    for p, n in enumerate(num_choices):
        following: dict[frozenset[int], int] = {}
        rows = []
        for state in states:
            row = []
            for choice in range(n):
                after = _after(state, p, choice, forbidden)
                row.append(DEAD if after is None else following.setdefault(after, len(following)))
            rows.append(row)
        if len(following) > MOST_STATES:
            raise UserError(
                "space.forbidden: the combinations depend on one another in too many ways to count"
            )
        transitions.append(np.array(rows, dtype=np.int64))
        states = following or {frozenset(): 0}
    return transitions


def _after(
    state: frozenset[int], position: int, choice: int, forbidden: Sequence[Mapping[int, int]]
) -> frozenset[int] | None:
    """Return the begun combinations after a choice, or None if the choice completes a forbidden combination."""
    alive = set(state)
    for f, combination in enumerate(forbidden):
        if position not in combination:
            continue
        begun = f in state or position == min(combination)
        if begun and combination[position] == choice:
            if position == max(combination):
                return None
            alive.add(f)
        else:
            alive.discard(f)
    return frozenset(alive)
