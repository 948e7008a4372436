"""Evaluator that looks up accuracies in a table."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from seminas.config.evaluators import TableSettings
from seminas.errors import UserError, config_error
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation
from seminas.spaces.base import MOST_LISTED, A, EnumerableSpace, SearchSpace
from seminas.spaces.capabilities import reference_image
from seminas.spaces.exact import BUILT, ExactCosts, Known, NetworkShape, exact_costs
from seminas.spaces.retraining import Retraining
from seminas.spaces.rungs import Rung, plain
from seminas.tables import find_table
from seminas.tables.table import Column, load_table


class TableEvaluator(Evaluator[A]):
    """Evaluator with the accuracies of a packed table. The table may have only a part of the space."""

    simulates_time = True

    def __init__(self, space: SearchSpace[A], seed: int, settings: TableSettings) -> None:
        """Load the table.

        Args:
            space: Search space of the table.
            seed: Seed that selects one training run of each architecture.
            settings: Settings of the file and its columns.

        Raises:
            UserError: The space does not number its architectures, or the file is missing, damaged, of another space,
                or without a suitable column.
        """
        if not isinstance(space, EnumerableSpace):
            raise UserError(
                f"evaluator=table: the architectures of space={space.name} have no numbers; choose evaluator=training"
            )
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
        self._seconds = self._table.column("cost", settings.seconds)
        # Selected run of each row.
        self._run = np.random.default_rng(seed).integers(self._val.num_runs, size=len(self._table))
        network, (image, num_classes) = settings.network, reference_image(space)
        self._shape = NetworkShape(
            tuple(network.image or image), network.num_classes or num_classes, network.skeleton
        )
        self._levels = self._table.fidelities if val_column is self._table.column("val") else {}
        self.fidelities = tuple(self._levels)
        self._repeat, self.num_simulated = settings.repeat, settings.num_workers

    def no_retraining(self) -> str | None:
        """Return why the table has no second training, or None if it has several trainings of each architecture."""
        if self._repeat == "mean":
            return "evaluator.repeat=mean, which is the mean of all trainings"
        if self._val.num_runs < 2:
            return "a table that has one validation accuracy of each architecture"
        return None

    def members(self) -> NDArray[np.int64] | None:
        """Return the indices of the architectures in the table. None means the whole space."""
        return None if len(self._table) == self._space.size else self._table.index

    def evaluate(self, architectures: Sequence[A]) -> Iterator[tuple[int, Evaluation]]:
        """Look up architectures. Yield the position and the evaluation of each in their order.

        Without a column of seconds, each evaluation costs one second. An evaluation of fewer epochs costs its share. A
        second training is the run after the selected one.
        """
        rows = self._rows([plain(a) for a in architectures])
        later = np.array(
            [a.number if isinstance(a, Retraining) else 0 for a in architectures], dtype=np.int64
        )
        accuracies = self._answers(self._val, rows, later)
        costs = np.ones(len(rows)) if self._seconds is None else self._answers(self._seconds, rows, later)
        for i, (accuracy, cost) in enumerate(zip(accuracies.tolist(), costs.tolist(), strict=True)):
            rung = architectures[i]
            if isinstance(rung, Rung):
                (accuracy,) = self._answers(self._levels[rung.epochs], rows[i : i + 1]).tolist()
                cost *= rung.share_of(self.fidelities[-1])
            yield i, Evaluation(accuracy, cost)

    def val_accuracies(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return validation accuracies, fractions ``[n]``. Repeated calls return the same accuracies."""
        return self._answers(self._val, self._rows(architectures))

    def test(self, architecture: A) -> float | None:
        """Return the mean test accuracy of an architecture's runs, or None if the table has no test accuracies."""
        return None if self._test is None else float(self._test.at(self._rows([architecture])).mean())

    def look_up_tests(self, architectures: Sequence[A]) -> list[float] | None:
        """Return the mean test accuracy of each architecture's runs, or None if the table has no test accuracies."""
        if self._test is None:
            return None
        tests: list[float] = self._test.at(self._rows(architectures)).mean(axis=1).tolist()
        return tests

    def best_there_is(self) -> dict[str, float] | None:
        """Return the highest validation accuracy and the highest mean test accuracy of the table.

        The validation accuracy is a maximum over the accuracies that ``evaluate`` returns.
        """
        return self._best(np.arange(len(self._table)))

    def best_of(self, candidates: SearchSpace[A]) -> dict[str, float] | None:
        """Return the highest accuracies of the candidates, in the form of ``best_there_is``."""
        if not isinstance(candidates, EnumerableSpace) or candidates.size > MOST_LISTED:
            return None
        return self._best(self._rows(candidates.at(np.arange(candidates.size))))

    def _best(self, rows: NDArray[np.int64]) -> dict[str, float]:
        best = {"val_accuracy": float(self._answers(self._val, rows).max())}
        if self._test is not None:
            best["test_accuracy"] = float(self._test.at(rows).mean(axis=1).max())
        return best

    def num_parameters(self, architecture: A) -> int | None:
        """Return the number of trainable parameters of an architecture's network.

        The number comes from the table if it has a column ``parameters``. Otherwise it follows from the space, for the
        image and the classes of ``evaluator.network``. If the space cannot state it, return None.
        """
        costs = self.exact_costs(self._space)
        return int(costs([architecture], ["parameters"])[0, 0]) if "parameters" in costs.names else None

    def exact_costs(self, space: SearchSpace[A]) -> ExactCosts[A]:
        """Return the exact costs of the table's networks.

        The columns ``macs`` and ``parameters`` of the table come first. Without such a column the space states the
        cost, for the image, the classes and the skeleton of ``evaluator.network``.
        """
        columns = {name: self._counts(name) for name in BUILT if name in self._table.columns}
        return exact_costs(space, self._shape, columns)

    def _counts(self, name: str) -> Known[A]:
        column = self._table.columns[name]
        return lambda architectures: column.at(self._rows(architectures))[:, 0].astype(np.float64)

    def _rows(self, architectures: Sequence[A]) -> NDArray[np.int64]:
        return self._table.rows(self._space.index(architectures))

    def _answers(
        self, column: Column, rows: NDArray[np.int64], later: int | NDArray[np.int64] = 0
    ) -> NDArray[np.float64]:
        """Return one number for each row, ``[m]``.

        This is the number of the row's selected run, or of the run that comes ``later``. It is the mean over the runs
        if ``repeat`` is ``mean``, or if the column has another number of runs than the validation accuracies.
        """
        values = column.at(rows)
        if self._repeat == "mean" or column.num_runs != self._val.num_runs:
            means: NDArray[np.float64] = values.mean(axis=1)
            return means
        runs = (self._run[rows] + later) % column.num_runs
        selected: NDArray[np.float64] = values[np.arange(len(rows)), runs]
        return selected
