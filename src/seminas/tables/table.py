"""Tables of evaluated architectures, packed into one file that loads at once and executes nothing.

The file, version 2, is a NumPy ``.npz`` without pickles:

``about``   UTF-8 JSON as bytes: format, version, space, fingerprint of the space's order, ``columns`` (kind and divisor
            by name), ``defaults`` (the columns that a search reads, by their role), origin
``index``   differences of the ascending indices of the architectures in the space, ``[n]``
``c0`` …    a column each, in the order of ``columns``: ``[n, R]`` for R trainings; divided by its divisor when read
``sha256``  of all the others, names, types and shapes included
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seminas.errors import UserError, config_error
from seminas.spaces.base import EnumerableSpace
from seminas.storage.files import atomic_write

VERSION = 2
ROLES = {"val": "accuracy", "test": "accuracy", "cost": "seconds"}
"""What a search reads of a table, and the kind of column that can be it."""
_TOLERANCE = 4e-8  # A single-precision accuracy is exact to 3e-8.


@dataclass(frozen=True)
class Column:
    """Numbers for n architectures in R trainings.

    Attributes:
        kind: ``accuracy`` (a fraction), ``seconds`` or ``count``.
        stored: As in the file, ``[n, R]``.
        divisor: Of the stored numbers: accuracies are stored as numbers of images that were right.
    """

    kind: str
    stored: NDArray[Any]
    divisor: int = 1

    def at(self, rows: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.float64]:
        """Return the numbers in rows, ``[m, R]``."""
        return self.stored[rows] / np.float64(self.divisor)

    @property
    def num_runs(self) -> int:
        """R."""
        return int(self.stored.shape[1])


@dataclass(frozen=True)
class Table:
    """Evaluated architectures of a space.

    Attributes:
        space: The space's name.
        fingerprint: Of the space's enumeration, which ``index`` refers to.
        index: Ascending, ``[n]``.
        columns: By name.
        defaults: Names of the columns that a search reads unless told otherwise, by role: ``val``, and ``test`` and
            ``cost`` where there are such.
        origin: Where the numbers are from: file, its SHA-256, columns, licence.
    """

    space: str
    fingerprint: str
    index: NDArray[np.int64]
    columns: Mapping[str, Column]
    defaults: Mapping[str, str]
    origin: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.index)

    def rows(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each architecture, given by its index in the space, ``[m]``.

        Raises:
            KeyError: The table does not hold it.
        """
        rows = np.searchsorted(self.index, index).clip(max=len(self) - 1)
        missing = np.flatnonzero(self.index[rows] != index)
        if len(missing):
            raise KeyError(int(np.asarray(index)[missing[0]]))
        return rows

    def column(self, role: str, name: str | None = None) -> Column | None:
        """Return the column for a role, ``val``, ``test`` or ``cost``; None where the table has none for it.

        Raises:
            UserError: There is no column ``name`` of the role's kind.
        """
        name = name or self.defaults.get(role)
        if name is None:
            return None
        names = [n for n, column in self.columns.items() if column.kind == ROLES[role]]
        if name not in names:
            raise config_error(
                f"evaluator.{role}", name, f"a column of {ROLES[role]}: {', '.join(names) or 'none'}"
            )
        return self.columns[name]


def accuracy_column(values: NDArray[np.floating[Any]]) -> Column:
    """Return accuracies, fractions ``[n, R]``, as a column: as counts of images where they are such.

    The divisor is the smallest that gives every value back to single precision: the number of images, or a power of
    ten for rounded decimals; where there is none, the values are stored in double precision.
    """
    flat = np.unique(values.astype(np.float64))
    some = flat[:: max(1, len(flat) // 64)]
    divisors = np.arange(1, 1 << 16)
    products = divisors[:, None] * some
    fits = (np.abs(products - np.round(products)) <= _TOLERANCE * divisors[:, None]).all(axis=1)
    for divisor in (*divisors[fits].tolist(), 10**5, 10**6, 10**7, 10**8, 10**9):
        counts = np.round(flat * divisor)
        if (np.abs(counts / divisor - flat) <= (_TOLERANCE if divisor < 1 << 16 else 1e-12)).all():
            stored = np.round(values.astype(np.float64) * divisor)
            return Column("accuracy", _smallest(stored), int(divisor))
    return Column("accuracy", values.astype(np.float64))


def seconds_column(values: NDArray[np.floating[Any]]) -> Column:
    """Return seconds, ``[n, R]``, as a column of single precision."""
    return Column("seconds", values.astype(np.float32))


def count_column(values: NDArray[Any]) -> Column:
    """Return whole numbers, ``[n, R]``, such as parameters, as a column."""
    return Column("count", _smallest(values))


def _smallest(values: NDArray[Any]) -> NDArray[Any]:
    most = int(values.max(initial=0))
    kind = next(t for t in (np.uint8, np.uint16, np.uint32, np.uint64) if most <= np.iinfo(t).max)
    return values.astype(kind)


def save_table(table: Table, path: Path) -> None:
    """Write the packed file, whole or not at all."""
    arrays = {f"c{i}": column.stored for i, column in enumerate(table.columns.values())}
    arrays["index"] = _smallest(np.diff(table.index, prepend=0))
    about = {
        "format": "seminas-table",
        "version": VERSION,
        "space": table.space,
        "fingerprint": table.fingerprint,
        "columns": {name: {"kind": c.kind, "divisor": c.divisor} for name, c in table.columns.items()},
        "defaults": dict(table.defaults),
        "origin": dict(table.origin),
    }
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    digest = np.frombuffer(_digest(arrays), dtype=np.uint8)
    kept: dict[str, Any] = {**arrays, "sha256": digest}
    with atomic_write(path) as file:
        np.savez_compressed(file, **kept)


def load_table(path: Path, space: EnumerableSpace) -> Table:
    """Read a packed table of a space.

    Raises:
        UserError: The file is missing, damaged, no packed table, or of another space.
    """
    table = read_table(path)
    if table.space != space.name:
        raise UserError(f"{path}: is a table of space {table.space}, not of {space.name}")
    if table.fingerprint != space.fingerprint():
        raise UserError(f"{path}: was packed for another order of space {space.name}: import it again")
    return table


def read_table(path: Path) -> Table:
    """Read a packed table, of whatever space.

    Raises:
        UserError: The file is missing, damaged, or no packed table.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file") from error
    except Exception as error:  # A damaged archive makes zipfile and zlib raise almost anything.
        raise UserError(f"{path}: is no packed table, or a damaged one; see seminas data import") from error
    try:
        digest = arrays.pop("sha256")
        about = json.loads(arrays["about"].tobytes())
        known = about["format"] == "seminas-table" and about["version"] == VERSION
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: is no packed table; see seminas data import") from error
    if not known:
        raise UserError(
            f"{path}: is a table of version {about.get('version')}, not {VERSION}: import it again"
        )
    if digest.tobytes() != _digest(arrays):
        raise UserError(f"{path}: its SHA-256 does not match its contents: it was damaged or changed")
    columns = {
        name: Column(column["kind"], arrays[f"c{i}"], column["divisor"])
        for i, (name, column) in enumerate(about["columns"].items())
    }
    index = np.cumsum(arrays["index"].astype(np.int64))
    return Table(about["space"], about["fingerprint"], index, columns, about["defaults"], about["origin"])


def _digest(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()
