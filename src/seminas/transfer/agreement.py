"""Agreement of other tasks with the labels of a search, and the weights that follow from it."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

BELIEF = 0.6
"""Rank correlation between two tasks that a search expects before it has labels."""
BELIEF_LABELS = 5
"""Number of labels that count as much as this expectation."""
LEAST_SPREAD = 0.3
"""Smallest standard deviation of expectations by which they are divided. The labels are often of one kind."""


def trust(expected: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weight of each other task in the prior mean of a model, ``[S]``, at least 0.

    No task has seen the labels, so the rank correlation is that of a held-out set, as in RGPE (Feurer et al., "Scalable
    Meta-Learning for Bayesian Optimization", 2018). A task whose correlation is not positive gets no weight. Several
    tasks share the weight in proportion to their correlations.

    Args:
        expected: Expectation of each task for the labeled architectures, ``[n, S]``.
        targets: Targets of these architectures with standard deviation about 1, ``[n]``.
    """
    number, num_tasks = expected.shape
    if not num_tasks:
        return np.empty(0)
    agreement = np.array([_correlation(column, targets) for column in expected.T])
    shrunk = (agreement * number + BELIEF * BELIEF_LABELS) / (number + BELIEF_LABELS)
    shrunk = shrunk.clip(min=0)
    total = shrunk.sum()
    if total == 0:
        return np.zeros(num_tasks)
    weights: NDArray[np.float64] = shrunk * shrunk / total / expected.std(axis=0).clip(min=LEAST_SPREAD)
    return weights


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return Spearman's rank correlation, or 0 if all values of a side are equal."""
    x, y = (rankdata(values) - (len(values) + 1) / 2 for values in (a, b))
    length = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / length if length else 0.0
