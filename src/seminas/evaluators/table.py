"""Evaluator that looks architectures up in a table of evaluated ones."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from seminas.config.evaluators import TableSettings
from seminas.errors import UserError, config_error
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation
from seminas.spaces.base import A, EnumerableSpace, SearchSpace
from seminas.spaces.capabilities import BuildsNetworks
from seminas.spaces.cost import count_parameters
from seminas.tables import find_table
from seminas.tables.table import Column, load_table


class TableEvaluator(Evaluator[A]):
    """Validation accuracies from a packed table, which may hold part of the space."""

    def __init__(self, space: SearchSpace[A], seed: int, settings: TableSettings) -> None:
        """Load the table.

        Args:
            space: The space of the architectures.
            seed: Draws the training run that answers a question.
            settings: The file, and the columns to read.

        Raises:
            UserError: The table cannot be used, and why.
        """
        if not isinstance(space, EnumerableSpace):
            raise UserError(f"evaluator=table: the architectures of space={space.name} are not enumerated")
        self._space = space
        file = find_table(settings.path)
        if not file.exists():
            raise config_error("evaluator.path", settings.path, "a file, or digits101")
        self._table = load_table(file, space)
        val_column = self._table.column("val", settings.val)
        if val_column is None:
            columns = ", ".join(self._table.columns)
            raise UserError(f"evaluator.val: {settings.path} names none, it has the columns {columns}")
        self._val, self._test = val_column, self._table.column("test", settings.test)
        self._cost = self._table.column("cost", settings.cost)
        # Which run answers for each row.
        self._run = np.random.default_rng(seed).integers(self._val.num_runs, size=len(self._table))
        self._repeat = settings.repeat

    def members(self) -> NDArray[np.int64] | None:
        """Return the indices of the architectures in the table, None where that is all."""
        return None if len(self._table) == self._space.size else self._table.index

    def evaluate(self, architectures: Sequence[A]) -> Iterator[tuple[int, Evaluation]]:
        """Look architectures up, in order."""
        rows = self._rows(architectures)
        accuracies = self._answers(self._val, rows)
        costs = np.zeros(len(rows)) if self._cost is None else self._answers(self._cost, rows)
        for i, (accuracy, cost) in enumerate(zip(accuracies.tolist(), costs.tolist(), strict=True)):
            yield i, Evaluation(accuracy, cost)

    def val_accuracies(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return validation accuracies, fractions ``[n]``: always the same run of an architecture."""
        return self._answers(self._val, self._rows(architectures))

    def test(self, architecture: A) -> float | None:
        """Return the mean test accuracy over the runs in the table, None where it has none."""
        return None if self._test is None else float(self._test.at(self._rows([architecture])).mean())

    def look_up_tests(self, architectures: Sequence[A]) -> list[float] | None:
        """Return mean test accuracies, None where the table has none."""
        if self._test is None:
            return None
        tests: list[float] = self._test.at(self._rows(architectures)).mean(axis=1).tolist()
        return tests

    def best_there_is(self) -> dict[str, float] | None:
        """Return the highest validation accuracy that can be answered, and the highest mean test accuracy."""
        best = {"val_accuracy": float(self._answers(self._val, np.arange(len(self._table))).max())}
        if self._test is not None:
            best["test_accuracy"] = float(self._test.at().mean(axis=1).max())
        return best

    def num_parameters(self, architecture: A) -> int | None:
        """Return the parameters that the table states, or else of the network for CIFAR-10, where there is one."""
        if "parameters" in self._table.columns:
            return int(self._table.columns["parameters"].at(self._rows([architecture]))[0, 0])
        if not isinstance(self._space, BuildsNetworks):
            return None
        return count_parameters(self._space.build_network(architecture, 10, 3))

    def _rows(self, architectures: Sequence[A]) -> NDArray[np.int64]:
        return self._table.rows(self._space.index(architectures))

    def _answers(self, column: Column, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """One number a row: the run drawn for it, or the mean where that is asked for or runs do not correspond."""
        values = column.at(rows)
        if self._repeat == "mean" or column.num_runs != self._val.num_runs:
            means: NDArray[np.float64] = values.mean(axis=1)
            return means
        return values[np.arange(len(rows)), self._run[rows]]
