"""A table with accuracies and exact costs, its true front, and the hypervolume of a search relative to this front."""

import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from peers_parts.searches import Problem

import seminas
from objectives_parts.frameworks import FRAMEWORKS
from seminas.errors import UserError
from seminas.evaluators.table import TableEvaluator
from seminas.runs.metric import ACCURACY
from seminas.runs.objectives import EXACT, Objectives, hypervolume, nondominated
from seminas.spaces.base import EnumerableSpace
from seminas.spaces.subset import Subset
from seminas.strategies.goals import Goals
from seminas.tables import find_table
from seminas.tables.table import load_table

OTHER_TRAININGS = "other_trainings"
"""Name of the method that knows the accuracies of all candidates from trainings that no search sees."""
MARGIN = 0.1
"""Distance of the reference point from the worst values of the true front, in ranges of the front."""


@dataclass(frozen=True)
class Row:
    """One search: a line of ``results.jsonl``.

    Attributes:
        problem: Name of the problem.
        method: Strategy of seminas, or method of another framework.
        seed: Seed of the search, and of the training run that the search sees of each architecture.
        queries: Number of evaluations.
        parts: Hypervolume after each evaluation, as a part of the true front's. The reference point is the worst values
            of the true front, moved by a tenth of the front's range.
        wide_parts: The same with the worst values of all candidates as the reference point.
        wall_s: Duration of the search in seconds.
    """

    NAME: ClassVar[str] = "result"
    RENAMED: ClassVar[dict[str, str]] = {}

    problem: str
    method: str
    parts: list[float]
    wide_parts: list[float]
    seed: int
    queries: int
    wall_s: float


class FrontProblem:
    """A table whose true front is known, for a seed.

    Attributes:
        space: Space of the candidates.
        objectives: The objectives, whose rule for the reference point all methods share.
        scores: Validation accuracy and negative cost of all candidates, ``[n, 2]``, in the order of the space.
    """

    def __init__(self, overrides: Sequence[str], cost: str, seed: int) -> None:
        """Read the table, and compute its front.

        Args:
            overrides: The problem, as settings of ``seminas-search``.
            cost: Name of the exact cost.
            seed: Seed that selects one training run of each architecture.
        """
        self._overrides, self._cost, self._seed = list(overrides), cost, seed
        space, evaluator, _ = Problem(overrides).parts(seed)
        assert isinstance(space, EnumerableSpace) and isinstance(evaluator, TableEvaluator)
        with closing(evaluator):
            members = evaluator.members()
            self.space: EnumerableSpace[Any] = space if members is None else Subset(space, members)
            every = self.space.at(np.arange(self.space.size))
            accuracies = evaluator.val_accuracies(every)
            costs_of = evaluator.exact_costs(self.space)
            costs = costs_of(every, [cost])[:, 0]
        self.scores = np.stack([accuracies, -costs], axis=1)
        front = self.scores[nondominated(self.scores)]
        self._front = front
        self.references = front.min(axis=0) - MARGIN * np.ptp(front, axis=0), self.scores.min(axis=0)
        objectives = Objectives((ACCURACY, EXACT[cost]), ACCURACY, (cost,))
        self.objectives = Goals(objectives, costs_of, self.space).objectives

    def parts(self, found: NDArray[np.float64], reference: NDArray[np.float64]) -> list[float]:
        """Return the hypervolume after each evaluation as a part of the true front's.

        Args:
            found: Scores of the evaluated architectures in order, ``[n, 2]``.
            reference: Scores of the reference point.
        """
        whole = hypervolume(self._front, reference)
        return [hypervolume(found[: i + 1], reference) / whole for i in range(len(found))]

    def search(self, name: str, method: str, queries: int) -> Row:
        """Run one search, and return its row."""
        start = time.perf_counter()
        if method == OTHER_TRAININGS:
            rows = self._by_other_trainings(queries)
        elif method in FRAMEWORKS:
            rows = FRAMEWORKS[method](self.space, self.scores, self.objectives, self._seed, queries)
        else:
            rows = self._searched(method, queries)
        wall_s = time.perf_counter() - start
        assert len(set(rows)) == len(rows) <= queries
        parts = [
            [round(part, 6) for part in self.parts(self.scores[rows], reference)]
            for reference in self.references
        ]
        return Row(name, method, *parts, self._seed, queries, round(wall_s, 3))

    def _by_other_trainings(self, queries: int) -> list[int]:
        """Return candidates by fronts of the cost and of the mean accuracy of the trainings that no search sees.

        This is no search. It says what one can reach that knows each candidate as well as further trainings tell.
        """
        chosen = dict(override.split("=", 1) for override in self._overrides)
        whole, _, _ = Problem(self._overrides).parts(self._seed)
        assert isinstance(whole, EnumerableSpace)
        table = load_table(find_table(chosen["evaluator.path"]), whole)
        column = table.column("val", chosen.get("evaluator.val"))
        assert column is not None
        if column.num_runs < 2:
            raise UserError(f"{OTHER_TRAININGS} needs a table with several trainings of each candidate")
        every = whole.index(self.space.at(np.arange(self.space.size)))
        sums = column.at(table.rows(every)).sum(axis=1)
        means = (sums - self.scores[:, 0]) / (column.num_runs - 1)
        known = np.stack([means, self.scores[:, 1]], axis=1)
        left, rows = np.arange(len(known)), list[int]()
        while len(rows) < queries and len(left):
            front = left[nondominated(known[left])]
            rows += front.tolist()
            left = np.setdiff1d(left, front)
        return rows[:queries]

    def _searched(self, strategy: str, queries: int) -> list[int]:
        """Run a search of seminas. Return the row of each evaluated architecture in order."""
        own = [
            f"strategy={strategy}",
            f"seed={self._seed}",
            f"search.max_queries={queries}",
            f"search.objectives=[val_accuracy,{self._cost}]",
            "logger=[]",
        ]
        with tempfile.TemporaryDirectory() as folder:
            result = seminas.search([*self._overrides, *own], folder=f"{folder}/run", quiet=True)
            found = [self.space.from_json(record.architecture) for record in result.history]
        return [int(row) for row in self.space.index(found)]
