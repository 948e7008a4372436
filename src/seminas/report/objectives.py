"""Read the objectives of a search, their values, and its Pareto front. No other module of the report reads them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seminas.runs.metric import Metric
from seminas.runs.objectives import Objectives, nondominated
from seminas.runs.records import Record
from seminas.runs.results import FrontMember, SearchResult
from seminas.storage.values import Json


@dataclass(frozen=True)
class Member:
    """An architecture on the Pareto front of a run.

    Attributes:
        index: Position in the history, from 0. Negative for an imported evaluation.
        key: Name of the architecture in its space.
        architecture: Architecture in the JSON form of its space.
        values: Value of each objective, ``[k]``.
        test_values: The same on the test data. NaN if it is not known, and for exact costs.
    """

    index: int
    key: str
    architecture: Json
    values: NDArray[np.float64]
    test_values: NDArray[np.float64]


def objectives_of(result: SearchResult) -> list[Metric]:
    """Return the objectives of a search. The list is empty for a search with one objective."""
    return result.objectives or []


def objective_values(result: SearchResult, records: Sequence[Record]) -> NDArray[np.float64]:
    """Return the values of the objectives, ``[q, k]``. They are NaN for a failed or an infeasible evaluation."""
    objectives = Objectives(tuple(objectives_of(result)), result.metric)
    values = np.full((len(records), len(objectives.metrics)), np.nan)
    for row, record in zip(values, records, strict=True):
        known = None if record.final is None else objectives.values(record)
        if known is not None:
            row[:] = known
    return values


def front_of_result(result: SearchResult) -> list[Member]:
    """Return the Pareto front of a search, in the order of the history. Leave out members without all objectives."""
    metrics = objectives_of(result)
    members = []
    for member in sorted(result.pareto or [], key=lambda member: member["index"]):
        values = np.array([member["values"].get(m.name, np.nan) for m in metrics])
        if np.isnan(values).any():
            continue
        of_test = member["test_values"]
        tests = [of_test.get(m.name, of_test.get(m.test_name, np.nan)) for m in metrics]
        members.append(
            Member(member["index"], member["key"], member["architecture"], values, np.array(tests))
        )
    return members


def reference_of(result: SearchResult) -> NDArray[np.float64]:
    """Return the reference point that a search states, ``[k]``. NaN if it states none."""
    stated = result.reference or {}
    return np.array([stated.get(metric.name, np.nan) for metric in objectives_of(result)])


def first_front(result: SearchResult, records: Sequence[Record]) -> SearchResult:
    """Return the result of a search with the Pareto front of its first evaluations.

    Test values are known only of architectures on the front of the whole search. Imported evaluations count only if
    they are on this front.

    Args:
        result: Result of the whole search.
        records: First evaluations.
    """
    metrics = objectives_of(result)
    if not metrics:
        return result
    imported = [member for member in result.pareto or [] if member["index"] < 0]
    values = objective_values(result, records)
    tests = {member["index"]: member["test_values"] for member in result.pareto or []}
    members = imported + [
        FrontMember(
            index=i,
            architecture=records[i].architecture,
            key=records[i].key,
            values={m.name: float(v) for m, v in zip(metrics, values[i], strict=True)},
            test_values=tests.get(i, {}),
        )
        for i in np.flatnonzero(~np.isnan(values).any(axis=1)).tolist()
    ]
    if not members:
        return replace(result, pareto=[])
    every = np.array([[member["values"][m.name] for m in metrics] for member in members])
    kept = nondominated(every * [m.sign for m in metrics])
    return replace(result, pareto=[member for member, keep in zip(members, kept, strict=True) if keep])
