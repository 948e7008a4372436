"""The automaton of the rules of a sequence space: forbidden combinations, conditions, and sums of costs."""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seminas.errors import UserError
from seminas.spaces.chain import DEAD, Chain
from seminas.spaces.sums import Sum, sums_from_the_end

MOST_STATES = 100_000
"""Largest number of states of the automaton after one position."""
State = tuple[frozenset[int], frozenset[int], tuple[int, ...]]
"""The combinations that are begun, the later positions that will not count, and the rest of each sum's limit."""


@dataclass(frozen=True)
class Rules:
    """Rules for sequences of choices.

    Attributes:
        forbidden: Forbidden combinations. A sequence contains a combination if it has one of the given choices at each
            of its positions.
        conditions: Conditions by position. A position counts if each of some earlier positions has one of the given
            choices. If it does not count, it has its last choice. It has its last choice only then.
        sums: Sums of costs with their limits.
    """

    forbidden: Sequence[Mapping[int, Collection[int]]] = ()
    conditions: Mapping[int, Mapping[int, Collection[int]]] = field(default_factory=dict)
    sums: Sequence[Sum] = ()

    def counts(self, position: int, choices: Sequence[int]) -> bool:
        """Return whether a position counts after the choices at the earlier positions."""
        condition = self.conditions.get(position)
        return condition is None or all(choices[p] in allowed for p, allowed in condition.items())


