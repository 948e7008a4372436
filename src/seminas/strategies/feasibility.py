"""The probability that architectures are within limits of measured metrics (Gardner et al., ICML 2014)."""

from collections.abc import Mapping, Sequence
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from seminas.controller.gaussian_process import Groups, informative
from seminas.runs.constraints import MeasuredLimits
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.modeled import ModeledMetric

MAX_PENDING = 250
"""Number of pending architectures in which a process believes. Its time is cubic in them and the labels."""


class Feasibility(Generic[A]):
    """A Gaussian process on each limited metric. Limits are independent, so their probabilities are multiplied.

    The method is from Gardner et al., "Bayesian Optimization with Inequality Constraints", ICML 2014, section 3. The
    gain of an architecture is the improvement over the best feasible one, times this probability. Without a feasible
    architecture, the gain is the probability alone.

    Attributes:
        feasible: The labeled architectures within the limits, and the pending ones whose expected metrics are.
    """

    def __init__(
        self,
        space: SearchSpace[A],
        labeled: Mapping[A, float],
        limits: MeasuredLimits,
        further: Mapping[A, Mapping[str, float]],
    ) -> None:
        """Fit the processes.

        Args:
            space: Space of the architectures.
            labeled: Score of each labeled architecture in the evaluator's metric. At least two.
            limits: Limits of measured metrics.
            further: Values of further metrics of each labeled architecture by name.
        """
        self._space = space
        self.feasible = dict.fromkeys(a for a in labeled if limits.allow(further[a]))
        architectures = list(labeled)
        kept = [architectures[i] for i in informative(np.array(list(labeled.values())))]
        self._num_labels, self._groups = len(kept), space.described_groups(kept)
        self._modeled = []
        for limit in limits.limits:
            scores = np.array([limit.metric.score(further[a][limit.metric.name]) for a in kept])
            modeled = ModeledMetric.fitted(limit.metric, self._groups, scores, space.ordered_features)
            self._modeled.append((limit.score, modeled))

    def believe(self, architectures: Sequence[A]) -> None:
        """Condition the processes on the means of architectures that will be evaluated.

        If these are more than ``MAX_PENDING`` in total, the latest stay.
        """
        groups = self._space.described_groups(architectures)
        fits = np.all([modeled.expected(groups) >= least for least, modeled in self._modeled], axis=0)
        self.feasible |= dict.fromkeys(
            a for a, is_feasible in zip(architectures, fits, strict=True) if is_feasible
        )
        first = max(self._num_labels, len(self._groups[0]) + len(architectures) - MAX_PENDING)
        last = len(self._groups[0]) + len(architectures)
        rows = np.concatenate([np.arange(self._num_labels), np.arange(first, last)])
        before = self._groups
        self._groups = [np.concatenate(pair)[rows] for pair in zip(before, groups, strict=True)]
        for i, (least, modeled) in enumerate(self._modeled):
            targets = np.concatenate([modeled.targets, modeled.process.predict(groups)[0]])[rows]
            self._modeled[i] = least, modeled.conditioned(self._groups, targets)

    def probability(self, groups: Groups) -> NDArray[np.float64]:
        """Return the probability that each architecture is within all limits, ``[n]``."""
        each = [modeled.probability(groups, least) for least, modeled in self._modeled]
        return np.asarray(np.prod(each, axis=0))
