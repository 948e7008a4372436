"""The part of a space whose architectures are within limits of exact costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seminas.errors import UserError, config_error
from seminas.spaces.base import MOST_LISTED, EnumerableSpace, SearchSpace
from seminas.spaces.exact import ExactCosts, Limit, SumsCosts
from seminas.spaces.subset import Subset

MOST_BUILT = 20_000
"""Largest space, in architectures, whose networks are built to find those within the limits."""
_BLOCK = 50_000
"""Number of architectures whose costs are computed at once."""


def constrained(
    space: SearchSpace[Any], costs: ExactCosts[Any], limits: Mapping[str, Limit]
) -> SearchSpace[Any]:
    """Return the space of the architectures within all limits. Samples from it are uniform.

    Costs that are sums over a chain of choices become part of the chain's automaton. For other costs all architectures
    are listed.

    Args:
        space: Space of the candidates.
        costs: Exact costs of its architectures.
        limits: Limits by the names of the costs.

    Raises:
        UserError: A cost is not known, nothing is within the limits, or the space cannot be counted or listed.
    """
    for name, limit in limits.items():
        costs.require([name], limit.key.removesuffix(f".{name}"))
    if isinstance(space, SumsCosts):
        sums = {name: limit for name, limit in limits.items() if name in costs.summed}
        if sums:
            space = space.within(sums)
        limits = {name: limit for name, limit in limits.items() if name not in sums}
    return _listed(space, costs, limits) if limits else space


def _listed(space: SearchSpace[Any], costs: ExactCosts[Any], limits: Mapping[str, Limit]) -> SearchSpace[Any]:
    """Return the subset of the architectures within the limits."""
    names = list(limits)
    most = MOST_BUILT if set(names) & set(costs.built) else MOST_LISTED
    if not isinstance(space, EnumerableSpace) or space.size > most:
        reason = f"the {space.size:,} architectures of space={space.name} are too many to list"
        raise UserError(f"{limits[names[0]].key}: {reason}; at most {most:,} can be")
    values = np.concatenate([costs.uncached(part, names) for part in _parts(space)])
    at_most = np.array([limits[name].at_most for name in names])
    fits = (values <= at_most).all(axis=1)
    if not fits.any():
        raise _nothing_fits(values, list(limits.values()))
    if fits.all():
        return space
    members = np.flatnonzero(fits)
    if isinstance(space, Subset):
        return Subset(space.whole, space.members[members])
    return Subset(space, members)


def _parts(space: EnumerableSpace[Any]) -> list[Sequence[Any]]:
    return [space.at(np.arange(i, min(i + _BLOCK, space.size))) for i in range(0, space.size, _BLOCK)]


def _nothing_fits(values: NDArray[np.float64], limits: Sequence[Limit]) -> UserError:
    """Return the error for limits that no architecture satisfies. It names the tightest limit.

    Args:
        values: Costs of all architectures, ``[n, limits]``.
        limits: The limits, in the order of the columns.
    """
    numbers = [int((values[:, j] <= limit.at_most).sum()) for j, limit in enumerate(limits)]
    j = min(range(len(limits)), key=numbers.__getitem__)
    shown = f"{limits[j].at_most:g}"
    others = np.delete(values, j, axis=1) <= np.delete([limit.at_most for limit in limits], j)
    rest = values[others.all(axis=1), j]
    if numbers[j] == 0:
        return config_error(limits[j].key, shown, f"at least {values[:, j].min():,.10g}, the smallest value")
    if len(rest):
        return config_error(
            limits[j].key, shown, f"at least {rest.min():,.10g}, the smallest value within the other limits"
        )
    return config_error(limits[j].key, shown, "larger, or the other limits; nothing satisfies all of them")