class RuledChain(Chain):
    """The sequences that obey rules.

    Choices that no rule distinguishes are one class. The automaton has a transition for each class, so positions with
    many values cost nothing unless a rule names them.
    """

    def __init__(self, num_choices: Sequence[int], rules: Rules | None = None) -> None:
        """Build the automaton.

        Args:
            num_choices: Number of choices at each of P positions.
            rules: Rules. None means that all sequences are legal.

        Raises:
            UserError: The automaton needs more than ``MOST_STATES`` states at a position.
        """
        rules = rules or Rules()
        self.length = len(num_choices)
        is_free = not (rules.forbidden or rules.conditions or rules.sums)
        self._num_choices = np.asarray(num_choices) if is_free else None
        step = _Transitions(num_choices, rules)
        self._class = [np.array(classes) for classes in step.classes]
        """Class of each choice at each position."""
        self._next = _tables(step)
        """Next state for each state and class at each position: ``[P][states, classes]``."""
        sizes = [np.bincount(classes).tolist() for classes in self._class]
        counts: list[list[int]] = [[1] * int(max(1, self._next[-1].max() + 1))]
        for after, size in zip(reversed(self._next), reversed(sizes), strict=True):
            ways = [
                sum(n * counts[0][s] for s, n in zip(row, size, strict=True) if s != DEAD)
                for row in after.tolist()
            ]
            counts.insert(0, ways)
        self.size = counts[0][0]
        self.numbered = self.size < 2**63
        # Ways to finish after a choice of each class. Sequences without numbers are only drawn. Floating-point counts
        # are exact enough for this purpose.
        kind = np.int64 if self.numbered else np.float64
        self._ways = [
            np.array([[ways[s] if s != DEAD else 0 for s in row] for row in after.tolist()], dtype=kind)
            for after, ways in zip(self._next, counts[1:], strict=True)
        ]

    def _step(self, position: int, state: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        classes = self._class[position]
        return self._ways[position][state][:, classes], self._next[position][state][:, classes]

    def holds(self, sequences: NDArray[np.int64]) -> NDArray[np.bool_]:
        """See the base class. Without rules this needs no states."""
        if self._num_choices is None:
            return super().holds(sequences)
        return np.asarray(((sequences >= 0) & (sequences < self._num_choices)).all(axis=1))

    def range_of(self, costs: Sequence[Sequence[int]]) -> tuple[int, int]:
        """Return the smallest and the largest total cost of the legal sequences. There must be one.

        Args:
            costs: Cost of each choice at each position.
        """
        extremes = []
        for sign in (1, -1):
            least = np.zeros(max(1, int(self._next[-1].max()) + 1), dtype=np.int64)
            for p in reversed(range(self.length)):
                ways, after = self._step(p, np.arange(len(self._next[p])))
                total = sign * np.array(costs[p], dtype=np.int64) + least[after.clip(0)]
                least = np.where(ways > 0, total, np.iinfo(np.int64).max // 4).min(axis=1)
            extremes.append(sign * int(least[0]))
        return extremes[0], extremes[1]


class _Transitions:
    """The transitions of the automaton from state to state."""

    def __init__(self, num_choices: Sequence[int], rules: Rules) -> None:
        self.num_choices, self.rules = num_choices, rules
        self._combinations = [
            [(f, c, p == min(c), p == max(c)) for f, c in enumerate(rules.forbidden) if p in c]
            for p in range(len(num_choices))
        ]
        self._dependent = [
            [(q, c[p]) for q, c in rules.conditions.items() if p in c] for p in range(len(num_choices))
        ]
        self._sums = [_Rest(s) for s in rules.sums]
        self.start: State | None = (frozenset(), frozenset(), tuple(s.start for s in self._sums))
        if any(s.start < 0 for s in self._sums):
            self.start = None
        self.classes: list[list[int]] = []
        """Class of each choice at each position. The number of a class follows the order of its first choice."""
        self.first: list[list[int]] = []
        """First choice of each class at each position."""
        for p, n in enumerate(num_choices):
            seen: dict[Any, int] = {}
            classes = [seen.setdefault(self._signature(p, choice), len(seen)) for choice in range(n)]
            self.classes.append(classes)
            self.first.append([classes.index(k) for k in range(len(seen))])

    def _signature(self, position: int, choice: int) -> Any:
        return (
            position in self.rules.conditions and choice == self.num_choices[position] - 1,
            tuple(choice in c[position] for _, c, _, _ in self._combinations[position]),
            tuple(choice in allowed for _, allowed in self._dependent[position]),
            tuple(s.costs[position][choice] for s in self.rules.sums),
        )

    def after(self, state: State, position: int, choice: int) -> State | None:
        """Return the state after a choice, or None if the choice is illegal."""
        begun, failed, rest = state
        if position in self.rules.conditions:
            if (position in failed) != (choice == self.num_choices[position] - 1):
                return None
            failed = failed - {position}
        further = [q for q, allowed in self._dependent[position] if choice not in allowed]
        if further:
            failed = failed.union(further)
        if self._combinations[position]:
            alive = set(begun)
            for f, combination, is_first, is_last in self._combinations[position]:
                if (is_first or f in begun) and choice in combination[position]:
                    if is_last:
                        return None
                    alive.add(f)
                else:
                    alive.discard(f)
            begun = frozenset(alive)
        if self._sums:
            after = tuple(s.after(r, position, choice) for s, r in zip(self._sums, rest, strict=True))
            if min(after) < 0:
                return None
            rest = after
        return begun, failed, rest


class _Rest:
    """The part of a sum's limit that the choices so far leave over, beyond the cheapest choices at later positions.

    Parts that allow the same continuations are one part.
    """

    def __init__(self, constraint: Sum) -> None:
        extras, spare = constraint.extras(), constraint.spare
        self._extra = [extra.tolist() for extra in extras]
        self._most = [sum(max(extra) for extra in self._extra[p:]) for p in range(len(extras) + 1)]
        sums = sums_from_the_end(extras, spare) if spare >= 0 else []
        self._sums = [s.tolist() if s is not None and len(s) <= MOST_STATES else None for s in sums]
        self.start = self._same(0, spare) if spare >= 0 else DEAD

    def _same(self, position: int, rest: int) -> int:
        rest = min(rest, self._most[position])
        sums = self._sums[position]
        return rest if sums is None else int(sums[bisect_right(sums, rest) - 1])

    def after(self, rest: int, position: int, choice: int) -> int:
        """Return the rest after a choice, or -1 if the choice is too expensive."""
        rest -= self._extra[position][choice]
        return self._same(position + 1, rest) if rest >= 0 else DEAD


def _tables(step: _Transitions) -> list[NDArray[np.int64]]:
    """Return the next state for each state and class at each position: ``[P][states, classes]``."""
    start = step.start
    states: dict[State, int] = {} if start is None else {start: 0}
    tables = []
    for p, choices in enumerate(step.first):
        following: dict[State, int] = {}
        rows = []
        for state in states:
            row = []
            for choice in choices:
                after = step.after(state, p, choice)
                row.append(DEAD if after is None else following.setdefault(after, len(following)))
            rows.append(row)
            if len(following) > MOST_STATES:
                raise UserError(_too_many(step.rules))
        # Without a legal state, one dead row keeps the shapes.
        tables.append(np.array(rows or [[DEAD] * len(choices)], dtype=np.int64))
        states = following
    return tables


def _too_many(rules: Rules) -> str:
    if rules.sums:
        kinds = [sum(len(set(costs)) for costs in constraint.costs) for constraint in rules.sums]
        key = rules.sums[kinds.index(max(kinds))].key
        return f"{key}: takes too many different values to count; round its costs"
    return "space.forbidden: the combinations depend on one another in too many ways to count; forbid fewer"
