"""Asynchronous Hyperband around any strategy (Li et al., JMLR 2018; Li et al., MLSys 2020, section 3.3)."""

from collections.abc import Collection
from typing import Any

from seminas.spaces.rungs import Rung
from seminas.strategies.halving import Halving


class Hyperband(Halving):
    """Brackets of asynchronous successive halving. A bracket begins at one of the levels, the last one at the full one.

    The architectures of a bracket compete with each other alone. A new architecture goes to the bracket that has spent
    the least so far, since Hyperband gives all brackets the same budget.
    """

    def _first_rung(self, architecture: Any, pending: Collection[Any]) -> Rung[Any]:
        """Return the first evaluation of a new architecture, in the bracket that has spent the least.

        The epochs of each bracket follow from the scores and the pending rungs.
        """
        spent = [0] * len(self.levels)
        trained = dict(self._trained)
        for rung in pending:
            trained[rung.architecture] = max(rung.epochs, trained.get(rung.architecture, 0))
        for begun, reached in self._brackets(pending).items():
            spent[self.levels.index(min(reached))] += trained.get(begun, 0)
        lowest = min(range(len(self.levels)), key=lambda k: (spent[k], k))
        return Rung(architecture, self.levels[lowest])

    def _brackets(self, pending: Collection[Any]) -> dict[Any, list[int]]:
        """Return the epochs of the evaluations of each architecture, with the pending ones."""
        reached: dict[Any, list[int]] = {}
        for level, scores in zip(self.levels, self._scores, strict=True):
            for architecture in scores:
                reached.setdefault(architecture, []).append(level)
        for rung in pending:
            reached.setdefault(rung.architecture, []).append(rung.epochs)
        return reached

    def _groups(self, pending: Collection[Any]) -> list[tuple[int, Collection[Any] | None]]:
        """Return the lowest level of each bracket and its architectures."""
        members: list[set[Any]] = [set() for _ in self.levels]
        for architecture, reached in self._brackets(pending).items():
            members[self.levels.index(min(reached))].add(architecture)
        return list(enumerate(members))
