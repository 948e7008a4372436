"""Reading of sources: run folders of searches, folders of sweeps, and packed tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seminas.errors import UserError, config_error
from seminas.runs.folder import run_folders
from seminas.runs.metric import metric_of
from seminas.spaces.base import EnumerableSpace, SearchSpace
from seminas.tables import find_table
from seminas.tables.table import Column, Table, load_table
from seminas.transfer.record import Source

KEY = "strategy.transfer_from"
LEAST = 2
"""Smallest number of architectures of a source."""
Own = tuple[Table, Sequence[Column]]
"""Table of the task of a search, and the columns that the search or its report reads."""


def read_sources(names: Sequence[str], space: SearchSpace[Any], own: Own | None = None) -> list[Source]:
    """Return the sources that a user names. A sweep gives a source for each run.

    Args:
        names: Run folders, folders of sweeps, and tables, ``TABLE.npz`` or ``TABLE.npz:COLUMN``.
        space: Whole space of the search. Architectures that it cannot read are left out.
        own: Table of the search itself, whose columns are no source.

    Raises:
        UserError: A source cannot be read, is of another space, has too few accuracies, or is the search's own table.
    """
    sources: list[Source] = []
    for name in names:
        path = Path(name).expanduser()
        sources += _of_folder(path, name, space) if path.is_dir() else [_of_table(name, space, own)]
    return sources


def _of_folder(path: Path, name: str, space: SearchSpace[Any]) -> list[Source]:
    """Return the searches at and below a folder."""
    runs = [run for run in run_folders(path) if run.has_history()]
    if not runs:
        raise config_error(KEY, name, "a folder of a search or a sweep with evaluations, or a packed table")
    sources = []
    for run in runs:
        values: dict[str, tuple[Any, float]] = {}
        metric, num_evaluated = metric_of(run.config() or {}, run.path), 0
        for record in run.history():
            if record.full is None:
                continue
            num_evaluated += 1
            try:
                architecture = space.from_json(record.architecture)
            except ValueError:
                continue
            values.setdefault(space.key(architecture), (architecture, metric.score(record.full)))
        label = name if run.path == path else f"{name}/{run.path.relative_to(path)}"
        if num_evaluated < LEAST:
            raise config_error(
                KEY, label, f"a search with at least {LEAST} evaluations, it has {num_evaluated}"
            )
        if len(values) < LEAST:
            raise config_error(KEY, label, f"a search whose architectures space={space.name} has")
        sources.append(
            Source(
                label, [space.to_json(a) for a, _ in values.values()], [score for _, score in values.values()]
            )
        )
    return sources


def _of_table(name: str, space: SearchSpace[Any], own: Own | None) -> Source:
    """Return the accuracies of a packed table, means over its trainings."""
    file, column_name = find_table(name), None
    if not file.exists() and ":" in name:
        before, _, column_name = name.rpartition(":")
        file = find_table(before)
    if not file.exists():
        raise config_error(KEY, name, "a folder of a search or a sweep, a packed table, or digits101")
    if not isinstance(space, EnumerableSpace):
        raise UserError(
            f"{KEY}={name}: the architectures of space={space.name} have no numbers; name a run folder"
        )
    table = load_table(file, space)
    names = [n for n, c in table.columns.items() if c.kind == "accuracy"]
    column_name = column_name or table.defaults.get("val")
    if column_name not in names:
        allowed = f"{file}:COLUMN with a column of validation accuracies: {', '.join(names) or 'it has none'}"
        raise config_error(KEY, name, allowed)
    column = table.columns[column_name]
    if own is not None and _is_own(table, column, own):
        raise config_error(KEY, name, "the accuracies of another task, these are the search's own")
    if len(table) < LEAST:
        raise config_error(KEY, name, f"a table of at least {LEAST} architectures")
    architectures = space.at(table.index)
    return Source(name, [space.to_json(a) for a in architectures], column.at().mean(axis=1).tolist())


def _is_own(table: Table, column: Column, own: Own) -> bool:
    """Return whether a column has the numbers of the search's own table, also in a copy of the file."""
    other, columns = own
    if not np.array_equal(table.index, other.index):
        return False
    return any(np.array_equal(column.at(), c.at()) for c in columns)
