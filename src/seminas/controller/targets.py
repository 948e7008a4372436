"""Targets: accuracies on the scale that a model is fitted to, and back."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

FAR = 10.0
"""How far beyond the labeled ones a prediction may lie, in units of the target."""


def rank_quantiles(accuracies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the normal distribution's quantile of each accuracy's rank, ``[n]``; equal ones share theirs."""
    quantiles: NDArray[np.float64] = norm.ppf((rankdata(accuracies) - 0.5) / len(accuracies))
    return quantiles


class Targets:
    """A monotone scale between accuracies and targets.

    Attributes:
        values: Targets of the accuracies that the scale was made from, ``[n]``.
    """

    def __init__(self, kind: str, accuracies: NDArray[np.float64]) -> None:
        """Make the scale of some accuracies.

        Args:
            kind: ``quantile`` (of a normal distribution, by rank), ``tail`` (of an exponential one, by rank, so that
                differences among the best count most), ``standard`` (mean 0, deviation 1) or ``min_max`` (0 to 1).
            accuracies: Fractions, ``[n]``.
        """
        if kind == "quantile":
            self.values = rank_quantiles(accuracies)
        elif kind == "tail":
            self.values = -np.log((rankdata(-accuracies) - 0.5) / len(accuracies))
            self.values = (self.values - self.values.mean()) / (self.values.std() or 1.0)
        elif kind == "standard":
            self.values = (accuracies - accuracies.mean()) / (accuracies.std() or 1.0)
        else:
            self.values = (accuracies - accuracies.min()) / (np.ptp(accuracies) or 1.0)
        known, first = np.unique(accuracies, return_index=True)
        targets = self.values[first]
        # Beyond the labeled ones the scale goes on as steeply as between their quartiles and their ends.
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
        """Return the accuracies that targets stand for, fractions ``[n]``."""
        accuracies: NDArray[np.float64] = np.interp(targets, self._targets, self._accuracies)
        return accuracies
