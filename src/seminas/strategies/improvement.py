"""Choice of architectures by their expected improvement under a Gaussian process (Jones et al., 1998)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Generic, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seminas.controller.gaussian_process import (
    Groups,
    expected_improvement,
    fit_gaussian_process,
    informative,
)
from seminas.controller.targets import clipped, rank_quantiles, standardised
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.feasibility import MAX_PENDING, Feasibility
from seminas.transfer.agreement import trust

STARTS = 3
"""Number of candidates of each source from which the expected improvement is climbed."""


class Views(NamedTuple):
    """Architectures as a process reads them.

    Attributes:
        groups: Groups of features, each ``[n, F]``.
        prior: Mean of the process without labels, ``[n]``.
        expected: Expectation of each other task, ``[n, S]``.
    """

    groups: Groups
    prior: NDArray[np.float64]
    expected: NDArray[np.float64]

    def trusting(self, weights: NDArray[np.float64]) -> "Views":
        """Return the views with the tasks' expectations, times their weights ``[S]``, in the prior mean."""
        if not len(weights):
            return self
        return self._replace(prior=self.prior + self.expected @ weights)

    def joined(self, other: "Views") -> "Views":
        """Return these architectures and others after them."""
        pairs = zip(self.groups, other.groups, strict=True)
        prior, expected = (np.concatenate(pair) for pair in zip(self[1:], other[1:], strict=True))
        return Views([np.concatenate(pair) for pair in pairs], prior, expected)

    def at(self, rows: NDArray[np.int64]) -> "Views":
        """Return the architectures in some rows."""
        return Views([group[rows] for group in self.groups], self.prior[rows], self.expected[rows])


def views_of(space: SearchSpace[A], architectures: Sequence[A]) -> Views:
    """Return architectures as a process reads them."""
    return Views(
        space.described_groups(architectures), space.prior(architectures), space.expected(architectures)
    )


