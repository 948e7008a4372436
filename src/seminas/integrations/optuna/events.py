"""The events of a study: questions and results in the order in which a strategy learned of them."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import heappop, heappush
from typing import Any, NamedTuple

from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from seminas.integrations.optuna.parameters import ParameterSpace
from seminas.spaces.sequence import Choices

KEY = "seminas:proposal"
"""Attribute of a trial with its proposal. Others see the proposal before the trial has asked for its parameters."""
LONGEST = 2045
"""Largest number of characters of an attribute in the databases of Optuna."""
FIRST = datetime.min


class Event(NamedTuple):
    """A question or a result.

    Attributes:
        number: Number of the trial.
        architecture: Architecture of the trial.
        ended: Whether this is a result.
        scores: Value of each objective, numbers of which larger ones are better. None for a question or a failed trial.
        partial: Whether the trial was pruned, so that the scores are of an unfinished evaluation.
    """

    number: int
    architecture: Choices
    ended: bool = False
    scores: tuple[float, ...] | None = None
    partial: bool = False


@dataclass(frozen=True)
class Proposal:
    """A proposal as a trial keeps it.

    Attributes:
        asked: Time of the question, ISO 8601.
        values: Value of each parameter in the internal form of Optuna.
    """

    asked: str
    values: dict[str, float]


def store(study: Study, trial: FrozenTrial, proposal: Proposal) -> None:
    """Write a proposal into the storage of a study."""
    text = json.dumps([proposal.asked, proposal.values])
    for i, start in enumerate(range(0, len(text), LONGEST)):
        part = text[start : start + LONGEST]
        study._storage.set_trial_system_attr(trial._trial_id, f"{KEY}:{i}", part)


def stored(trial: FrozenTrial) -> Proposal | None:
    """Return the proposal of a trial, or None if it has none."""
    attributes = trial.system_attrs
    parts: list[str] = []
    while f"{KEY}:{len(parts)}" in attributes:
        parts.append(attributes[f"{KEY}:{len(parts)}"])
    try:
        return Proposal(*json.loads("".join(parts)))
    except ValueError:  # It has none, or another process is writing it.
        return None


def proposed_values(proposal: Proposal, space: ParameterSpace) -> dict[str, Any]:
    """Return the values of a proposal in the form in which the user's objective gets them."""
    distributions = {parameter.name: parameter.grid.distribution for parameter in space.parameters}
    return {
        name: distributions[name].to_external_repr(value)
        for name, value in proposal.values.items()
        if name in distributions and distributions[name]._contains(value)
    }


def fixed_values(trial: FrozenTrial) -> Mapping[str, Any]:
    """Return the values that ``enqueue_trial`` prescribes for a trial."""
    fixed: Mapping[str, Any] = trial.system_attrs.get("fixed_params", {})
    return fixed


def values_of(trial: FrozenTrial, space: ParameterSpace) -> Mapping[str, Any]:
    """Return the values of a trial. A trial that has not ended also has its proposed and its prescribed values."""
    begun = any(parameter.name in trial.params for parameter in space.parameters)
    if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or (
        trial.state == TrialState.FAIL and not begun
    ):
        return trial.params
    proposal = stored(trial)
    proposed = {} if proposal is None else proposed_values(proposal, space)
    return {**proposed, **fixed_values(trial), **trial.params}


def scores_of(trial: FrozenTrial, directions: Sequence[StudyDirection]) -> tuple[float, ...] | None:
    """Return the value of each objective of a trial, with the sign that makes larger values better.

    Of a pruned trial, it is the last intermediate value. None means that a trial failed or has no finite values.
    """
    values: Sequence[float] = ()
    if trial.state == TrialState.COMPLETE:
        values = trial.values or ()
    elif trial.state == TrialState.PRUNED and trial.intermediate_values and len(directions) == 1:
        values = [trial.intermediate_values[max(trial.intermediate_values)]]
    if len(values) != len(directions) or not all(map(math.isfinite, values)):
        return None
    pairs = zip(values, directions, strict=True)
    return tuple(-value if direction == StudyDirection.MINIMIZE else value for value, direction in pairs)


def events_of(
    trials: Sequence[FrozenTrial], space: ParameterSpace, directions: Sequence[StudyDirection]
) -> list[Event]:
    """Return the events of a study in their order.

    A question knows the results of the trials that had ended. So the order follows from the times that the storage
    keeps, and a study that goes on has the same events. Trials that wait in the queue come last.

    Args:
        trials: Trials of the study without the trial that asks.
        space: Space of the architectures. A trial without an architecture of this space has no events.
        directions: Direction of each objective of the study.
    """
    questions: list[tuple[datetime, int, FrozenTrial, Choices]] = []
    for trial in trials:
        architecture = space.architecture(values_of(trial, space))
        if architecture is not None:
            asked = datetime.max if trial.state == TrialState.WAITING else _asked(trial)
            questions.append((asked, trial.number, trial, architecture))
    questions.sort(key=lambda question: question[:2])
    events: list[Event] = []
    running: list[tuple[datetime, int, Event]] = []
    for asked, number, trial, architecture in questions:
        while running and running[0][0] <= asked:
            events.append(heappop(running)[-1])
        events.append(Event(number, architecture))
        if trial.state.is_finished():
            partial = bool(trial.state == TrialState.PRUNED)
            result = Event(number, architecture, True, scores_of(trial, directions), partial)
            heappush(running, (trial.datetime_complete or asked, number, result))
    return [*events, *(event for *_, event in sorted(running))]


def _asked(trial: FrozenTrial) -> datetime:
    proposal = stored(trial)
    return (trial.datetime_start or FIRST) if proposal is None else datetime.fromisoformat(proposal.asked)
