"""The gain of plans with several objectives, and with limits of measured metrics."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from seminas.controller.fidelity_process import FidelityProcess
from seminas.controller.targets import LevelScale, level_scales
from seminas.spaces.base import A
from seminas.spaces.rungs import Rung
from seminas.strategies.base import Strategy
from seminas.strategies.feasibility import Feasibility
from seminas.strategies.goals import Goals
from seminas.strategies.hypervolume import Excess, exactly, expected_hypervolume_improvement, transformed
from seminas.strategies.improvement import Views
from seminas.strategies.modeled import ModeledMetric
from seminas.strategies.plan_improvement import Label, PlanImprovement, estimates_of
from seminas.strategies.plans import Gain, improvement_over

Floats = NDArray[np.float64]
LEAST_TARGET = -6.0
"""Target below which the scale of targets continues as a line. There, the logarithm has compressed 400 units to 6."""
KNOTS = np.append(np.linspace(LEAST_TARGET, 0.0, 19), 1.0)
"""Targets between which the scale of targets is nearly a line."""


class PlanGoals(PlanImprovement[A]):
    """Gain of plans whose full trainings may be on a front, or must keep to limits of measured metrics.

    With several objectives, the gain of a full training is its expected hypervolume improvement over the front of the
    full trainings (see ``FrontImprovement``). The process of all levels predicts the evaluator's metric. A process of
    its own predicts each further measured objective, from the values that are carried to the full level. Exact costs
    are known.

    With limits, the gain of a plan is multiplied by the probability of feasibility (see ``Feasibility``). An
    architecture that was measured has probability 1 or 0, by its metrics carried to the full level. As long as no known
    architecture is feasible, the probability alone counts, for the cost of the next level.
    """

    def __init__(
        self,
        labels: Sequence[Label],
        pending: Collection[Rung[A]],
        levels: Sequence[int],
        process: FidelityProcess,
        trained: Mapping[A, int],
        strategy: Strategy[A],
    ) -> None:
        """Condition the processes.

        Args:
            labels: Successful evaluations, two architectures at least.
            pending: Evaluations that have not ended.
            levels: Numbers of epochs, increasing. The last one is a full training.
            process: Process whose parameters are used.
            trained: Number of epochs that each architecture's training has reached, and that cost nothing.
            strategy: Strategy with the objectives, the limits, and the further metrics at the full level.
        """
        self._strategy, self._goals = strategy, strategy.goals
        super().__init__(strategy.space, labels, pending, levels, process, trained)
        self._estimates: dict[A, float] = estimates_of(labels, len(levels))
        self._feasibility = None
        begun = list(dict.fromkeys(r.architecture for r in pending if r.architecture not in self._estimates))
        if strategy.limits is not None:
            feasibility = Feasibility(strategy.space, self._estimates, strategy.limits, strategy.further)
            if begun:
                feasibility.believe(begun)
            self._feasibility = feasibility
        self._to_beat = self._incumbents(None if self._feasibility is None else self._feasibility.feasible)
        self._modeled: list[ModeledMetric] = []
        if self._goals is not None:
            self._prepare_front(self._goals, begun)

    def _merit(self, estimates: Mapping[A, float]) -> Floats:
        """Return a number for each architecture, which is higher for those on the front, ``[n]``."""
        place = {a: -i for i, a in enumerate(self._strategy.ranked(estimates))}
        return np.array([place[a] for a in estimates], dtype=np.float64)

    def _prepare_front(self, goals: Goals[A], begun: Sequence[A]) -> None:
        """Fit the processes of further objectives, and compute the front and the reference point.

        Args:
            goals: The objectives.
            begun: Architectures whose first evaluation is pending.
        """
        strategy, further = self._strategy, dict(self._strategy.further)
        known = [a for a in self._row_of if a in self._estimates]
        groups = strategy.space.described_groups(known)
        for metric in goals.objectives.further:
            scores = np.array([metric.score(further[a][metric.name]) for a in known])
            modeled = ModeledMetric.fitted(metric, groups, scores, strategy.space.ordered_features)
            self._modeled.append(modeled)
            expected = modeled.expected(strategy.space.described_groups(begun)) if begun else ()
            for architecture, score in zip(begun, expected, strict=True):
                values = further.get(architecture, {})
                further[architecture] = {**values, metric.name: metric.score(float(score))}
        first = [a for a in strategy.first_round if a in self._estimates]
        of_first = goals.scores(first, [self._estimates[a] for a in first], further)
        self._reference = goals.objectives.reference(of_first)
        targets = np.array(list(self._to_beat.values()))
        self._front = goals.scores(list(self._to_beat), self._of_full.values(targets), further)

    @property
    def _of_full(self) -> LevelScale:
        """Scale of the targets of full trainings. Before the first one, that of the estimates."""
        if self._scale is None:
            estimates = np.array(list(self._estimates.values()))
            (self._scale,) = level_scales(estimates, np.zeros(len(estimates), dtype=np.int64), 1)
            assert self._scale is not None
        return self._scale

    def plans(self, views: Views, architectures: Sequence[A]) -> tuple[Floats, NDArray[np.int64]]:
        """Return the ratio and the first level of the best plan of each architecture, ``[n]``."""
        if self._feasibility is None:
            return super().plans(views, architectures)
        probability = self._feasibility.probability(views.groups)
        for i, architecture in enumerate(architectures):
            if architecture in self._estimates:
                probability[i] = float(self._strategy.is_feasible(architecture))
        if self._to_beat:
            ratios, stops = super().plans(views, architectures)
            return probability * ratios, stops
        reached = np.array([self._reached.get(a, -1) for a in architectures], dtype=np.int64)
        stops = np.minimum(reached + 1, len(self._costs) - 1)
        paid = np.array([self._trained.get(a, 0) / self._levels[-1] for a in architectures])
        left = np.asarray(self._costs)[stops] - paid
        return probability / np.where(left > 0, left, np.inf), stops

    def _gain(self, views: Views, architectures: Sequence[A]) -> Gain:
        """Return the function of the expected gain of full trainings of architectures."""
        goals = self._goals
        if goals is None:
            return improvement_over(max(self._to_beat.values()))
        costs = dict(zip(goals.objectives.exact, goals.exact(architectures).T, strict=True))
        others = {name: _remembered(exactly(cost)) for name, cost in costs.items()}
        others |= {m.metric.name: _remembered(m.excess(views.groups)) for m in self._modeled}
        names, main = goals.objectives.names, goals.objectives.main.name
        # The main metric gives the heights of the front.
        order = sorted(range(len(names)), key=lambda i: names[i] != main)
        further = [others[names[i]] for i in order[1:]]
        values = self._of_full.values(KNOTS)
        front, reference = self._front[:, order], self._reference[order]

        def gain(mean: Floats, deviation: Floats) -> Floats:
            columns = zip(mean.reshape(len(mean), -1).T, deviation.reshape(len(mean), -1).T, strict=True)
            gains = [
                expected_hypervolume_improvement(
                    [transformed(m, d, KNOTS, values), *further], front, reference
                )
                for m, d in columns
            ]
            return np.stack(gains, axis=1).reshape(mean.shape)

        return gain


def _remembered(excess: Excess) -> Excess:
    """Return an excess that computes the values of each array of levels once."""
    known: dict[bytes, Floats] = {}

    def of(levels: Floats) -> Floats:
        key = levels.tobytes()
        if key not in known:
            known[key] = excess(levels)
        return known[key].copy()  # The caller changes it in place.

    return of
