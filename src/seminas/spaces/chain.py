"""Automata that count, number and sample the legal sequences of a chain of choices.

An automaton reads the choices from left to right. For each state it knows the number of ways to finish the sequence.
These counts give the size of the space, the lexicographic number of each sequence, uniform samples, and the legal next
choices.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
            rank = rank - pick(before, choice)
            state = pick(after, choice)
            columns.append(choice)
        return np.stack(columns, axis=1)

    def index(self, sequences: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers ``[n]`` of sequences ``[n, P]``, -1 for an illegal sequence."""
        number, state = np.zeros(len(sequences), dtype=np.int64), self._started(len(sequences))
        legal = self.holds(sequences)
        for p in range(self.length):
            ways, after = self._step(p, state)
            choice = sequences[:, p].clip(0, ways.shape[1] - 1)
            number += pick(np.cumsum(ways, axis=1) - ways, choice)
            state = pick(after, choice).clip(0)
        return np.where(legal, number, -1)

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw n legal sequences ``[n, P]`` uniformly with replacement."""
        state = self._started(n)
        columns = []
        for p in range(self.length):
            ways, after = self._step(p, state)
            share = np.cumsum(ways / ways.sum(axis=1, keepdims=True).clip(1), axis=1)
            choice = (rng.random(n)[:, None] >= share).sum(axis=1).clip(max=ways.shape[1] - 1)
            state = pick(after, choice)
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
            state = pick(after, choice.clip(0, after.shape[1] - 1))
            legal &= state != DEAD
            state = state.clip(0)
        return state, legal

    def _started(self, n: int) -> NDArray[np.int64]:
        return np.full(n, self.start, dtype=np.int64)


def pick(table: NDArray[Any], choice: NDArray[np.int64]) -> NDArray[Any]:
    """Return one entry of each row of ``[n, choices]``: ``[n]``."""
    return table[np.arange(len(table)), choice]
