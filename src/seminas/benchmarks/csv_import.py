"""Import of CSV files with a row per architecture."""

import csv
import gzip
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seminas.benchmarks.table import Table
from seminas.errors import UserError
from seminas.spaces.nasbench101 import OPERATIONS, NASBench101, pad_graph

SCALES = {"fraction": 1.0, "percent": 100.0}
_VERTICES = {v * (v - 1) // 2: v for v in range(2, 8)}


def import_nasbench101(
    path: Path,
    space: NASBench101,
    val: Sequence[str],
    test: Sequence[str] = (),
    cost: str | None = None,
    scale: str = "fraction",
) -> Table:
    """Read cells of NAS-Bench-101 from a CSV file, plain or gzipped.

    Columns ``adjacency`` (upper triangle, row by row: V(V-1)/2 digits 0 or 1) and ``ops`` (the V - 2
    interior operations, joined by ``|``) name a cell.

    Args:
        path: The file.
        space: The space.
        val: Columns of validation accuracies, one for each training run.
        test: Columns of test accuracies.
        cost: Column of training seconds.
        scale: ``fraction`` or ``percent``, of all accuracies.

    Raises:
        UserError: A column is missing, or a row is malformed or a duplicate, with its line number.
    """
    if scale not in SCALES:
        raise UserError(f"--scale={scale}: must be one of {', '.join(SCALES)}")
    if not val:
        raise UserError("--val: name at least one column of validation accuracies")
    data = _read(path)
    rows = csv.DictReader(io.StringIO(data.decode("utf-8", errors="replace"), newline=""))
    header = rows.fieldnames or []
    for column in ["adjacency", "ops", *val, *test, *([cost] if cost else [])]:
        if column not in header:
            raise UserError(f"{path}: has no column {column!r}, its columns are {', '.join(header)}")
    cells, lines, values = [], [], []
    for row in rows:
        where = f"{path}: line {rows.line_num}"
        try:
            bits = row["adjacency"] or ""
            if len(bits) not in _VERTICES or set(bits) - {"0", "1"}:
                raise ValueError(f"adjacency {bits!r} must be V(V-1)/2 digits 0 or 1 for 2 to 7 vertices")
            size = _VERTICES[len(bits)]
            matrix = np.zeros((size, size), dtype=np.int64)
            matrix[np.triu_indices(size, k=1)] = [int(bit) for bit in bits]
            cells.append((matrix, [name for name in (row["ops"] or "").split("|") if name]))
            accuracies = [_fraction(row, column, SCALES[scale]) for column in [*val, *test]]
            values.append([*accuracies, *([_seconds(row, cost)] if cost else [])])
        except ValueError as error:
            raise UserError(f"{where}: {error}") from error
        lines.append(rows.line_num)
    if not cells:
        raise UserError(f"{path}: has no rows")
    index = _indices(path, space, cells, lines)
    order = np.argsort(index, kind="stable")
    again = np.flatnonzero(np.diff(index[order]) == 0)
    if len(again):
        first, second = sorted(lines[order[again[0] + k]] for k in (0, 1))
        raise UserError(f"{path}: line {second}: the same cell as line {first}")
    numbers = np.array(values)[order]
    return Table(
        space.name,
        space.fingerprint(),
        index[order],
        numbers[:, : len(val)],
        numbers[:, len(val) : len(val) + len(test)] if test else None,
        numbers[:, -1] if cost else None,
        {
            "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "val": list(val),
            "test": list(test),
            "cost": cost,
        },
    )


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file") from error
    except (OSError, EOFError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from error


def _fraction(row: dict[str, str], column: str, scale: float) -> float:
    value = _number(row, column) / scale
    if not 0 <= value <= 1:
        raise ValueError(f"{column}={row[column]}: is no accuracy between 0 and {scale:g}, see --scale")
    return value


def _seconds(row: dict[str, str], column: str) -> float:
    value = _number(row, column)
    if not 0 <= value < float("inf"):
        raise ValueError(f"{column}={row[column]}: is no number of seconds")
    return value


def _number(row: dict[str, str], column: str) -> float:
    try:
        return float(row[column])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{column}={row[column]}: is no number") from error


def _indices(
    path: Path, space: NASBench101, cells: list[tuple[NDArray[np.int64], list[str]]], lines: list[int]
) -> NDArray[np.int64]:
    """The index in the space of each cell, ``[n]``."""
    proper = [
        k
        for k, (matrix, operations) in enumerate(cells)
        if len(operations) == len(matrix) - 2 and set(operations) <= set(OPERATIONS)
    ]
    index = np.full(len(cells), -1)
    index[proper] = space.find([pad_graph(*cells[k]) for k in proper])
    for k in np.flatnonzero(index < 0):  # To be pruned, or wrong.
        try:
            index[k] = space.index([space.from_matrix(*cells[k])])[0]
        except ValueError as error:
            raise UserError(f"{path}: line {lines[k]}: {error}") from error
    return index
