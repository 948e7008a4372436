"""Import of CSV files with one row for each architecture. The space must number its architectures."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from seminas.errors import UserError
from seminas.spaces.base import A, EnumerableSpace, SearchSpace
from seminas.tables.csv_file import CsvFile, read_csv
from seminas.tables.table import Column, Table, accuracy_column, role_of_fidelity, seconds_column

SCALES = {"fraction": 1.0, "percent": 100.0}


def import_csv(
    path: Path,
    space: EnumerableSpace,
    val: Sequence[str],
    test: Sequence[str] = (),
    cost: Sequence[str] = (),
    further: Mapping[str, Sequence[str]] | None = None,
    scale: str = "fraction",
    licence: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    fidelities: Mapping[int, Sequence[str]] | None = None,
) -> Table:
    """Return the table of a CSV file with one row for each architecture. The file may be gzipped.

    Commas, semicolons or tabs separate the columns. If semicolons separate the columns, numbers may have decimal
    commas.

    The space defines the columns that identify an architecture (``csv_columns``). Each space has its own columns:

    - NAS-Bench-101: ``adjacency``, the upper triangle of the matrix row by row, and ``ops``, operations joined by ``|``
    - NAS-Bench-201: ``arch``
    - Sequence space: one column for each position

    Args:
        path: Path of the file.
        space: Space of the architectures.
        val: Columns of validation accuracies, one for each training run. They become the table's column ``val``.
        test: Columns of test accuracies, one for each training run. They become the table's column ``test``.
        cost: Columns of training times in seconds, one for each training run. They become the table's column ``cost``.
        further: Columns of further accuracies, one for each training run, by the name of the table's column.
        scale: Scale of all accuracies, ``fraction`` or ``percent``.
        licence: Licence of the data, which ``seminas data info`` shows.
        progress: Function called with the number of characters read so far and with their total number.
        fidelities: Columns of validation accuracies after fewer epochs, one for each training run, by the number of
            epochs. The largest number is the length of a full training, whose columns are those of ``val``. The
            table's columns are ``val@4`` and so on.

    Raises:
        UserError: The file cannot be read, or an argument is invalid. Or a column is missing, a row is malformed or a
            duplicate, or an accuracy is not on the scale. For a row, the message has its line number.
    """
    if scale not in SCALES:
        raise UserError(f"--scale={scale}: must be one of {', '.join(SCALES)}")
    if not val:
        raise UserError("--val: name at least one column of validation accuracies")
    accuracies = {"val": list(val), **({"test": list(test)} if test else {})}
    for name, group in (further or {}).items():
        if name in (*accuracies, "cost") or not group:
            raise UserError(f"--column={name}: needs columns, and a name of its own")
        accuracies[name] = list(group)
    shorter = _shorter(fidelities or {}, val)
    for name in sorted(set(accuracies) & set(shorter)):
        raise UserError(f"--column={name}: is a column of --fidelity; choose another name")
    accuracies |= shorter
    file = read_csv(path, progress)
    file.require([c for group in (*accuracies.values(), cost) for c in group])
    architectures = architectures_of(file, space)
    values = []
    for row, line in enumerate(file.lines):
        try:
            numbers = [_fraction(file, row, c, SCALES[scale]) for group in accuracies.values() for c in group]
            values.append([*numbers, *(_seconds(file, row, c) for c in cost)])
        except ValueError as error:
            raise UserError(f"{path}: line {line}: {error}") from error
    index = space.index(architectures)
    order = np.argsort(index, kind="stable")
    again = np.flatnonzero(np.diff(index[order]) == 0)
    if len(again):
        first, second = sorted(file.lines[order[again[0] + k]] for k in (0, 1))
        raise UserError(f"{path}: line {second}: the same architecture as line {first}")
    measured = np.array(values)[order]
    if scale == "percent" and measured[:, : len(val)].max() * SCALES[scale] <= 1:
        raise UserError(
            f"{path}: --scale=percent: no validation accuracy is above 1, so that they are fractions"
        )
    columns: dict[str, Column] = {}
    at = 0
    for name, group in accuracies.items():
        columns[name] = accuracy_column(measured[:, at : at + len(group)])
        at += len(group)
    if cost:
        columns["cost"] = seconds_column(measured[:, at:])
    return Table(
        space.name,
        space.fingerprint(),
        index[order],
        columns,
        {role: role for role in ("val", "test", "cost", *shorter) if role in columns}
        | ({role_of_fidelity(max(fidelities)): "val"} if fidelities else {}),
        {
            "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "separator": file.separator,
            "columns": {**accuracies, **({"cost": list(cost)} if cost else {})},
            "licence": licence or "not stated",
        },
    )


def _shorter(fidelities: Mapping[int, Sequence[str]], val: Sequence[str]) -> dict[str, list[str]]:
    """Return the columns of each fidelity below the full one, by the role in the table.

    Raises:
        UserError: The numbers of epochs are not positive and increasing, or the last one is not that of ``val``.
    """
    epochs = list(fidelities)
    if any(number < 1 for number in epochs) or epochs != sorted(epochs):
        raise UserError(
            f"--fidelity={', '.join(map(str, epochs))}: must be increasing numbers of epochs, from 1"
        )
    if not epochs:
        return {}
    if len(epochs) < 2 or list(fidelities[epochs[-1]]) != list(val):
        last = f"{epochs[-1]}={','.join(fidelities[epochs[-1]])}"
        raise UserError(
            f"--fidelity={last}: the last of two or more must be the columns of --val, {', '.join(val)}"
        )
    return {role_of_fidelity(number): list(fidelities[number]) for number in epochs[:-1]}


def architectures_of(file: CsvFile, space: SearchSpace[A]) -> list[A]:
    """Return the architecture of each row. The space names the columns that it needs.

    Raises:
        UserError: A column is missing, or a row is no architecture of the space.
    """
    if not any(set(names) <= set(file.header) for names in space.csv_columns):
        allowed = " or ".join(", ".join(names) for names in space.csv_columns)
        raise UserError(
            f"{file.path}: an architecture of {space.name} needs columns {allowed}, not {', '.join(file.header)}"
        )
    architectures: list[A] = []
    for line, architecture in zip(file.lines, space.from_rows(file.rows), strict=True):
        if isinstance(architecture, ValueError):
            raise UserError(f"{file.path}: line {line}: {architecture}")
        architectures.append(architecture)
    return architectures


def _fraction(file: CsvFile, row: int, column: str, scale: float) -> float:
    value = file.number(row, column) / scale
    if not 0 <= value <= 1:
        text = file.rows[row][column]
        raise ValueError(f"{column}={text}: is no accuracy between 0 and {scale:g}, see --scale")
    return value


def _seconds(file: CsvFile, row: int, column: str) -> float:
    value = file.number(row, column)
    if not 0 <= value < float("inf"):
        raise ValueError(f"{column}={file.rows[row][column]}: is no number of seconds")
    return value
