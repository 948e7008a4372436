"""Plans: when a training is continued, and what that is expected to gain for its cost."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from seminas.controller.gaussian_process import expected_improvement

Floats = NDArray[np.float64]
Gain = Callable[[Floats, Floats], Floats]
"""Function of means and standard deviations of the target of full trainings, ``[n]`` or ``[n, K]``.

It returns the expected gain of each.
"""
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
"""Nodes and weights of the Gauss-Hermite quadrature over the target after a short training."""


def improvement_over(best: float) -> Gain:
    """Return the expected improvement over the highest target of a full training so far."""
    return lambda mean, deviation: expected_improvement(mean, deviation, best)


def best_plans(
    mean: Floats,
    covariance: Floats,
    reached: NDArray[np.int64],
    gain: Gain,
    costs: Sequence[float],
    paid: Floats | None = None,
) -> tuple[Floats, NDArray[np.int64]]:
    """Return the gain of each architecture's best plan for its cost, and the first level of the plan, both ``[n]``.

    A plan trains an architecture to a level, and goes on to the full level if the target there promises enough. The
    gain of a plan is the expected gain of the full training. Its cost is the expected number of full trainings.
    Both are means over the target at the level. The plan with the highest ratio decides what promises enough. Without
    the stop at a level, the ratio is the expected improvement per second of Snoek et al. ("Practical Bayesian
    Optimization of Machine Learning Algorithms", NeurIPS 2012, section 3.2).

    Args:
        mean: Mean of the target of each architecture at each level, ``[n, L]``.
        covariance: Covariance of these targets, ``[n, L, L]``.
        reached: Highest level that each architecture has reached, or -1, ``[n]``. The gain of the full level is 0.
        gain: Expected gain of full trainings, such as ``improvement_over``.
        costs: Cost of a training to each level, in full trainings, increasing to 1.
        paid: Cost of the part of each training that is done, in full trainings, ``[n]``. None means all of the level
            that it has reached.
    """
    full = len(costs) - 1
    if paid is None:
        paid = np.where(reached >= 0, np.asarray(costs)[reached], 0.0)
    deviation = np.sqrt(np.maximum(covariance[:, full, full], 1e-12))
    left = np.where(reached < full, 1 - paid, np.inf)
    ratios = gain(mean[:, full], deviation) / left
    stops = np.full(len(mean), full)
    weights = WEIGHTS / WEIGHTS.sum()
    for level in range(full):
        slope = covariance[:, level, full] / np.sqrt(np.maximum(covariance[:, level, level], 1e-12))
        rest = np.sqrt(np.maximum(covariance[:, full, full] - slope * slope, 1e-12))
        means = mean[:, full, None] + slope[:, None] * NODES
        gains = gain(means, np.broadcast_to(rest[:, None], means.shape))
        # The full training follows the nodes with the highest gains, as many as give the highest ratio.
        order = np.argsort(-gains, axis=1, kind="stable")
        gained = np.cumsum(np.take_along_axis(gains * weights, order, axis=1), axis=1)
        spent = (costs[level] - paid)[:, None] + np.cumsum(weights[order], axis=1) * (1 - costs[level])
        of_level = (gained / np.where(spent > 0, spent, np.inf)).max(axis=1)
        better = (reached < level) & (of_level > ratios)
        ratios, stops = np.where(better, of_level, ratios), np.where(better, level, stops)
    return ratios, stops
