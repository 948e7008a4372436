"""Sequences of choices with forbidden combinations: counted, numbered and drawn exactly.

An automaton reads the choices from left to right. Its state is the set of forbidden combinations that the choices so
far are on their way to; a choice that would complete one leads nowhere. Counting the ways from each state to the end
gives the size of the space, the lexicographic number of every sequence, uniform samples, and what may come next.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from seminas.errors import UserError

MOST_STATES = 100_000
DEAD = -1


class Chain:
    """All sequences of choices without the forbidden ones.

    Attributes:
        size: How many there are.
        numbered: Whether their numbers fit into 64 bits.
    """

    def __init__(self, num_choices: Sequence[int], forbidden: Sequence[Mapping[int, int]] = ()) -> None:
        """Build the automaton.

        Args:
            num_choices: At each of P positions.
            forbidden: Combinations: choices by position.

        Raises:
            UserError: The combinations depend on one another in too many ways.
        """
        self._next = _transitions(num_choices, forbidden)
        counts: list[list[int]] = [[1] * int(max(1, self._next[-1].max() + 1))]
        for after in reversed(self._next):
            ways = [sum(counts[0][s] for s in row if s != DEAD) for row in after.tolist()]
            counts.insert(0, ways)
        self.size = counts[0][0]
        self.numbered = self.size < 2**63
        # Ways on from each state after each choice: [P][states, choices]. Shares of them are exact enough.
        kind = np.int64 if self.numbered else np.float64
        self._ways = [
            np.array([[ways[s] if s != DEAD else 0 for s in row] for row in after.tolist()], dtype=kind)
            for after, ways in zip(self._next, counts[1:], strict=True)
        ]
        # Of these, the ways of all choices before each: where the numbers of its sequences start.
        self._before = [np.cumsum(ways, axis=1) - ways for ways in self._ways]

    def at(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the sequences of numbers ``[n]`` in lexicographic order, ``[n, P]``."""
        rank, state = numbers.astype(np.int64), np.zeros(len(numbers), dtype=np.int64)
        columns = []
        for after, ways, starts in zip(self._next, self._ways, self._before, strict=True):
            before = starts[state]
            # The last choice with a way on whose sequences start at or before the rank.
            choice = np.where(
                (before <= rank[:, None]) & (ways[state] > 0), np.arange(ways.shape[1]), -1
            ).max(axis=1)
            rank = rank - before[np.arange(len(rank)), choice]
            state = after[state, choice]
            columns.append(choice)
        return np.stack(columns, axis=1)

    def index(self, sequences: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of each sequence, ``[n, P]``; -1 for one that is forbidden; ``[n]``."""
        number, state = np.zeros(len(sequences), dtype=np.int64), np.zeros(len(sequences), dtype=np.int64)
        legal = self.holds(sequences)
        for p, (after, starts) in enumerate(zip(self._next, self._before, strict=True)):
            choice = sequences[:, p].clip(0, starts.shape[1] - 1)
            number += starts[state, choice]
            state = after[state, choice].clip(0)
        return np.where(legal, number, -1)

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return n sequences drawn uniformly, possibly with repetition, ``[n, P]``."""
        state = np.zeros(n, dtype=np.int64)
        columns = []
        for after, ways in zip(self._next, self._ways, strict=True):
            share = np.cumsum(ways / ways.sum(axis=1, keepdims=True).clip(1), axis=1)
            choice = (rng.random(n)[:, None] >= share[state]).sum(axis=1).clip(max=ways.shape[1] - 1)
            state = after[state, choice]
            columns.append(choice)
        return np.stack(columns, axis=1)

    def holds(self, sequences: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each sequence, ``[n, P]``, is one of them, ``[n]``."""
        return self._states(sequences)[1]

    def allowed(self, prefixes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which choices may come after each prefix, ``[n, p]``: ``[n, choices at position p]``."""
        state, legal = self._states(prefixes)
        return (self._ways[prefixes.shape[1]][state] > 0) & legal[:, None]

    def _states(self, prefixes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        state, legal = np.zeros(len(prefixes), dtype=np.int64), np.ones(len(prefixes), dtype=bool)
        for p in range(prefixes.shape[1]):
            after, choice = self._next[p], prefixes[:, p]
            legal &= (choice >= 0) & (choice < after.shape[1])
            state = after[state, choice.clip(0, after.shape[1] - 1)]
            legal &= state != DEAD
            state = state.clip(0)
        return state, legal


def _transitions(
    num_choices: Sequence[int], forbidden: Sequence[Mapping[int, int]]
) -> list[NDArray[np.int64]]:
    """The state after each state and choice, for each position: ``[P][states, choices]``."""
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
    """The combinations that are still on their way after a choice; None where one of them is complete."""
    alive = set(state)
    for f, combination in enumerate(forbidden):
        if position not in combination:
            continue
        on_its_way = f in state or position == min(combination)
        if on_its_way and combination[position] == choice:
            if position == max(combination):
                return None
            alive.add(f)
        else:
            alive.discard(f)
    return frozenset(alive)
