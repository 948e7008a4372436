"""Tables of evaluated architectures, packed into one file. Loading a file is fast and executes no code.

The file has version 2. It is a NumPy ``.npz`` file without pickles. It has these arrays:

``about``   UTF-8 JSON as bytes: format, version, space, fingerprint of the space's order, ``columns`` (kind and divisor
            by name), ``defaults`` (column that a search reads for each role), origin
``index``   Differences of the ascending indices of the architectures in the space, ``[n]``
``c0`` …    One array for each column, in the order of ``columns``, ``[n, R]`` for R trainings. A reader divides the
            numbers by the column's divisor.
``sha256``  SHA-256 of all other arrays with their names, types and shapes
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seminas.errors import UserError, config_error, first_line
from seminas.spaces.base import EnumerableSpace
from seminas.storage.files import atomic_write, parse_json
from seminas.storage.typed import typed
from seminas.storage.values import Json

_FORMAT, VERSION = "seminas-table", 2
ROLES = {"val": "accuracy", "test": "accuracy", "cost": "seconds"}
"""Roles of columns in a search, and the kind of column for each role."""
_OF_FIDELITY = "val@"
"""Begin of the role of a column with the validation accuracies after fewer or all epochs, such as ``val@12``."""
_TOLERANCE = 4e-8  # The rounding error of a single-precision accuracy is at most 3e-8.


@dataclass(frozen=True)
class Column:
    """Column of a table, with a number for each of n architectures and R trainings.

    Attributes:
        kind: Kind of the numbers: ``accuracy`` (a fraction), ``seconds`` or ``count``.
        stored: Numbers in the form of the file, ``[n, R]``. An accuracy is usually the number of correct images.
        divisor: Divisor of the stored numbers. For an accuracy, it is usually the number of all images.
    """

    kind: str
    stored: NDArray[Any]
    divisor: int = 1

    def at(self, rows: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.float64]:
        """Return the numbers of the rows ``[m]``, divided by the divisor, ``[m, R]``."""
        return self.stored[rows] / np.float64(self.divisor)

    @property
    def num_runs(self) -> int:
        """Number of runs R of each architecture."""
        return int(self.stored.shape[1])


@dataclass(frozen=True)
class Table:
    """Table of evaluated architectures of a space.

    Attributes:
        space: Name of the space.
        fingerprint: Fingerprint of the order of the space's architectures.
        index: Indices of the architectures in the space, ascending, ``[n]``.
        columns: Columns by name.
        defaults: Name of the column that a search reads by default, by role. The roles are ``val``, ``test`` and
            ``cost``. A table may have no column for ``test`` and ``cost``. A table with fidelities also has a column
            for each number of epochs, see ``role_of_fidelity``.
        origin: Origin of the numbers, such as the name of the imported file, its SHA-256, its columns and its licence.
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
        """Return the row of each architecture, ``[m]``.

        Args:
            index: Indices of the architectures in the space, ``[m]``.

        Raises:
            KeyError: The table does not have an architecture.
        """
        rows = np.searchsorted(self.index, index).clip(max=len(self) - 1)
        missing = np.flatnonzero(self.index[rows] != index)
        if len(missing):
            raise KeyError(int(np.asarray(index)[missing[0]]))
        return rows

    @property
    def fidelities(self) -> dict[int, Column]:
        """Columns of validation accuracies by the number of epochs after which they were measured, ascending.

        The last one is the default column of ``val``. A table without fidelities has none.
        """
        roles = [role for role in self.defaults if role.startswith(_OF_FIDELITY)]
        epochs = sorted(int(role.removeprefix(_OF_FIDELITY)) for role in roles)
        return {number: self.columns[self.defaults[role_of_fidelity(number)]] for number in epochs}

    def column(self, role: str, name: str | None = None) -> Column | None:
        """Return the column for a role, or None if the table has no column for it.

        Args:
            role: ``val``, ``test`` or ``cost``.
            name: Name of the column. None means the default column of the role.

        Raises:
            UserError: The table has no column ``name`` of the role's kind.
        """
        name = name or self.defaults.get(role)
        if name is None:
            return None
        names = [n for n, column in self.columns.items() if column.kind == ROLES[role]]
        if name not in names:
            key = "seconds" if role == "cost" else role
            raise config_error(
                f"evaluator.{key}", name, f"a column of {ROLES[role]}: {', '.join(names) or 'none'}"
            )
        return self.columns[name]


def role_of_fidelity(epochs: int) -> str:
    """Return the role of the column with the validation accuracies after a number of epochs."""
    return f"{_OF_FIDELITY}{epochs}"


