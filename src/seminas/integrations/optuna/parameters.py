"""The parameters of a study, as spaces: which parameters occur together, and which depend on the value of another."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from seminas.config.spaces import BINS, MOST_VALUES
from seminas.integrations.optuna.grids import Grid
from seminas.spaces.sequence import Choices, SequenceSpace


@dataclass(frozen=True)
class Parameter:
    """A parameter of a study.

    Attributes:
        name: Name of the parameter.
        grid: Its values.
        parent: Name of the parameter on which it depends, or None.
        indices: Values of the parent with which the parameter counts, as indices into the parent's grid, ascending.
    """

    name: str
    grid: Grid
    parent: str | None = None
    indices: tuple[int, ...] = ()


@dataclass(frozen=True)
class ParameterSpace:
    """Parameters that the sampler chooses together.

    Attributes:
        parameters: The parameters. A parent is before the parameters that depend on it.
    """

    parameters: tuple[Parameter, ...]

    @cached_property
    def space(self) -> SequenceSpace:
        """The same as a space of seminas. A value is the index into a grid, and the names of positions are numbers."""
        number = {parameter.name: f"p{i}" for i, parameter in enumerate(self.parameters)}
        positions: dict[str, Any] = {}
        for parameter in self.parameters:
            declared: dict[str, Any] = {
                "values": list(range(len(parameter.grid.values))),
                "ordered": parameter.grid.ordered,
            }
            if parameter.parent is not None:
                declared["when"] = {number[parameter.parent]: list(parameter.indices)}
            positions[number[parameter.name]] = declared
        return SequenceSpace("optuna", positions)

    def architecture(self, values: Mapping[str, Any]) -> Choices | None:
        """Return the architecture with the nearest values, or None if a value is missing or outside of its range."""
        indices: dict[str, int] = {}
        choices: list[int] = []
        for parameter in self.parameters:
            if not self._counts(parameter, indices):
                choices.append(len(parameter.grid.values))
                continue
            index = parameter.grid.index(values[parameter.name]) if parameter.name in values else None
            if index is None:
                return None
            indices[parameter.name] = index
            choices.append(index)
        return tuple(choices)

    def values(self, architecture: Choices) -> dict[str, Any]:
        """Return the value of each parameter that counts."""
        of_each = zip(self.parameters, architecture, strict=True)
        return {p.name: p.grid.values[i] for p, i in of_each if i < len(p.grid.values)}

    def _counts(self, parameter: Parameter, indices: Mapping[str, int]) -> bool:
        return parameter.parent is None or indices.get(parameter.parent) in parameter.indices

    def for_trials(self, number: int) -> "ParameterSpace":
        """Return the same parameters, with finer grids if a number of trials is half of the space or more.

        On a fine grid, the expected improvement would follow a slope in small steps. So the first grids are coarse.
        """
        if 2 * number < prod(len(parameter.grid.values) for parameter in self.parameters):
            return self
        finer = [replace(p, grid=Grid(p.grid.distribution, MOST_VALUES)) for p in self.parameters]
        return ParameterSpace(tuple(finer))


def decomposed(trials: Sequence[FrozenTrial], names: Collection[str] | None = None) -> list[ParameterSpace]:
    """Return the spaces of a study's parameters.

    Complete trials decide them. If there are none, other trials with parameters do. As in Optuna's group decomposition,
    parameters that occur in the same trials belong together. Such a group joins an earlier group if the value of one
    parameter there tells whether the group occurs. Otherwise the group is a space of its own.

    Args:
        trials: All trials of the study.
        names: Names of the parameters. Others are left out. None means all.
    """
    for states in ((TrialState.COMPLETE,), (TrialState.PRUNED,), (TrialState.RUNNING, TrialState.FAIL)):
        deciding = [trial for trial in trials if trial.state in states and trial.distributions]
        if deciding:
            break
    newest: dict[str, BaseDistribution] = {}
    occurs: dict[str, set[int]] = {}
    for trial in sorted(deciding, key=lambda trial: trial.number):
        for name, distribution in trial.distributions.items():
            newest[name] = distribution
            occurs.setdefault(name, set()).add(trial.number)
    groups: dict[frozenset[int], list[str]] = {}
    for name in sorted(newest):
        if not newest[name].single() and (names is None or name in names):
            groups.setdefault(frozenset(occurs[name]), []).append(name)
    params = {trial.number: trial.params for trial in deciding}
    spaces: list[list[Parameter]] = []
    for numbers, names in sorted(groups.items(), key=lambda group: (-len(group[0]), group[1])):
        members = [Parameter(name, Grid(newest[name], BINS)) for name in names]
        for space, parent, indices in _conditions(spaces, occurs, numbers, params):
            space += [replace(member, parent=parent, indices=indices) for member in members]
            break
        else:
            spaces.append(members)
    return [ParameterSpace(tuple(space)).for_trials(len(trials)) for space in spaces]


def _conditions(
    spaces: Sequence[list[Parameter]],
    occurs: Mapping[str, set[int]],
    numbers: frozenset[int],
    params: Mapping[int, Mapping[str, Any]],
) -> Iterator[tuple[list[Parameter], str, tuple[int, ...]]]:
    """Yield the parameters whose value tells whether a group occurs, categories first.

    Args:
        spaces: Spaces so far.
        occurs: Numbers of the trials with each parameter.
        numbers: Numbers of the trials with the group.
        params: Values of each trial.

    Yields:
        The space of the parameter, its name, and the indices of the values with which the group occurs.
    """
    for space in spaces:
        for parameter in sorted(space, key=lambda p: p.grid.ordered):
            name, grid = parameter.name, parameter.grid
            if not grid.decides or not numbers < occurs[name]:
                continue
            inside = {grid.index(params[number][name]) for number in numbers}
            outside = {grid.index(params[number][name]) for number in occurs[name] - numbers}
            if inside & outside or None in inside | outside:
                continue
            indices = {i for i in inside if i is not None}
            if grid.ordered:
                # A value that did not occur yet is like the nearest one that did.
                seen = sorted((i, i in inside) for i in inside | outside if i is not None)
                nearest = (min(seen, key=lambda s: (abs(s[0] - i), s[1])) for i in range(len(grid.values)))
                indices = {i for i, (_, counts) in enumerate(nearest) if counts}
            yield space, name, tuple(sorted(indices))
