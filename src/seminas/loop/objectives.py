"""Several objectives in the loop of a search: complete evaluations, and the front for the screen and the result."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seminas.config.search import SearchSettings
from seminas.errors import UserError, config_error
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation
from seminas.runs.archive import Archive
from seminas.runs.metric import Metric
from seminas.runs.objectives import KEY, front_of, hypervolume, nondominated, read_objectives
from seminas.runs.records import Record
from seminas.runs.results import FrontMember, FrontResult
from seminas.spaces.base import A, SearchSpace
from seminas.spaces.exact import ExactCosts
from seminas.strategies.goals import Goals


def read_goals(
    settings: SearchSettings, space: SearchSpace[Any], evaluator: Evaluator[Any]
) -> Goals[Any] | None:
    """Return the objectives of a search, or None for a search for the evaluator's metric alone.

    Raises:
        UserError: An objective or the reference point is not valid.
    """
    if settings.objectives is None and not settings.reference:
        return None  # The exact costs of trained networks depend on the images, which take time to load.
    goals = make_goals(
        settings.objectives,
        settings.reference,
        space,
        evaluator.metric,
        evaluator.metrics,
        evaluator.exact_costs(space),
    )
    if goals is not None and evaluator.revises and len(goals.objectives.measured) > 1:
        allowed = f"{evaluator.metric.name} and exact costs, with an evaluator that measures again"
        raise config_error(KEY, settings.objectives, allowed)
    return goals


def make_goals(
    names: Sequence[str] | None,
    reference: Mapping[str, float],
    space: SearchSpace[A],
    metric: Metric,
    further: Sequence[Metric],
    costs: ExactCosts[A],
    key: str = KEY,
) -> Goals[A] | None:
    """Return the objectives of a search or a study, or None for one objective, see ``read_objectives``.

    Raises:
        UserError: An objective or the reference point is not valid.
    """
    objectives = read_objectives(names, reference, metric, further, costs.names, key)
    return None if objectives is None else Goals(objectives, costs, space)


def all_metrics(further: Sequence[Metric], goals: Goals[Any] | None) -> list[Metric]:
    """Return the further metrics of evaluations and the exact costs that are objectives."""
    if goals is None:
        return list(further)
    objectives = goals.objectives
    return [*further, *(metric for metric in objectives.metrics if metric.name in objectives.exact)]


def completed(evaluation: Evaluation, goals: Goals[Any], architecture: Any) -> Evaluation:
    """Return an evaluation with the exact costs among its metrics. It has failed if it lacks an objective."""
    if evaluation.error is not None:
        return evaluation
    error = goals.objectives.missing(evaluation.metrics)
    if error is not None:
        return replace(evaluation, value=None, error=error, metrics={}, lacks_metric=True)
    return replace(evaluation, metrics={**evaluation.metrics, **goals.cost_values(architecture)})


def completed_imports(records: Sequence[Record], goals: Goals[Any], space: SearchSpace[Any]) -> list[Record]:
    """Return imported evaluations with the exact costs among their metrics.

    Raises:
        UserError: One of them lacks a measured objective.
    """
    for record in records:
        error = goals.objectives.missing(record.metrics)
        if error is not None:
            raise UserError(f"{record.source}: {record.key}: {error}")
    return [
        replace(r, metrics={**r.metrics, **goals.cost_values(space.from_json(r.architecture))})
        for r in records
    ]


class FrontSoFar:
    """The front of a search that goes on. It keeps the scores of the front only."""

    def __init__(self, archive: Archive) -> None:
        """Begin with no evaluation of an archive that has objectives."""
        assert archive.objectives is not None
        self._archive, self._objectives = archive, archive.objectives
        self._scores = np.empty((0, len(self._objectives.metrics)))

    def renew(self) -> None:
        """Begin again with all evaluations of the archive, after the evaluator has measured them again."""
        self._scores = self._scores[:0]
        self.add([*self._archive.imported, *self._archive.records])

    def add(self, records: Sequence[Record]) -> None:
        """Add evaluations."""
        _, scores = front_of(self._objectives, records)
        both = np.concatenate([self._scores, scores])
        self._scores = both[nondominated(both)]

    @property
    def size(self) -> int:
        """Number of evaluations on the front."""
        return len(self._scores)

    @property
    def hypervolume(self) -> float:
        """Hypervolume above the reference point of the evaluations so far."""
        return hypervolume(self._scores, self._archive.reference_scores())

    @property
    def text(self) -> str:
        """The hypervolume and the size of the front for the screen."""
        return f"hypervolume {self.hypervolume:.4g}, front of {self.size}"


def front_result(archive: Archive, space: SearchSpace[Any], evaluator: Evaluator[Any]) -> FrontResult | None:
    """Return the front of a finished search, with test values if a look-up costs nothing. None without objectives."""
    objectives = archive.objectives
    if objectives is None:
        return None
    records, scores = front_of(objectives, [*archive.imported, *archive.records])
    tests = evaluator.look_up_tests([space.from_json(record.architecture) for record in records])
    metric, reference = archive.metric, archive.reference_scores()
    members = []
    for i, record in enumerate(records):
        values = objectives.values(record) or []
        test = None if tests is None else metric.checked(tests[i])
        members.append(
            FrontMember(
                index=record.index,
                architecture=record.architecture,
                key=record.key,
                values=dict(zip(objectives.names, values, strict=True)),
                test_values={} if test is None else {metric.test_name: test},
            )
        )
    return FrontResult(
        objectives=list(objectives.metrics),
        pareto=members,
        hypervolume=hypervolume(scores, reference),
        reference=dict(zip(objectives.names, (reference * objectives.signs).tolist(), strict=True)),
    )
