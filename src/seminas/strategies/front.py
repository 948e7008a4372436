"""Choice of architectures by their expected hypervolume improvement under Gaussian processes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seminas.controller.gaussian_process import (
    MAX_LABELS,
    GaussianProcess,
    Groups,
    fit_gaussian_process,
    informative,
)
from seminas.controller.targets import Targets
from seminas.runs.metric import Metric
from seminas.runs.objectives import nondominated
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.goals import Goals, best_first
from seminas.strategies.hypervolume import Excess, exactly, expected_hypervolume_improvement, transformed
from seminas.strategies.improvement import MAX_PENDING, Improvement, Views

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


class FrontImprovement(Improvement[A]):
    """Expected hypervolume improvement over the front so far (Emmerich et al., 2011).

    A process predicts each measured objective. The other objectives are exact costs, which need no model. Pending
    architectures have their expected scores (see ``Improvement``), so they are on the front as if they had arrived.
    Proxies and other tasks are features here, and no prior mean.
    """

    def __init__(
        self,
        space: SearchSpace[A],
        labeled: Mapping[A, float],
        pending: Collection[A],
        goals: Goals[A],
        further: Mapping[A, Mapping[str, float]],
        num_first: int,
    ) -> None:
        """Fit the processes.

        Args:
            space: Space of the architectures.
            labeled: Score of each labeled architecture in the evaluator's metric. At least two.
            pending: Architectures that are being evaluated.
            goals: The objectives.
            further: Values of further metrics of each labeled architecture by name.
            num_first: Number of labeled architectures of the first round, which come first.
        """
        architectures = list(labeled)
        scores = goals.scores(architectures, list(labeled.values()), further)
        self._reference = goals.objectives.reference(scores[:num_first])
        kept = np.arange(len(scores))
        if len(scores) > MAX_LABELS:
            order = np.empty(len(scores))
            order[best_first(scores)] = np.arange(len(scores))
            kept = informative(-order)
        scores = scores[kept]
        self._space, self._goals, self._num_labels = space, goals, len(kept)
        self._groups = space.described_groups([architectures[i] for i in kept])
        self._modeled: dict[str, ModeledMetric] = {}
        self._scores = scores.copy()
        for metric in goals.objectives.measured:
            column = goals.objectives.names.index(metric.name)
            modeled = ModeledMetric.fitted(metric, self._groups, scores[:, column], space.ordered_features)
            self._modeled[metric.name] = modeled
            # As for one objective, the means are improved, because an accuracy of one training is partly luck.
            self._scores[:, column] = modeled.expected(self._groups)
        if pending:
            self.believe(list(pending))

    def believe(self, architectures: Sequence[A]) -> None:
        """Condition the processes on the means of architectures that will be evaluated.

        If these are more than ``MAX_PENDING`` in total, the latest stay.
        """
        groups, names = self._space.described_groups(architectures), self._goals.objectives.names
        means = {name: modeled.process.predict(groups)[0] for name, modeled in self._modeled.items()}
        expected = {name: modeled.scale.accuracies(means[name]) for name, modeled in self._modeled.items()}
        exact = dict(zip(self._goals.objectives.exact, self._goals.exact(architectures).T, strict=True))
        scores = np.stack([(expected | exact)[name] for name in names], axis=1)
        all_scores = np.concatenate([self._scores, scores])
        first = max(self._num_labels, len(all_scores) - MAX_PENDING)
        rows = np.concatenate([np.arange(self._num_labels), np.arange(first, len(all_scores))])
        self._scores = all_scores[rows]
        self._groups = [np.concatenate(pair)[rows] for pair in zip(self._groups, groups, strict=True)]
        for name, modeled in self._modeled.items():
            targets = np.concatenate([modeled.targets, means[name]])[rows]
            self._modeled[name] = modeled.conditioned(self._groups, targets)

    def gain(self, views: Views, architectures: Sequence[A] = ()) -> Floats:
        """Return the expected hypervolume improvement of architectures, ``[n]``."""
        exact = dict(zip(self._goals.objectives.exact, self._goals.exact(architectures).T, strict=True))
        excesses = {name: exactly(costs) for name, costs in exact.items()}
        excesses |= {name: modeled.excess(views.groups) for name, modeled in self._modeled.items()}
        names = self._goals.objectives.names
        # The main metric gives the heights. Its excess is computed at each height once.
        order = sorted(range(len(names)), key=lambda i: names[i] != self._goals.objectives.main.name)
        return expected_hypervolume_improvement(
            [excesses[names[i]] for i in order], self._scores[:, order], self._reference[order]
        )


def gains_of_predictions(
    goals: Goals[A],
    labeled: Mapping[A, float],
    further: Mapping[A, Mapping[str, float]],
    num_first: int,
    architectures: Sequence[A],
    predicted: Floats,
) -> Floats:
    """Return the hypervolume improvement of architectures if predictions were true, ``[E, n]``.

    Args:
        goals: The objectives, of which the evaluator's metric is the only measured one.
        labeled: Score of each labeled architecture in this metric.
        further: Values of further metrics of each labeled architecture by name.
        num_first: Number of labeled architectures of the first round, which come first.
        architectures: The architectures.
        predicted: Scores that E models predict for them, ``[E, n]``.
    """
    scores = goals.scores(list(labeled), list(labeled.values()), further)
    reference, front = goals.objectives.reference(scores[:num_first]), scores[nondominated(scores)]
    costs = [exactly(cost) for cost in goals.exact(architectures).T]
    names = goals.objectives.names
    order = [names.index(goals.objectives.main.name), *map(names.index, goals.objectives.exact)]
    return np.stack(
        [
            expected_hypervolume_improvement(
                [exactly(scores_of_model), *costs], front[:, order], reference[order]
            )
            for scores_of_model in predicted
        ]
    )
