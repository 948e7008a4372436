"""Constraints of a search, ``search.constraints``: limits of exact costs, and limits of measured metrics."""

from collections.abc import Mapping

from seminas.errors import UserError
from seminas.evaluators.base import Evaluator
from seminas.spaces.base import A, SearchSpace
from seminas.spaces.constrained import constrained
from seminas.spaces.exact import COSTS, Limit

KEY = "search.constraints"


def within_constraints(
    space: SearchSpace[A], evaluator: Evaluator[A], constraints: Mapping[str, float]
) -> SearchSpace[A]:
    """Return the candidates of a search: the architectures within the limits of exact costs.

    Args:
        space: Space of the architectures that the evaluator can measure.
        evaluator: Evaluator, whose networks have the costs.
        constraints: Section ``search.constraints``.

    Raises:
        UserError: A constraint is no exact cost or cannot be stated, or nothing is within the limits.
    """
    for name in constraints:
        if name not in COSTS:
            raise UserError(f"{KEY}.{name}: is no exact cost, must be one of {', '.join(COSTS)}")
    limits = {name: Limit(most, f"{KEY}.{name}") for name, most in constraints.items()}
    return constrained(space, evaluator.exact_costs(space), limits) if limits else space
