"""Numbers for figures that follow the direction of a metric: the best value so far, and the ends of an axis."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seminas.runs.metric import Metric


def best_so_far(metric: Metric, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the best value up to each position, ``[n]``. It is NaN before the first value that is a number."""
    best: NDArray[np.float64] = (np.fmax if metric.sign > 0 else np.fmin).accumulate(values)
    return best


def range_without_worst(metric: Metric, values: NDArray[np.float64], part: float) -> tuple[float, float]:
    """Return the lowest and the highest value to draw. The worst values, a fraction ``part`` of all, are outside."""
    if metric.sign > 0:
        return float(np.quantile(values, part)), float(values.max())
    return float(values.min()), float(np.quantile(values, 1 - part))


def widened(metric: Metric, low: float, high: float, part: float, least: float) -> tuple[float, float]:
    """Return the ends of an axis for values from ``low`` to ``high``.

    Args:
        metric: Metric of the values.
        low: Lowest value.
        high: Highest value.
        part: Margin on both sides, as a fraction of the distance between the values.
        least: Smallest margin of fractions. For other metrics it is relative to the values.
    """
    margin = part * (high - low)
    unit = 1.0 if metric.is_fraction else max(abs(low), abs(high), 1e-9)
    return low - margin - least * unit, high + margin + least * unit


def free_corner(metric: Metric) -> Literal["lower right", "upper right"]:
    """Return the corner of a figure that the curves of the best value so far leave free."""
    return "lower right" if metric.sign > 0 else "upper right"
