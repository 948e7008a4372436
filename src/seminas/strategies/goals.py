"""Several objectives of a strategy: the scores of architectures, the order by dominance, and the reference point."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from seminas.runs.objectives import Objectives
from seminas.spaces.base import A, SearchSpace
from seminas.spaces.exact import ExactCosts

NUM_DRAWN = 200
"""Number of random architectures whose largest exact costs are the reference point's."""


class Goals(Generic[A]):
    """The objectives of a search, with the exact costs of its architectures.

    Attributes:
        objectives: The objectives.
    """

    def __init__(self, objectives: Objectives, costs: ExactCosts[A], space: SearchSpace[A]) -> None:
        """Find the largest exact costs among random architectures, for the reference point.

        Args:
            objectives: The objectives.
            costs: Function that computes exact costs.
            space: Space of the candidates.
        """
        self._costs = costs
        drawn = space.sample(NUM_DRAWN, np.random.default_rng(0)) if objectives.exact else []
        largest = costs(drawn, objectives.exact).max(axis=0) if drawn else []
        self.objectives = replace(
            objectives, largest=dict(zip(objectives.exact, map(float, largest), strict=False))
        )

    def exact(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return the exact costs that are objectives, as scores ``[n, number of exact objectives]``."""
        return -self._costs(architectures, self.objectives.exact)

    def scores(
        self,
        architectures: Sequence[A],
        main: Sequence[float] | NDArray[np.float64],
        further: Mapping[A, Mapping[str, float]],
    ) -> NDArray[np.float64]:
        """Return the scores of evaluated architectures, ``[n, k]``.

        Args:
            architectures: The architectures.
            main: Score of each of them in the evaluator's metric.
            further: Values of further metrics of each architecture by name.
        """
        exact = self.exact(architectures)
        columns = []
        for metric in self.objectives.metrics:
            if metric.name in self.objectives.exact:
                columns.append(exact[:, self.objectives.exact.index(metric.name)])
            elif metric.name == self.objectives.main.name:
                columns.append(np.asarray(main, dtype=np.float64))
            else:
                columns.append(np.array([metric.score(further[a][metric.name]) for a in architectures]))
        return np.stack(columns, axis=1)

    def cost_values(self, architecture: A) -> dict[str, float]:
        """Return the exact costs of an architecture that are objectives, by name."""
        names = self.objectives.exact
        return dict(zip(names, self._costs([architecture], names)[0].tolist(), strict=True))


def ranks_and_crowding(scores: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the number of fronts before each row's front, and its crowding distance within the front, each ``[n]``.

    Both are from NSGA-II (Deb et al., IEEE Transactions on Evolutionary Computation, 2002), in the library pymoo.

    Args:
        scores: Scores ``[n, k]``, higher is better.
    """
    from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

    ranks, crowding = np.zeros(len(scores), dtype=np.int64), np.zeros(len(scores))
    for number, front in enumerate(NonDominatedSorting().do(-scores)):
        ranks[front], crowding[front] = number, calc_crowding_distance(-scores[front])
    return ranks, crowding


def best_first(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rows by rank, and of equal rank by crowding distance, as the survival of NSGA-II does, ``[n]``."""
    if not len(scores):
        return np.zeros(0, dtype=np.int64)
    ranks, crowding = ranks_and_crowding(scores)
    return np.asarray(np.lexsort((-crowding, ranks)))
