"""Rules of a sequence space, as a user declares them: forbidden combinations, conditions, and limits of costs."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import inf, lcm
from typing import Any

from seminas.errors import UserError, config_error
from seminas.spaces.positions import Position, is_list, is_number
from seminas.spaces.ruled_chain import RuledChain, Rules
from seminas.spaces.sums import Sum

_LARGEST = 2**60
"""Largest total cost in units of the last decimal of the costs, so that 64-bit integers can hold a sum."""
_BOUNDS = ("at_least", "at_most")


def selected(position: Position, selection: object, key: str) -> frozenset[int]:
    """Return the indices of the values that a selection names.

    Args:
        position: Position of the values.
        selection: A value, a list of values, or ``{at_least: …, at_most: …}`` for an ordered position with numbers.
        key: Dotted key of the selection, for errors.

    Raises:
        UserError: A value is unknown, or nothing is selected.
    """
    if isinstance(selection, Mapping):
        return _between(position, selection, key)
    values = selection if is_list(selection) else [selection]
    indices = []
    for value in values:
        index = position.index(value)
        if index is None:
            raise config_error(key, value, position.allowed())
        indices.append(index)
    if not indices or len(set(indices)) < len(indices):
        raise config_error(key, selection, "one or more distinct values")
    return frozenset(indices)


def _between(position: Position, bounds: Mapping[str, Any], key: str) -> frozenset[int]:
    if not position.ordered or not all(map(is_number, position.values)):
        raise config_error(key, dict(bounds), f"{position.allowed()}; bounds need ordered numbers")
    if not bounds or not set(bounds) <= set(_BOUNDS) or not all(map(is_number, bounds.values())):
        raise config_error(key, dict(bounds), "at_least, at_most or both, each a number")
    low, high = (bounds.get(name, default) for name, default in zip(_BOUNDS, (-inf, inf), strict=True))
    inside = frozenset(i for i, v in enumerate(position.values) if low <= v <= high)
    if not inside:
        raise config_error(key, dict(bounds), f"bounds around {position.allowed()}")
    return inside


def read_rules(
    positions: Sequence[Position], forbidden: object, constraints: object, key: str = "space.positions"
) -> Rules:
    """Return the rules of a space.

    Args:
        positions: Positions, some with a condition.
        forbidden: Forbidden combinations, a list. Each is a mapping from some positions to values (see ``selected``).
        constraints: Limits of costs, a list or None. Each is ``{sum: {position: costs}, at_most: limit}``. The costs
            are a mapping from all values of the position to numbers, or one number, a factor of the values. A position
            that does not count costs 0.
        key: Dotted key of the positions, for errors.

    Raises:
        UserError: A rule is not valid.
    """
    conditions = {p: _condition(positions, p, key) for p, q in enumerate(positions) if q.when is not None}
    if not is_list(forbidden) or not all(isinstance(c, Mapping) for c in forbidden):
        raise config_error("space.forbidden", forbidden, "a list of mappings from positions to choices")
    combinations = [_combination(positions, c) for c in forbidden]
    constraints = [] if constraints is None else constraints
    if not is_list(constraints) or not all(isinstance(c, Mapping) for c in constraints):
        raise config_error("space.constraints", constraints, "a list of mappings with sum and at_most")
    sums = [_sum(positions, c, f"space.constraints[{i}]") for i, c in enumerate(constraints)]
    return Rules(combinations, conditions, sums)


def _condition(positions: Sequence[Position], of: int, key: str) -> dict[int, frozenset[int]]:
    """Return the condition of a position: values of earlier positions."""
    when, key = positions[of].when, f"{key}.{positions[of].name}.when"
    earlier = {position.name: p for p, position in enumerate(positions[:of])}
    if not earlier:
        raise config_error(key, when, "left out at the first position")
    if not isinstance(when, Mapping) or not when:
        raise config_error(key, when, "a mapping from earlier positions to values")
    for name in when:
        if str(name) not in earlier:
            raise config_error(key, name, f"one of the earlier positions {', '.join(earlier)}")
    return {
        earlier[str(name)]: selected(positions[earlier[str(name)]], selection, f"{key}.{name}")
        for name, selection in when.items()
    }


def _combination(positions: Sequence[Position], combination: Mapping[str, Any]) -> dict[int, frozenset[int]]:
    named = {position.name: p for p, position in enumerate(positions)}
    choices = {}
    for name, selection in combination.items():
        if str(name) not in named:
            raise config_error("space.forbidden", name, f"one of the positions {', '.join(named)}")
        p = named[str(name)]
        choices[p] = selected(positions[p], selection, f"space.forbidden.{name}")
    if not choices:
        raise config_error("space.forbidden", dict(combination), "choices by position, at least one")
    return choices


def _sum(positions: Sequence[Position], declared: Mapping[str, Any], key: str) -> Sum:
    """Return a sum of whole costs. The unit is the smallest decimal that all costs and the limit need."""
    for unknown in sorted(set(map(str, declared)) - {"sum", "at_most"}):
        raise UserError(f"{key}.{unknown}: is unknown, a constraint takes sum and at_most")
    of, limit = declared.get("sum"), declared.get("at_most")
    if not isinstance(of, Mapping) or not of:
        raise config_error(f"{key}.sum", of, "a mapping from positions to costs")
    if not is_number(limit):
        raise config_error(f"{key}.at_most", limit, "a number")
    names = [position.name for position in positions]
    for name in of:
        if str(name) not in names:
            raise config_error(f"{key}.sum", name, f"one of the positions {', '.join(names)}")
    costs_of = {str(name): costs for name, costs in of.items()}
    costs = [
        _costs(position, costs_of[position.name], f"{key}.sum.{position.name}")
        if position.name in costs_of
        else [Fraction(0)] * len(position.values)
        for position in positions
    ]
    costs = [c if p.when is None else [*c, Fraction(0)] for p, c in zip(positions, costs, strict=True)]
    most = Fraction(str(limit))
    unit = lcm(most.denominator, *(c.denominator for row in costs for c in row))
    if sum(max(map(abs, row)) for row in costs) * unit > _LARGEST or abs(most) * unit > _LARGEST:
        raise config_error(f"{key}.sum", "these costs", "numbers with fewer digits")
    return Sum([[int(c * unit) for c in row] for row in costs], int(most * unit), unit, f"{key}.sum")


def _costs(position: Position, declared: object, key: str) -> list[Fraction]:
    """Return the cost of each value of a position."""
    if is_number(declared):
        if not all(map(is_number, position.values)):
            raise config_error(key, declared, f"a cost for each of {', '.join(position.names)}")
        return [Fraction(str(declared)) * Fraction(str(value)) for value in position.values]
    if not isinstance(declared, Mapping):
        raise config_error(key, declared, "a mapping from values to costs, or a factor of the values")
    costs: dict[int, Fraction] = {}
    for value, cost in declared.items():
        index = position.index(value)
        if index is None:
            raise config_error(key, value, position.allowed())
        if not is_number(cost):
            raise config_error(f"{key}.{value}", cost, "a number")
        costs[index] = Fraction(str(cost))
    for i, name in enumerate(position.names):
        if i not in costs:
            raise config_error(key, dict(declared), f"a cost for each value; {name} has none")
    return [costs[i] for i in range(len(position.names))]


def nothing_left(
    num_choices: Sequence[int], rules: Rules, constraints: Sequence[Mapping[str, Any]]
) -> UserError:
    """Return the error for rules that no sequence obeys. It names the tightest constraint.

    That is the first constraint that nothing satisfies, or the one whose limit is the smallest part of the range of its
    sum.
    """
    before = RuledChain(num_choices, Rules(rules.forbidden, rules.conditions))
    if not before.size or not rules.sums:
        return UserError("space.forbidden: nothing is left of the space; forbid less")
    ranges = [before.range_of(constraint.costs) for constraint in rules.sums]
    parts = [
        (constraint.at_most - low) / max(high - low, 1)
        for constraint, (low, high) in zip(rules.sums, ranges, strict=True)
    ]
    tightest = min(range(len(parts)), key=parts.__getitem__)
    limit = constraints[tightest]["at_most"]
    key = f"space.constraints[{tightest}].at_most"
    if parts[tightest] < 0:
        least = ranges[tightest][0] / rules.sums[tightest].unit
        return config_error(key, limit, f"at least {least:g}, the smallest sum")
    return config_error(key, limit, "larger, or the other constraints looser; nothing satisfies all of them")
