"""Evaluator that looks architectures up in a table of evaluated ones."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seminas.benchmarks.table import load_table
from seminas.errors import UserError, config_error
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation
from seminas.networks.cost import count_parameters
from seminas.spaces.base import A, EnumerableSpace, SearchSpace

REPEATS = ("random", "mean")


class TableEvaluator(Evaluator[A]):
    """Validation accuracies from a packed table, which may hold part of the space."""

    def __init__(self, space: SearchSpace[A], path: str, seed: int, repeat: str = "random") -> None:
        """Load the table.

        Args:
            space: What the architectures are of.
            path: The packed file, made by ``seminas data import``.
            seed: Draws the training run that answers a question.
            repeat: ``random``, one training run of each architecture, as a search that trains would see;
                or ``mean`` of all runs in the table.

        Raises:
            UserError: The table cannot be used, and why.
        """
        if not isinstance(space, EnumerableSpace):
            raise UserError(f"evaluator=table: the architectures of space={space.name} are not enumerated")
        if repeat not in REPEATS:
            raise config_error("evaluator.repeat", repeat, f"one of {', '.join(REPEATS)}")
        self._space = space
        self._table = load_table(Path(path).expanduser(), space)
        self._seed = seed
        self._repeat = repeat

    def members(self) -> NDArray[np.int64] | None:
        """Return the indices of the architectures in the table, None where that is all."""
        return None if len(self._table) == len(self._space) else self._table.index

    def evaluate(self, architectures: Sequence[A]) -> Iterator[tuple[int, Evaluation]]:
        """Look architectures up, in order."""
        accuracies = self.val_accuracies(architectures)
        rows = self._table.rows(self._space.index(architectures))
        for i, row in enumerate(rows):
            cost = 0.0 if self._table.cost_s is None else float(self._table.cost_s[row])
            yield i, Evaluation(float(accuracies[i]), cost)

    def val_accuracies(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return validation accuracies, fractions ``[n]``: always the same run of an architecture."""
        index = self._space.index(architectures)
        val = self._table.val[self._table.rows(index)]
        if self._repeat == "mean":
            return val.mean(axis=1)
        drawn = np.random.default_rng(self._seed).integers(val.shape[1], size=len(self._space))
        return val[np.arange(len(index)), drawn[index]]

    def test(self, architecture: A) -> float | None:
        """Return the mean test accuracy over the runs in the table, None where it has none."""
        if self._table.test is None:
            return None
        return float(self._table.test[self._table.rows(self._space.index([architecture]))].mean())

    def num_parameters(self, architecture: A) -> int | None:
        """Return the parameters of the network for CIFAR-10, where the space builds one."""
        try:
            return count_parameters(self._space.build_network(architecture, 10, 3))
        except NotImplementedError:
            return None
