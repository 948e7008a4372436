"""Tables of evaluated architectures, packed into one file that loads at once and executes nothing."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seminas.errors import UserError
from seminas.files import atomic_write
from seminas.spaces.base import EnumerableSpace

VERSION = 1


@dataclass(frozen=True)
class Table:
    """Evaluated architectures of a space.

    Attributes:
        space: The space's name.
        fingerprint: Of the space's enumeration, which ``index`` refers to.
        index: Ascending, ``[n]``.
        val: Validation accuracies of R trainings, fractions, ``[n, R]``.
        test: Test accuracies, fractions, ``[n, R']``; None where there are none.
        cost_s: Seconds of training, ``[n]``; None where they are not known.
        origin: Where the numbers are from: file, its SHA-256, columns.
    """

    space: str
    fingerprint: str
    index: NDArray[np.int64]
    val: NDArray[np.float64]
    test: NDArray[np.float64] | None
    cost_s: NDArray[np.float64] | None
    origin: dict[str, Any]

    def __len__(self) -> int:
        return len(self.index)

    def rows(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each architecture, given by its index in the space, ``[m]``.

        Raises:
            KeyError: The table does not hold it.
        """
        place = np.searchsorted(self.index, index).clip(max=len(self) - 1)
        missing = np.flatnonzero(self.index[place] != index)
        if len(missing):
            raise KeyError(int(np.asarray(index)[missing[0]]))
        return place


def save_table(table: Table, path: Path) -> None:
    """Write the packed file (``.npz``: arrays without pickles, a JSON text, the SHA-256 of both)."""
    arrays = {"index": table.index, "val": table.val, "test": table.test, "cost_s": table.cost_s}
    present: dict[str, Any] = {name: array for name, array in arrays.items() if array is not None}
    about = {
        "format": "seminas-table",
        "version": VERSION,
        "space": table.space,
        "fingerprint": table.fingerprint,
        "origin": table.origin,
    }
    text = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    with atomic_write(path) as file:
        np.savez_compressed(
            file, about=text, sha256=np.frombuffer(_digest(text, present), dtype=np.uint8), **present
        )


def load_table(path: Path, space: EnumerableSpace[Any]) -> Table:
    """Read a packed file.

    Raises:
        UserError: It is not there, damaged, no table, or of another space.
    """
    table = read_table(path)
    if table.space != space.name:
        raise UserError(f"{path}: is a table of space={table.space}, not of space={space.name}")
    if table.fingerprint != space.fingerprint():
        raise UserError(f"{path}: was packed with another enumeration of {space.name}: import it again")
    return table


def read_table(path: Path) -> Table:
    """Read a packed file of any space; raises as ``load_table``."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file") from error
    except Exception as error:  # A damaged archive makes zipfile and zlib raise almost anything.
        raise UserError(f"{path}: is no packed table, or a damaged one; see seminas data import") from error
    try:
        text, digest = arrays.pop("about"), arrays.pop("sha256")
        about = json.loads(text.tobytes())
        known = about["format"] == "seminas-table" and about["version"] == VERSION
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path}: is no packed table; see seminas data import") from error
    if not known:
        raise UserError(
            f"{path}: is a table of version {about.get('version')}, not {VERSION}: import it again"
        )
    if digest.tobytes() != _digest(text, arrays):
        raise UserError(f"{path}: its SHA-256 does not match its contents: it was damaged or changed")
    return Table(
        about["space"],
        about["fingerprint"],
        arrays["index"],
        arrays["val"],
        arrays.get("test"),
        arrays.get("cost_s"),
        about["origin"],
    )


def _digest(text: NDArray[np.uint8], arrays: dict[str, NDArray[Any]]) -> bytes:
    digest = hashlib.sha256(text.tobytes())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()
