"""Expected improvement for its cost, from accuracies after different numbers of epochs."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seminas.controller.fidelity_process import (
    FidelityProcess,
    Observations,
    fit_fidelity_process,
)
from seminas.controller.gaussian_process import fit_gaussian_process, informative
from seminas.controller.targets import LevelScale, level_scales
from seminas.spaces.base import A, SearchSpace
from seminas.spaces.rungs import Rung
from seminas.strategies.feasibility import MAX_PENDING
from seminas.strategies.improvement import Improvement, Views, targets_of, views_of
from seminas.strategies.levels import at_full_fidelity
from seminas.strategies.plans import Gain, best_plans, improvement_over
from seminas.transfer.agreement import trust

MAX_KNOWN = 300
"""Number of architectures with evaluations that the process reads. Its time is cubic in the evaluations."""
MAX_FOR_PARAMETERS = 120
"""Number of architectures from which its parameters are fitted."""
GROWTH = 1.1
"""Ratio of the numbers of evaluations after which the parameters are fitted again."""


class Plan(NamedTuple):
    """The first evaluation of a plan, and the plan's gain for its cost."""

    rung: Rung[Any]
    ratio: float


class Label(NamedTuple):
    """A successful evaluation: an architecture, its level, and its score."""

    architecture: Any
    level: int
    score: float


