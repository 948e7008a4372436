"""Constraints of a search, ``search.constraints``: limits of exact costs, and limits of measured metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from seminas.errors import UserError, config_error
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation
from seminas.runs.constraints import KEY, MeasuredLimit, MeasuredLimits
from seminas.runs.records import Record
from seminas.spaces.base import A, SearchSpace
from seminas.spaces.constrained import constrained
from seminas.spaces.exact import COSTS, Limit


def within_constraints(
    space: SearchSpace[A], evaluator: Evaluator[A], constraints: Mapping[str, float]
) -> tuple[SearchSpace[A], MeasuredLimits | None]:
    """Return the candidates of a search, and the limits that only evaluations can show.

    The candidates are the architectures within the limits of exact costs. A constraint of another name is a limit of a
    metric that the evaluator declares. A cost that the space states comes before a metric of the same name.

    Args:
        space: Space of the architectures that the evaluator can measure.
        evaluator: Evaluator, whose networks have the costs.
        constraints: Section ``search.constraints``.

    Raises:
        UserError: A constraint is neither an exact cost nor a metric, or nothing is within the limits of exact costs.
    """
    metrics = {metric.name: metric for metric in evaluator.metrics}
    # The exact costs of trained networks depend on the images, which take time to load.
    costs = evaluator.exact_costs(space) if any(name in COSTS for name in constraints) else None
    exact: dict[str, Limit] = {}
    measured: list[MeasuredLimit] = []
    for name, bound in constraints.items():
        key = f"{KEY}.{name}"
        if name in COSTS and (name not in metrics or (costs is not None and name in costs.names)):
            if bound < 0:
                raise config_error(key, f"{bound:g}", "a finite number of at least 0")
            exact[name] = Limit(bound, key)
        elif name not in metrics:
            allowed = ", ".join(dict.fromkeys([*COSTS, *metrics]))
            reason = (
                "is the metric that the search optimizes"
                if name == evaluator.metric.name
                else "is no exact cost"
            )
            raise UserError(f"{key}: {reason}, must be one of {allowed}")
        elif metrics[name].checked(bound) is None:
            raise config_error(key, f"{bound:g}", metrics[name].allowed)
        elif evaluator.revises:
            raise config_error(key, f"{bound:g}", "an exact cost with an evaluator that measures again")
        else:
            measured.append(MeasuredLimit(metrics[name], bound))
    if exact and costs is not None:
        space = constrained(space, costs, exact)
    return space, MeasuredLimits(measured) if measured else None


def with_limited(evaluation: Evaluation, limits: MeasuredLimits) -> Evaluation:
    """Return an evaluation, which has failed if it lacks a limited metric."""
    error = None if evaluation.error is not None else limits.missing(evaluation.metrics)
    if error is None:
        return evaluation
    return replace(evaluation, value=None, error=error, metrics={}, lacks_metric=True)


def limited_imports(records: Sequence[Record], limits: MeasuredLimits) -> list[Record]:
    """Return imported evaluations that say whether they are within the limits.

    Raises:
        UserError: One of them lacks a limited metric.
    """
    for record in records:
        error = limits.missing(record.metrics)
        if error is not None:
            raise UserError(f"{record.source}: {record.key}: {error}")
    return [replace(record, feasible=limits.allow(record.metrics)) for record in records]