def targets_of(space: SearchSpace[A], accuracies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the targets of a process for accuracies of architectures of a space, ``[n]`` (see ``Improvement``)."""
    if space.ordered_features is not None:
        return standardised(accuracies)
    return clipped(accuracies) if space.is_chain else rank_quantiles(accuracies)


class Improvement(Generic[A]):
    """Expected improvement over the best mean of a process that is fitted on the accuracies so far.

    If these are many, the process is fitted on a part of them (see ``informative``).

    The process believes that a pending architecture will get its predicted mean (the kriging believer of Ginsbourger
    et al., "Kriging Is Well-Suited to Parallelize Optimization", 2010). Its targets are clipped accuracies for chains
    of choices, standardised ones if positions are ordered, and quantiles of ranks for other spaces.

    With limits of measured metrics, the best mean is that of a feasible architecture, and the improvement is multiplied
    by the probability of feasibility (see ``Feasibility``).
    """

    def __init__(
        self,
        space: SearchSpace[A],
        labeled: Mapping[A, float],
        pending: Collection[A] = (),
        feasibility: Feasibility[A] | None = None,
    ) -> None:
        """Fit the process.

        Args:
            space: Space of the architectures.
            labeled: Accuracy of each labeled architecture, a fraction. At least two.
            pending: Architectures that are being evaluated.
            feasibility: Probability of feasibility. None without limits of measured metrics.
        """
        self._space, self._feasibility = space, feasibility
        architectures, accuracies = list(labeled), np.array(list(labeled.values()))
        kept = informative(accuracies)
        accuracies = accuracies[kept]
        self._num_labels = len(kept)
        self._targets = targets_of(space, accuracies)
        views = views_of(space, [architectures[i] for i in kept])
        self._trust = trust(views.expected, self._targets)
        self._views = views.trusting(self._trust)
        self._center = float(self._views.prior.mean())
        self._process = fit_gaussian_process(self._views.groups, self._residuals, space.ordered_features)
        self._best: float | None = None
        """Best mean of the architectures on which the process is conditioned. None until ``gain`` needs it."""
        if pending:
            self.believe(list(pending))

    def believe(self, architectures: Sequence[A]) -> None:
        """Condition the process on the means of architectures that will be evaluated.

        If these are more than ``MAX_PENDING`` in total, those with the highest means stay.
        """
        views = views_of(self._space, architectures).trusting(self._trust)
        means, _ = self._predict(views)
        targets = np.concatenate([self._targets, means])
        believed = np.argsort(-targets[self._num_labels :], kind="stable")[:MAX_PENDING]
        rows = np.concatenate([np.arange(self._num_labels), self._num_labels + np.sort(believed)])
        self._targets = targets[rows]
        self._views = self._views.joined(views).at(rows)
        self._process = self._process.conditioned(self._views.groups, self._residuals)
        self._best = None
        if self._feasibility is not None:
            self._feasibility.believe(architectures)

    @property
    def _residuals(self) -> NDArray[np.float64]:
        """Targets minus the centered prior mean, ``[n]``."""
        return self._targets - (self._views.prior - self._center)

    def _predict(self, views: Views) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean and the standard deviation of each architecture, ``[n]``."""
        mean, deviation = self._process.predict(views.groups)
        return mean + (views.prior - self._center), deviation

    def gain(self, views: Views, architectures: Sequence[A] = ()) -> NDArray[np.float64]:
        """Return the expected improvement of architectures, ``[n]``.

        Args:
            views: The architectures as the process reads them.
            architectures: The architectures. Only a gain that depends on exact costs needs them.
        """
        feasibility = self._feasibility
        probability = 1.0 if feasibility is None else feasibility.probability(views.groups)
        if feasibility is not None and not feasibility.feasible:
            return np.asarray(probability)
        if self._best is None:
            known = self._views
            if feasibility is not None:
                known = views_of(self._space, list(feasibility.feasible)).trusting(self._trust)
            self._best = float(self._predict(known)[0].max())
        return probability * expected_improvement(*self._predict(views.trusting(self._trust)), self._best)

    def best_of(self, candidates: Sequence[A], views: Views, known: Collection[A]) -> A | None:
        """Return the candidate with the highest gain that is not known, or None if all are known."""
        order = np.argsort(-self.gain(views, candidates), kind="stable")
        return next((candidates[i] for i in order if candidates[i] not in known), None)

    def climb(self, sources: Mapping[str, Sequence[A]], known: Collection[A]) -> tuple[A, str] | None:
        """Climb to local maxima of the gain from the best candidates of each source, by steepest ascent over neighbors.

        Args:
            sources: Candidates by the name of their source.
            known: Architectures that must not be chosen.

        Returns:
            The architecture with the highest gain, and the source from which the climb began. None if all candidates
            are known.
        """
        origins: list[str] = []
        places: list[A] = []
        gained = [np.empty(0)]
        for source, candidates in sources.items():
            starts = [a for a in candidates if a not in known]
            if starts:
                gains = self.gain(views_of(self._space, starts), starts)
                best = np.argsort(-gains, kind="stable")[:STARTS]
                origins += [source] * len(best)
                places += [starts[i] for i in best]
                gained.append(gains[best])
        if not places:
            return None
        values = np.concatenate(gained)
        moving = list(range(len(places)))
        while moving:
            near = [[a for a in self._space.neighbors(places[k]) if a not in known] for k in moving]
            flat = [a for part in near for a in part]
            gains = self.gain(views_of(self._space, flat), flat) if flat else np.empty(0)
            after, first = [], 0
            for k, part in zip(moving, near, strict=True):
                of_part = gains[first : first + len(part)]
                first += len(part)
                if len(part) and of_part.max() > values[k]:
                    i = int(of_part.argmax())
                    # Two climbs that meet go on as one.
                    if part[i] not in places:
                        after.append(k)
                    places[k], values[k] = part[i], of_part[i]
            moving = after
        k = int(values.argmax())
        return places[k], origins[k]
