"""What a strategy pursues beside one metric: several objectives, and limits of measured metrics."""

from collections.abc import Mapping, Sequence
from typing import Generic

import numpy as np

from seminas.errors import UserError
from seminas.runs.constraints import MeasuredLimits
from seminas.spaces.base import A
from seminas.strategies.goals import Goals, best_first


class Pursuit(Generic[A]):
    """The part of a strategy that knows objectives and limits, and the order of architectures by them.

    Attributes:
        goals: Several objectives, see ``pursue``. None in a search for one metric.
        limits: Limits of measured metrics, see ``respect``. None without such limits.
        further: Values of further metrics of each architecture that arrived, by name. Empty without goals and limits.
    """

    takes_objectives = False
    """Whether the strategy can pursue several objectives."""
    takes_limits = False
    """Whether the strategy can respect limits of measured metrics."""

    def __init__(self) -> None:
        self.goals: Goals[A] | None = None
        self.limits: MeasuredLimits | None = None
        self.further: dict[A, Mapping[str, float]] = {}

    def pursue(self, goals: Goals[A]) -> None:
        """Prepare for several objectives, before all other methods.

        Accuracies are then scores of the evaluator's metric, which is one of the objectives. ``further`` has the other
        measured ones, and ``goals`` computes the exact costs.

        Raises:
            UserError: The strategy takes one objective.
        """
        if not self.takes_objectives:
            takes = "random, evolution, gaussian_process, seminas, seminas_evolution and nao take several"
            raise UserError(
                f"{goals.objectives}: strategy {type(self).__name__} takes one objective; {takes}"
            )
        self.goals = goals

    def respect(self, limits: MeasuredLimits) -> None:
        """Prepare for limits of measured metrics, before all other methods except ``pursue``.

        Raises:
            UserError: The strategy takes no such limits.
        """
        if not self.takes_limits:
            takes = "random, evolution, local_search, gaussian_process and seminas take such limits"
            raise UserError(
                f"{limits.setting}: strategy {type(self).__name__} takes no limit of a measured metric; {takes}"
            )
        self.limits = limits

    def receive_further(self, architectures: Sequence[A], metrics: Sequence[Mapping[str, float]]) -> None:
        """Receive values of further metrics by name, before ``tell`` receives the accuracies."""
        if self.goals is not None or self.limits is not None:
            self.further.update(zip(architectures, metrics, strict=True))

    def is_feasible(self, architecture: A) -> bool:
        """Return whether an architecture that has arrived is within the limits of measured metrics."""
        return self.limits is None or self.limits.allow(self.further[architecture])

    def standing(self, architecture: A, score: float) -> tuple[float, float]:
        """Return the place of an evaluated architecture by constrained dominance. A larger tuple is better.

        A feasible architecture is better than any other one, and two of them compare by their scores. Two infeasible
        ones compare by their violations (Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II",
        IEEE Transactions on Evolutionary Computation, 2002, section VI).
        """
        violation = 0.0 if self.limits is None else self.limits.violation(self.further[architecture])
        return -violation, score

    def ranked(self, labeled: Mapping[A, float]) -> list[A]:
        """Return evaluated architectures, best first.

        With several objectives, their order is by dominance and crowding distance. Those beyond limits come last.

        Args:
            labeled: Score of each architecture in the evaluator's metric.
        """
        if self.goals is None:
            return sorted(labeled, key=lambda a: self.standing(a, labeled[a]), reverse=True)
        feasible = {a: score for a, score in labeled.items() if self.is_feasible(a)}
        evaluated = list(feasible)
        rows: Sequence[int] = (
            best_first(self.goals.scores(evaluated, np.array(list(feasible.values())), self.further)).tolist()
            if evaluated
            else ()
        )
        beyond = {a: score for a, score in labeled.items() if a not in feasible}
        others = sorted(beyond, key=lambda a: self.standing(a, beyond[a]), reverse=True)
        return [*(evaluated[i] for i in rows), *others]
