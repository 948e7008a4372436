"""Choice of architectures by their expected hypervolume improvement under Gaussian processes."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from seminas.controller.gaussian_process import MAX_LABELS, informative
from seminas.runs.objectives import nondominated
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.feasibility import MAX_PENDING, Feasibility
from seminas.strategies.goals import Goals, best_first
from seminas.strategies.hypervolume import exactly, expected_hypervolume_improvement
from seminas.strategies.improvement import Improvement, Views
from seminas.strategies.modeled import ModeledMetric

Floats = NDArray[np.float64]


class FrontImprovement(Improvement[A]):
    """Expected hypervolume improvement over the front so far (Emmerich et al., 2011).

    A process predicts each measured objective. The other objectives are exact costs, which need no model. Pending
    architectures have their expected scores (see ``Improvement``), so they are on the front as if they had arrived.
    Proxies and other tasks are features here, and no prior mean. With limits of measured metrics, the front has only
    feasible architectures, and the improvement is multiplied by the probability of feasibility (see ``Feasibility``).
    """

    def __init__(
        self,
        space: SearchSpace[A],
        labeled: Mapping[A, float],
        pending: Collection[A],
        goals: Goals[A],
        further: Mapping[A, Mapping[str, float]],
        num_first: int,
        feasibility: Feasibility[A] | None = None,
    ) -> None:
        """Fit the processes.

        Args:
            space: Space of the architectures.
            labeled: Score of each labeled architecture in the evaluator's metric. At least two.
            pending: Architectures that are being evaluated.
            goals: The objectives.
            further: Values of further metrics of each labeled architecture by name.
            num_first: Number of labeled architectures of the first round, which come first.
            feasibility: Probability of feasibility. None without limits of measured metrics.
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
        self._feasibility = feasibility
        self._is_feasible = self._among_feasible([architectures[i] for i in kept])
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

    def _among_feasible(self, architectures: Sequence[A]) -> NDArray[np.bool_]:
        """Return whether architectures are within the limits, as far as they are known or expected, ``[n]``."""
        if self._feasibility is None:
            return np.ones(len(architectures), dtype=np.bool_)
        return np.array([a in self._feasibility.feasible for a in architectures], dtype=np.bool_)

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
        if self._feasibility is not None:
            self._feasibility.believe(architectures)
        self._is_feasible = np.concatenate([self._is_feasible, self._among_feasible(architectures)])[rows]
        self._scores = all_scores[rows]
        self._groups = [np.concatenate(pair)[rows] for pair in zip(self._groups, groups, strict=True)]
        for name, modeled in self._modeled.items():
            targets = np.concatenate([modeled.targets, means[name]])[rows]
            self._modeled[name] = modeled.conditioned(self._groups, targets)

    def gain(self, views: Views, architectures: Sequence[A] = ()) -> Floats:
        """Return the expected hypervolume improvement of architectures, ``[n]``."""
        probability = 1.0 if self._feasibility is None else self._feasibility.probability(views.groups)
        if not self._is_feasible.any():
            return np.asarray(probability)
        exact = dict(zip(self._goals.objectives.exact, self._goals.exact(architectures).T, strict=True))
        excesses = {name: exactly(costs) for name, costs in exact.items()}
        excesses |= {name: modeled.excess(views.groups) for name, modeled in self._modeled.items()}
        names = self._goals.objectives.names
        # The main metric gives the heights. Its excess is computed at each height once.
        order = sorted(range(len(names)), key=lambda i: names[i] != self._goals.objectives.main.name)
        front = self._scores[self._is_feasible][:, order]
        gains = expected_hypervolume_improvement(
            [excesses[names[i]] for i in order], front, self._reference[order]
        )
        return probability * gains


def gains_of_predictions(
    goals: Goals[A],
    labeled: Mapping[A, float],
    num_first: int,
    architectures: Sequence[A],
    predicted: Floats,
) -> Floats:
    """Return the hypervolume improvement of architectures if predictions were true, ``[E, n]``.

    Args:
        goals: The objectives, of which the evaluator's metric is the only measured one.
        labeled: Score of each labeled architecture in this metric.
        num_first: Number of labeled architectures of the first round, which come first.
        architectures: The architectures.
        predicted: Scores that E models predict for them, ``[E, n]``.
    """
    scores = goals.scores(list(labeled), list(labeled.values()), {})
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
