"""Targets: transformed accuracies, from which a model learns."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

FAR = 10.0
"""Largest distance of a prediction from the range of the labeled architectures' targets, in units of the target."""
WEIGHT_OF_UNIT = 3.0
"""Number of values that count as much as the unit of the level before."""


def rank_quantiles(accuracies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the quantile of the normal distribution for each accuracy's rank, ``[n]``.

    Equal accuracies have the same quantile.
    """
    quantiles: NDArray[np.float64] = norm.ppf((rankdata(accuracies) - 0.5) / len(accuracies))
    return quantiles


def standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values with mean 0 and standard deviation 1, ``[n]``. Equal values become 0."""
    standard: NDArray[np.float64] = (values - values.mean()) / (values.std() or 1.0)
    return standard


def clipped(accuracies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return standardised accuracies ``[n]`` whose lower half is compressed by a logarithm.

    Differences among bad architectures say little about good ones.
    """
    z = (accuracies - np.median(accuracies)) / (accuracies.std() or 1.0)
    z = np.where(z < 0, -np.log1p(-np.minimum(z, 0.0)), z)
    return standardised(z)


class LevelScale(NamedTuple):
    """The scale of the targets of one level. Distances below the center are compressed by a logarithm.

    Attributes:
        center: Value whose target is 0.
        unit: Distance above the center whose target is 1.
    """

    center: float
    unit: float

    def targets(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the target of each value, ``[n]``."""
        z = (values - self.center) / self.unit
        return np.where(z < 0, -np.log1p(-np.minimum(z, 0.0)), z)

    def values(self, targets: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the value of each target, ``[n]``."""
        z = np.where(targets < 0, -np.expm1(-np.minimum(targets, 0.0)), targets)
        return self.center + self.unit * z


def level_scales(
    values: NDArray[np.float64], levels: NDArray[np.int64], num_levels: int
) -> list[LevelScale | None]:
    """Return the scale of the targets of each level. None without a value.

    The zero of a level is its median, and its unit is the root mean square of the distances above it. A level with few
    values takes half of the unit of the level before into account, because longer trainings differ less.

    Args:
        values: Accuracies, ``[n]``.
        levels: Level of each value, ``[n]``.
        num_levels: Number of levels.
    """
    scales: list[LevelScale | None] = []
    unit = 0.0
    for level in range(num_levels):
        of_level = values[levels == level]
        if not len(of_level):
            scales.append(None)
            continue
        center = np.median(of_level)
        above = (of_level - center)[of_level >= center]
        prior = WEIGHT_OF_UNIT * (unit / 2) ** 2
        unit = (
            float(np.sqrt((above @ above + prior) / (len(above) + (WEIGHT_OF_UNIT if unit else 0.0)))) or 1.0
        )
        scales.append(LevelScale(float(center), unit))
    return scales


class Targets:
    """A monotone scale. It transforms accuracies to targets, and targets to accuracies.

    Attributes:
        values: Targets of the labeled architectures, ``[n]``.
    """

    def __init__(self, kind: str, accuracies: NDArray[np.float64]) -> None:
        """Make the scale from the accuracies of labeled architectures.

        Args:
            kind: Type of the transform. ``quantile``: quantiles of a normal distribution, by rank. ``tail``: quantiles
                of an exponential distribution, by rank, with mean 0 and standard deviation 1. With ``tail``,
                differences among the best architectures count most. ``clip``: see ``clipped``. ``standard``: mean 0 and
                standard deviation 1. ``min_max``: a range from 0 to 1.
            accuracies: Accuracies of the labeled architectures, fractions ``[n]``.
        """
        if kind == "quantile":
            self.values = rank_quantiles(accuracies)
        elif kind == "tail":
            self.values = -np.log((rankdata(-accuracies) - 0.5) / len(accuracies))
            self.values = standardised(self.values)
        elif kind == "clip":
            self.values = clipped(accuracies)
        elif kind == "standard":
            self.values = standardised(accuracies)
        else:
            self.values = (accuracies - accuracies.min()) / (np.ptp(accuracies) or 1.0)
        known, first = np.unique(accuracies, return_index=True)
        targets = self.values[first]
        # Extend the scale beyond the labeled accuracies. Below, the slope is the mean slope between the lowest target
        # and the first quartile. Above, it is the mean slope between the third quartile and the highest target.
        low, high = targets[0] - FAR, targets[-1] + FAR
        if len(known) > 1:
            quarter, third = np.interp(np.quantile(targets, [0.25, 0.75]), targets, known)
            below = (quarter - known[0]) / max(np.quantile(targets, 0.25) - targets[0], 1e-9)
            above = (known[-1] - third) / max(targets[-1] - np.quantile(targets, 0.75), 1e-9)
        else:
            below = above = 1.0
        self._accuracies = np.array([known[0] - FAR * below, *known, known[-1] + FAR * above])
        self._targets = np.array([low, *targets, high])

    def accuracies(self, targets: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the accuracy of each target ``[n]``, fractions ``[n]``."""
        accuracies: NDArray[np.float64] = np.interp(targets, self._targets, self._accuracies)
        return accuracies

    def targets(self, accuracies: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the target of each accuracy ``[n]``, ``[n]``."""
        targets: NDArray[np.float64] = np.interp(accuracies, self._accuracies, self._targets)
        return targets

    def knots(self, most: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the ends of the linear pieces of the scale, targets ``[m]`` and accuracies ``[m]``, both ascending.

        If there are more than ``most`` pieces, an even part of their ends stays.
        """
        kept = np.unique(np.linspace(0, len(self._targets) - 1, most + 1).round().astype(np.int64))
        return self._targets[kept], self._accuracies[kept]