class PlanImprovement(Improvement[A]):
    """Gain of the best plan of each architecture for its cost (see ``best_plans``).

    A pending evaluation counts as if it had given the predicted mean (the kriging believer, as in ``Improvement``).
    """

    def __init__(
        self,
        space: SearchSpace[A],
        labels: Sequence[Label],
        pending: Collection[Rung[A]],
        levels: Sequence[int],
        process: FidelityProcess | None = None,
        trained: Mapping[A, int] | None = None,
    ) -> None:
        """Condition the process.

        Args:
            space: Space of the architectures.
            labels: Successful evaluations, two architectures at least.
            pending: Evaluations that have not ended.
            levels: Numbers of epochs, increasing. The last one is a full training.
            process: Process whose parameters are used. None means to fit them.
            trained: Number of epochs that each architecture's training has reached, and that cost nothing. None means
                those of the highest level with an evaluation.
        """
        self._space, self._levels = space, levels
        self._best: float | None = None
        self._costs = [epochs / levels[-1] for epochs in levels]
        estimates = estimates_of(labels, len(levels))
        most = MAX_FOR_PARAMETERS if process is None else MAX_KNOWN
        architectures = list(estimates)
        kept = [architectures[i] for i in informative(self._merit(estimates), most)]
        self._row_of: dict[A, int] = {a: i for i, a in enumerate(kept)}
        seen = [label for label in labels if label.architecture in self._row_of]
        self._views = views_of(space, kept)
        of_estimates = targets_of(space, np.array([estimates[a] for a in kept]))
        self._trust = trust(self._views.expected, of_estimates)
        self._views = self._views.trusting(self._trust)
        self._center = float(self._views.prior.mean())
        rows = np.array([self._row_of[label.architecture] for label in seen])
        of_level = np.array([label.level for label in seen])
        scores = np.array([label.score for label in seen])
        scales = level_scales(scores, of_level, len(levels))
        targets = np.zeros(len(scores))
        for level, scale in enumerate(scales):
            if scale is not None:
                targets[of_level == level] = scale.targets(scores[of_level == level])
        self._scale: LevelScale | None = scales[-1]
        """Scale of the targets of full trainings. None without one."""
        residuals = targets - (self._views.prior[rows] - self._center)
        self._reached: dict[A, int] = {}
        """Highest level with an evaluation of each labeled architecture."""
        for label in labels:
            self._reached[label.architecture] = max(label.level, self._reached.get(label.architecture, -1))
        of_reached = {a: levels[level] for a, level in self._reached.items()}
        self._trained = of_reached if trained is None else trained
        observations = Observations(rows, of_level, residuals)
        if process is None:
            plain = fit_gaussian_process(self._views.groups, of_estimates, space.ordered_features)
            self.process = fit_fidelity_process(plain, self._views.groups, observations, len(levels))
        else:
            self.process = process.conditioned(self._views.groups, observations)
        self._full: dict[A, float] = {}
        """Target of each full training that has ended, and the mean target of each pending one."""
        self._note_full([label.architecture for label in seen], of_level, targets)
        if pending:
            self._believe(list(pending)[-MAX_PENDING:])

    def _merit(self, estimates: Mapping[A, float]) -> NDArray[np.float64]:
        """Return a number for each architecture, which is higher for those that the process must know, ``[n]``."""
        return np.array(list(estimates.values()))

    def _note_full(
        self, architectures: Sequence[A], levels: NDArray[np.int64], targets: NDArray[np.float64]
    ) -> None:
        """Keep the targets of full trainings among evaluations at levels, both ``[m]``."""
        for i in np.flatnonzero(levels == len(self._levels) - 1).tolist():
            self._full[architectures[i]] = float(targets[i])

    def _believe(self, rungs: Sequence[Rung[A]]) -> None:
        """Condition the process on the means of pending evaluations."""
        architectures = list(dict.fromkeys(rung.architecture for rung in rungs))
        new = [a for a in architectures if a not in self._row_of]
        means, _ = self._mean_and_covariance(
            views_of(self._space, architectures).trusting(self._trust), architectures
        )
        if new:
            self._views = self._views.joined(views_of(self._space, new).trusting(self._trust))
            self._row_of |= {a: len(self._row_of) + i for i, a in enumerate(new)}
        rows = np.array([self._row_of[rung.architecture] for rung in rungs])
        of_level = np.array([self._levels.index(rung.epochs) for rung in rungs])
        place = {a: i for i, a in enumerate(architectures)}
        believed = means[[place[rung.architecture] for rung in rungs], of_level]
        seen = self.process.observations
        residuals = believed - (self._views.prior[rows] - self._center)
        observations = Observations(
            np.concatenate([seen.rows, rows]),
            np.concatenate([seen.levels, of_level]),
            np.concatenate([seen.targets, residuals]),
        )
        self.process = self.process.conditioned(self._views.groups, observations)
        self._note_full([rung.architecture for rung in rungs], of_level, believed)

    def _incumbents(self, allowed: Collection[A] | None = None) -> dict[A, float]:
        """Return the targets of the architectures on which a plan must improve.

        These are those with full trainings. If no full training has begun, they are all known architectures, with their
        mean targets.

        Args:
            allowed: Architectures that may be the result. None means all.
        """
        known = [a for a in self._row_of if allowed is None or a in allowed]
        full = {a: self._full[a] for a in known if a in self._full}
        if full or not known:
            return full
        views = self._views.at(np.array([self._row_of[a] for a in known]))
        mean, _ = self._mean_and_covariance(views, known)
        return dict(zip(known, mean[:, -1].tolist(), strict=True))

    def _mean_and_covariance(
        self, views: Views, architectures: Sequence[A]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean ``[n, L]`` and covariance ``[n, L, L]`` of the targets of architectures."""
        rows = np.array([self._row_of.get(a, -1) for a in architectures], dtype=np.int64)
        mean, covariance = self.process.predict(views.groups, rows)
        return mean + (views.prior - self._center)[:, None], covariance

    def plans(
        self, views: Views, architectures: Sequence[A]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the ratio and the first level of the best plan of each architecture, ``[n]`` (see ``best_plans``)."""
        mean, covariance = self._mean_and_covariance(views.trusting(self._trust), architectures)
        reached = np.array([self._reached.get(a, -1) for a in architectures], dtype=np.int64)
        paid = np.array([self._trained.get(a, 0) / self._levels[-1] for a in architectures])
        return best_plans(mean, covariance, reached, self._gain(views, architectures), self._costs, paid)

    def _gain(self, views: Views, architectures: Sequence[A]) -> Gain:
        """Return the function of the expected gain of full trainings of architectures."""
        if self._best is None:
            self._best = max(self._incumbents().values())
        return improvement_over(self._best)

    def gain(self, views: Views, architectures: Sequence[A] = ()) -> NDArray[np.float64]:
        """Return the gain of the best plan of each architecture for its cost, ``[n]``."""
        return self.plans(views, architectures)[0]

    def best_plan(self, architectures: Sequence[A]) -> Plan | None:
        """Return the best plan of all architectures, or None without architectures."""
        if not architectures:
            return None
        ratios, stops = self.plans(views_of(self._space, architectures), architectures)
        i = int(ratios.argmax())
        trained = self._trained.get(architectures[i], 0)
        return Plan(Rung(architectures[i], self._levels[int(stops[i])], trained), float(ratios[i]))


def estimates_of(labels: Sequence[Label], num_levels: int) -> dict[A, float]:
    """Return the estimated score of each labeled architecture after a full training (see ``at_full_fidelity``)."""
    scores: list[dict[A, float | None]] = [{} for _ in range(num_levels)]
    for label in labels:
        scores[label.level][label.architecture] = label.score
    return {a: score for a, score in at_full_fidelity(scores).items() if score is not None}


def fitted_numbers(number: int, first: int) -> int:
    """Return the largest number up to ``number`` of evaluations after which parameters are fitted."""
    fitted = first
    while (after := max(fitted + 1, int(fitted * GROWTH))) <= number:
        fitted = after
    return fitted


def unfinished(
    labels: Sequence[Label], scores: Sequence[Mapping[A, float | None]], pending: Collection[Rung[A]]
) -> list[A]:
    """Return the labeled architectures without a full training, of which no evaluation is pending or has failed."""
    busy = {rung.architecture for rung in pending}
    busy |= {a for of_level in scores for a, score in of_level.items() if score is None}
    busy |= set(scores[-1])
    return [a for a in dict.fromkeys(label.architecture for label in labels) if a not in busy]