def accuracy_column(values: NDArray[np.floating[Any]]) -> Column:
    """Return a column of accuracies, fractions ``[n, R]``. The column stores them as whole numbers if possible.

    An accuracy is then a whole number divided by the divisor. The divisor is the smallest number below 65,536 that
    gives all accuracies in single precision, such as the number of images. Otherwise the divisor is a power of ten from
    10^5 to 10^9 that gives all accuracies to 1e-12. If no divisor fits, the column stores the accuracies in double
    precision.
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
    """Return a column of seconds, ``[n, R]``, in single precision."""
    return Column("seconds", values.astype(np.float32))


def count_column(values: NDArray[Any]) -> Column:
    """Return a column of whole numbers, ``[n, R]``, such as numbers of parameters."""
    return Column("count", _smallest(values))


def _smallest(values: NDArray[Any]) -> NDArray[Any]:
    most = int(values.max(initial=0))
    kind = next(t for t in (np.uint8, np.uint16, np.uint32, np.uint64) if most <= np.iinfo(t).max)
    return values.astype(kind)


@dataclass(frozen=True)
class _Stored:
    """What a packed file says of a column. The numbers are in an array beside it."""

    kind: str
    divisor: int


@dataclass(frozen=True)
class _About:
    """What a packed file says of its table."""

    format: str
    version: int
    space: str
    fingerprint: str
    columns: dict[str, _Stored]
    defaults: dict[str, str]
    origin: dict[str, Json]


def save_table(table: Table, path: Path) -> None:
    """Write the packed file of a table. After an error, the file is unchanged."""
    arrays = {f"c{i}": column.stored for i, column in enumerate(table.columns.values())}
    arrays["index"] = _smallest(np.diff(table.index, prepend=0))
    about = _About(
        _FORMAT,
        VERSION,
        table.space,
        table.fingerprint,
        {name: _Stored(c.kind, c.divisor) for name, c in table.columns.items()},
        dict(table.defaults),
        dict(table.origin),
    )
    arrays["about"] = np.frombuffer(json.dumps(asdict(about)).encode(), dtype=np.uint8)
    digest = np.frombuffer(_digest(arrays), dtype=np.uint8)
    kept: dict[str, Any] = {**arrays, "sha256": digest}
    with atomic_write(path) as file:
        np.savez_compressed(file, **kept)


def load_table(path: Path, space: EnumerableSpace) -> Table:
    """Read a packed table of a space.

    Raises:
        UserError: The file is missing, damaged, not a packed table, or a table of another space.
    """
    table = read_table(path)
    if table.space != space.name:
        raise UserError(f"{path}: is a table of space {table.space}, not of {space.name}; choose its space")
    if table.fingerprint != space.fingerprint():
        raise UserError(f"{path}: was packed for another order of space {space.name}: import it again")
    return table


def read_table(path: Path) -> Table:
    """Return the table in a packed file. The table may belong to any space.

    Raises:
        UserError: The file is missing, damaged, not a packed table, or a packed table of another version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file") from error
    except Exception as error:  # For damaged archives, zipfile and zlib raise exceptions of many types.
        raise UserError(f"{path}: is no packed table, or a damaged one; see seminas data import") from error
    try:
        digest = arrays.pop("sha256")
        about = parse_json(arrays["about"].tobytes())
        form, version = about["format"], about["version"]
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path}: is no packed table; see seminas data import") from error
    if form != _FORMAT or version != VERSION:
        raise UserError(f"{path}: is a table of version {version}, not {VERSION}: import it again")
    if digest.tobytes() != _digest(arrays):
        raise UserError(f"{path}: its SHA-256 does not match its contents: it was damaged or changed")
    try:
        return _table(typed(about, _About), arrays)
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path}: is no packed table ({first_line(error)})") from error


def _table(about: _About, arrays: Mapping[str, NDArray[Any]]) -> Table:
    """Return the table of a file.

    Raises:
        KeyError: An array is missing.
        ValueError: The shape or the type of an array is wrong.
        TypeError: The numbers of an array cannot be converted.
    """
    index = np.cumsum(arrays["index"].astype(np.int64))
    columns = {}
    for i, (name, stored) in enumerate(about.columns.items()):
        numbers = arrays[f"c{i}"]
        if (
            numbers.ndim != 2
            or len(numbers) != len(index)
            or numbers.dtype.kind not in "iuf"
            or stored.divisor < 1
        ):
            raise ValueError(f"its column {name} is none")
        columns[name] = Column(stored.kind, numbers, stored.divisor)
    return Table(about.space, about.fingerprint, index, columns, about.defaults, about.origin)


def _digest(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()
