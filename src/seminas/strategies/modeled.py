"""A Gaussian process on one measured metric."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from seminas.controller.gaussian_process import GaussianProcess, Groups, fit_gaussian_process
from seminas.controller.targets import Targets
from seminas.runs.metric import Metric
from seminas.strategies.hypervolume import Excess, transformed

Floats = NDArray[np.float64]
MOST_KNOTS = 64
"""Largest number of pieces of the scale between targets and values."""


@dataclass(frozen=True)
class ModeledMetric:
    """A Gaussian process on one measured metric. It has the scores and their targets, on which the process is fitted.

    Attributes:
        metric: The metric.
        process: The process.
        targets: Target of each architecture on which the process is conditioned, ``[n]``.
        scale: Scale between targets and scores.
    """

    metric: Metric
    process: GaussianProcess
    targets: Floats
    scale: Targets

    @classmethod
    def fitted(
        cls, metric: Metric, groups: Groups, scores: Floats, ordered: NDArray[np.int64] | None = None
    ) -> "ModeledMetric":
        """Fit a process on scores ``[n]`` of architectures with kernel features ``groups``.

        ``ordered`` names the features of ordered positions (see ``fit_gaussian_process``).

        The targets are clipped scores, also in spaces of cells. Ranks would enlarge the differences among equally good
        architectures, and a front needs the differences of the scores.
        """
        scale = Targets("clip", scores)
        return cls(metric, fit_gaussian_process(groups, scale.values, ordered), scale.values, scale)

    def conditioned(self, groups: Groups, targets: Floats) -> "ModeledMetric":
        """Return the metric with the process conditioned on other architectures and their targets ``[n]``."""
        return replace(self, process=self.process.conditioned(groups, targets), targets=targets)

    def expected(self, groups: Groups) -> Floats:
        """Return the score that belongs to the mean target of each architecture, ``[n]``."""
        return self.scale.accuracies(self.process.predict(groups)[0])

    def excess(self, groups: Groups) -> Excess:
        """Return the excess of the scores of architectures, see ``hypervolume``."""
        targets, values = self.scale.knots(MOST_KNOTS)
        return transformed(*self.process.predict(groups), targets, values)

    def probability(self, groups: Groups, least: float) -> Floats:
        """Return the probability that the score of each architecture is at least a number, ``[n]``."""
        mean, deviation = self.process.predict(groups)
        (target,) = self.scale.targets(np.array([least]))
        return np.asarray(norm.cdf((mean - target) / np.maximum(deviation, 1e-12)))
