"""Limits of costs that are sums over a chain of choices. The automaton of the chain then keeps to them."""

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Self

from seminas.errors import UserError, config_error
from seminas.spaces.budget_chain import FINE, budget_chain
from seminas.spaces.chain import Chain
from seminas.spaces.exact import CostSum, Limit
from seminas.spaces.ruled_chain import RuledChain, Rules
from seminas.spaces.sums import Sum
from seminas.storage.values import Json

RULED_STEPS = FINE // 10
"""Number of steps into which a limit is divided if its sum takes more values, in an automaton with other rules."""


class LimitedChain:
    """A chain of choices whose automaton keeps to limits of costs. ``SequenceSpace`` derives from it.

    Attributes:
        name: Name of the space.
        num_choices: Number of choices at each position.
    """

    name: str

    num_choices: list[int]
    _chain: Chain
    _rules: Rules
    _definition: list[Json]
    _costs: Mapping[str, CostSum] = {}
    _limits: Mapping[str, Limit] = {}

    @property
    def size(self) -> int:
        """Number of distinct architectures that obey all rules."""
        return self._chain.size

    def fingerprint(self) -> str:
        """Return the SHA-256 digest of the definition of the space."""
        return hashlib.sha256(json.dumps(self._definition).encode()).hexdigest()

    def _need_numbers(self) -> None:
        if not self._chain.numbered:
            raise UserError(f"space={self.name}: {self.size} architectures are too many for a table")

    def cost_sums(self) -> Mapping[str, CostSum]:
        """Return the costs that the space can state, by name."""
        return self._costs

    def within(self, limits: Mapping[str, Limit]) -> Self:
        """Return the space of the architectures within further limits. It is counted, and its samples are uniform.

        Args:
            limits: Limits of costs in ``cost_sums``, by name.

        Raises:
            UserError: Nothing is within the limits, or they take too many values to count.
        """
        smaller = copy.copy(self)
        smaller.__dict__.pop("_listed", None)  # The list of all architectures, where the space had made one.
        smaller._definition = list(self._definition)
        tighter = {
            n: limit for n, limit in limits.items() if n not in self._limits or limit < self._limits[n]
        }
        smaller._limits = {**self._limits, **tighter}
        smaller._limit(tighter)
        return smaller

    def _limit(self, new: Mapping[str, Limit]) -> None:
        """Replace the automaton by one that keeps to all limits, and put new limits into the definition.

        Raises:
            UserError: Nothing is within the limits, or they take too many values to count.
        """
        if not self._limits:
            return
        sums = {name: limited(self._costs[name], limit) for name, limit in self._limits.items()}
        is_ruled = bool(self._rules.forbidden or self._rules.conditions)
        self._refuse_tight(sums, is_ruled)
        self._definition += [self._limit_definition(name, sums[name]) for name in new]
        if is_ruled:
            rounded = [_rounded(s) for s in sums.values()]
            self._chain = RuledChain(
                self.num_choices, replace(self._rules, sums=[*self._rules.sums, *rounded])
            )
        else:
            self._chain = budget_chain([*self._rules.sums, *sums.values()])
        if not self._chain.size:
            spare = {name: s.spare / max(1, sum(map(max, s.costs)) - s.least) for name, s in sums.items()}
            tightest = self._limits[min(spare, key=spare.__getitem__)]
            allowed = "larger, or the other limits looser; nothing satisfies all of them"
            raise config_error(tightest.key, f"{tightest.at_most:g}", allowed)

    def _limit_definition(self, name: str, constraint: Sum) -> Json:
        """Return what identifies a limit, for the fingerprint of the space."""
        return [name, constraint.at_most, constraint.unit, [list(costs) for costs in constraint.costs]]

    def _refuse_tight(self, sums: Mapping[str, Sum], is_ruled: bool) -> None:
        before = RuledChain(self.num_choices, self._rules) if is_ruled else None
        for name, limit in self._limits.items():
            least = sums[name].least if before is None else before.range_of(sums[name].costs)[0]
            smallest = (least + sums[name].fixed) / sums[name].unit
            if least > sums[name].at_most:
                shown = f"{smallest:,.0f}" if sums[name].unit == 1 else f"{smallest:g}"
                raise config_error(limit.key, f"{limit.at_most:g}", f"at least {shown}, the smallest {name}")

    def _too_expensive(self, choices: Sequence[int]) -> tuple[str, Limit] | None:
        """Return the name and the limit of a cost that exceeds its limit, or None."""
        for name, limit in self._limits.items():
            cost = self._costs[name]
            if cost.total(choices) > Fraction(str(limit.at_most)) * cost.unit:
                return name, limit
        return None


def limited(cost: CostSum, limit: Limit) -> Sum:
    """Return a cost with a limit as a sum over the choices."""
    at_most = int(Fraction(str(limit.at_most)) * cost.unit // 1)
    return Sum(cost.costs, at_most - cost.fixed, cost.unit, limit.key, cost.fixed)


def _rounded(constraint: Sum) -> Sum:
    """Return a sum of at most about ``RULED_STEPS`` steps. It admits no sequence beyond the limit."""
    exact = constraint.divided()
    return exact.in_steps(max(1, exact.num_steps() // RULED_STEPS))
