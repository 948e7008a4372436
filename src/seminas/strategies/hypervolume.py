"""Exact expected hypervolume improvement of architectures with independent objectives.

A front divides the space of the objectives but the first into cells of a grid. Above a cell the front has one height:
the best first objective of the points that dominate the cell. An architecture with the objectives y improves the
hypervolume by the sum over cells of (length of the cell below y in each further objective) × (height of y above the
front). The objectives are independent, so the expectation of each product is the product of expectations. Each of these
is a difference of expected improvements (Emmerich, Deutz and Klinkenberg, "Hypervolume-based expected improvement:
monotonicity properties and exact computation", CEC 2011). An objective that is known exactly has no variance. So one
modeled objective beside exact ones needs the expected improvement at each level of the front, and no integration.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from seminas.controller.gaussian_process import expected_improvement

Floats = NDArray[np.float64]
Excess = Callable[[Floats], Floats]
"""Function that returns E[max(0, y - level)] of each architecture for levels ``[L]``, ``[n, L]``."""
MOST_CELLS = 5_000
"""Largest number of cells of the grid. A front of too many points is replaced by an even part of it."""
AT_ONCE = 4_000_000
"""Number of products that are held in memory."""


def exactly(values: Floats) -> Excess:
    """Return the excess of known values ``[n]``."""
    return lambda levels: np.maximum(values[:, None] - levels, 0.0)


def normal(mean: Floats, deviation: Floats) -> Excess:
    """Return the excess of normally distributed values with means and standard deviations ``[n]``."""
    return lambda levels: expected_improvement(mean[:, None], deviation[:, None], levels)


def transformed(mean: Floats, deviation: Floats, targets: Floats, values: Floats) -> Excess:
    """Return the excess of values whose monotone transforms, the targets, are normally distributed.

    The inverse transform is linear between knots. So the expectation is a sum of expected improvements of targets.

    Args:
        mean: Mean of the target of each architecture, ``[n]``.
        deviation: Standard deviation of the target of each architecture, ``[n]``.
        targets: Targets of the knots, ascending, ``[m]``, at least two. Beyond them the outer pieces continue.
        values: Values of the knots, ascending, ``[m]``.
    """
    slopes = np.diff(values) / np.diff(targets)

    def excess(levels: Floats) -> Floats:
        at = np.interp(levels, values, targets)
        # Beyond the knots, the outer pieces continue.
        if slopes[0] > 0:
            at = np.where(levels < values[0], targets[0] + (levels - values[0]) / slopes[0], at)
        if slopes[-1] > 0:
            at = np.where(levels > values[-1], targets[-1] + (levels - values[-1]) / slopes[-1], at)
        knots = np.unique(np.concatenate([targets, at]))
        piece = np.clip(np.searchsorted(targets, knots, side="right") - 1, 0, len(slopes) - 1)
        gains = expected_improvement(mean[:, None], deviation[:, None], knots)
        # Each piece above a level adds its slope times the part of the expected improvement inside it.
        inside = gains - np.concatenate([gains[:, 1:], np.zeros((len(mean), 1))], axis=1)
        above = np.cumsum((slopes[piece] * inside)[:, ::-1], axis=1)[:, ::-1]
        return np.asarray(above[:, np.searchsorted(knots, at)])

    return excess


def expected_hypervolume_improvement(excesses: Sequence[Excess], front: Floats, reference: Floats) -> Floats:
    """Return the expected growth of the hypervolume by each architecture, ``[n]``.

    Args:
        excesses: Excess of each of k objectives, higher is better. The first one gives the heights.
        front: Scores of evaluated architectures, ``[m, k]``. Dominated ones do not matter.
        reference: Scores of the reference point, ``[k]``. Nothing below it counts.
    """
    front = front[(front > reference).all(axis=1)]
    edges = [np.unique(np.append(front[:, d], reference[d])) for d in range(1, len(reference))]
    most = int(MOST_CELLS ** (1 / max(1, len(edges))))
    if np.prod([len(e) for e in edges]) > MOST_CELLS:
        edges = [e[np.unique(np.linspace(0, len(e) - 1, most).round().astype(np.int64))] for e in edges]
    heights = _heights(front, edges, float(reference[0]))
    levels, level_of = np.unique(heights, return_inverse=True)
    level_of = level_of.reshape(-1)
    gains = excesses[0](levels)
    lengths = []
    for excess, e in zip(excesses[1:], edges, strict=True):
        beyond = excess(e)
        beyond[:, :-1] -= beyond[:, 1:].copy()
        lengths.append(beyond)
    n = len(gains)
    result = np.empty(n)
    step = max(1, AT_ONCE // len(level_of))
    for start, end in pairwise([*range(0, n, step), n]):
        volume = np.ones((end - start, 1))
        for length in lengths:
            volume = (volume[:, :, None] * length[start:end, None, :]).reshape(end - start, -1)
        result[start:end] = np.einsum("nc,nc->n", volume, gains[start:end][:, level_of])
    return result


def _heights(front: Floats, edges: Sequence[Floats], lowest: float) -> Floats:
    """Return the height of the front above each cell of the grid, in the order of the last objective first.

    A cell begins at an edge in each objective. A point dominates it if it is beyond the edge in all of them.
    """
    shape = [len(e) for e in edges]
    beyond = np.ones((len(front), *shape), dtype=bool)
    for d, e in enumerate(edges):
        part = front[:, d + 1, None] > e
        beyond &= part.reshape(len(front), *(len(e) if i == d else 1 for i in range(len(edges))))
    heights = np.full(shape, lowest)
    for point, mask in zip(front, beyond, strict=True):
        heights = np.where(mask, np.maximum(heights, point[0]), heights)
    return heights.reshape(-1)
