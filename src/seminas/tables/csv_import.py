"""Import of CSV files with one row for each architecture. The space must number its architectures."""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from seminas.errors import UserError
from seminas.spaces.base import EnumerableSpace
from seminas.tables.table import Column, Table, accuracy_column, seconds_column

SCALES = {"fraction": 1.0, "percent": 100.0}
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_STEP = 5_000
"""Number of rows between two reports of progress."""


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
    data = _read(path)
    text = data.decode("utf-8-sig", errors="replace")
    separator = _separator(text)
    file = io.StringIO(text, newline="")
    reader = csv.DictReader(file, delimiter=separator)
    try:
        header = list(reader.fieldnames or [])
    except csv.Error as error:
        raise UserError(f"{path}: line 1: {error}") from error
    measured_columns = [c for group in (*accuracies.values(), cost) for c in group]
    for column in measured_columns:
        if column not in header:
            raise UserError(f"{path}: has no column {column!r}, its columns are {', '.join(header)}")
    if not any(set(names) <= set(header) for names in space.csv_columns):
        allowed = " or ".join(", ".join(names) for names in space.csv_columns)
        raise UserError(
            f"{path}: an architecture of {space.name} needs columns {allowed}, not {', '.join(header)}"
        )
    lines, rows, values = [], [], []
    for row in _rows(reader, path):
        lines.append(reader.line_num)
        rows.append({name: row[name] or "" for name in header})  # Missing values of a short row are None.
        if len(rows) % _STEP == 0:
            progress(file.tell(), len(text))
        measured_row = (
            {c: rows[-1][c].replace(",", ".") for c in measured_columns} if separator == ";" else rows[-1]
        )
        try:
            numbers = [
                _fraction(measured_row, c, SCALES[scale]) for group in accuracies.values() for c in group
            ]
            values.append([*numbers, *(_seconds(measured_row, c) for c in cost)])
        except ValueError as error:
            raise UserError(f"{path}: line {lines[-1]}: {error}") from error
    if not rows:
        raise UserError(f"{path}: has no rows")
    progress(len(text), len(text))
    architectures = space.from_rows(rows)
    for line, architecture in zip(lines, architectures, strict=True):
        if isinstance(architecture, ValueError):
            raise UserError(f"{path}: line {line}: {architecture}")
    index = space.index([a for a in architectures if not isinstance(a, ValueError)])
    order = np.argsort(index, kind="stable")
    again = np.flatnonzero(np.diff(index[order]) == 0)
    if len(again):
        first, second = sorted(lines[order[again[0] + k]] for k in (0, 1))
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
        {role: role for role in ("val", "test", "cost") if role in columns},
        {
            "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "separator": separator,
            "columns": {**accuracies, **({"cost": list(cost)} if cost else {})},
            "licence": licence or "not stated",
        },
    )


def _rows(reader: "csv.DictReader[str]", path: Path) -> Iterator[dict[str, str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise UserError(f"{path}: line {reader.line_num}: {error}") from error


def _separator(text: str) -> str:
    """Return the character that separates columns. It is the most frequent separator in the header."""
    header = text.partition("\n")[0]
    return max(SEPARATORS, key=header.count)


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file") from error
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read ({error})") from error


def _fraction(row: Mapping[str, str], column: str, scale: float) -> float:
    value = _number(row, column) / scale
    if not 0 <= value <= 1:
        raise ValueError(f"{column}={row[column]}: is no accuracy between 0 and {scale:g}, see --scale")
    return value


def _seconds(row: Mapping[str, str], column: str) -> float:
    value = _number(row, column)
    if not 0 <= value < float("inf"):
        raise ValueError(f"{column}={row[column]}: is no number of seconds")
    return value


def _number(row: Mapping[str, str], column: str) -> float:
    try:
        return float(row[column])
    except ValueError as error:
        raise ValueError(f"{column}={row[column]}: is no number") from error
