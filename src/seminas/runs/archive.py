"""The archive of a search. It stores each finished evaluation on disk at once, and keeps them in order."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO, TypedDict

from seminas.errors import UserError
from seminas.storage.files import as_json, parse_json, sync_folder
from seminas.storage.typed import typed
from seminas.storage.values import Json

HISTORY, PENDING, REVISIONS = "history.jsonl", "pending.jsonl", "revisions.jsonl"


@dataclass(frozen=True)
class Record:
    """One evaluation: a line of ``history.jsonl``.

    Attributes:
        index: Position in the history, from 0.
        round: Round of the search, from 0.
        architecture: Architecture in the JSON form of its space.
        key: Name of the architecture in its space.
        val_accuracy: Validation accuracy, a fraction. None if the evaluation failed.
        cost_s: Cost of the evaluation in seconds.
        prediction: Validation accuracy that the strategy predicted, a fraction. None without a prediction.
        error: Reason of a failure, in one line. None if the evaluation succeeded.
    """

    index: int
    round: int
    architecture: Json
    key: str
    val_accuracy: float | None
    cost_s: float
    prediction: float | None = None
    error: str | None = None


class _Revision(TypedDict):
    round: int
    val_accuracies: list[float | None]


class Archive:
    """The history of one run folder.

    The history keeps the order in which the strategy asked for architectures. If an evaluation ends early,
    ``pending.jsonl`` holds it until all evaluations before it have ended. So a kill loses no finished evaluation. If an
    evaluator measures architectures again after a round, ``revisions.jsonl`` keeps the new accuracies. The records
    then hold the latest accuracies.

    Attributes:
        folder: Run folder.
        records: Records of the history, in order.
        revised: Last round after which the evaluator measured again, or -1.
    """

    def __init__(self, folder: Path) -> None:
        """Open or create the history in a folder whose lock this process holds.

        Raises:
            UserError: The history cannot be written, or one of its lines is no valid record.
        """
        self.folder = folder
        self._path, self._pending_path = folder / HISTORY, folder / PENDING
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab")
            sync_folder(folder)
        except OSError as error:
            raise UserError(f"{self._path}: cannot be written ({error.strerror})") from error
        self.records = _read(self._path)
        for i, record in enumerate(self.records):
            if record.index != i:
                raise UserError(f"{self._path}: line {i + 1} has index {record.index}")
        self._pending = {r.index: r for r in _read(self._pending_path) if r.index >= len(self.records)}
        self.revised = _revise(folder, self.records)

    def __len__(self) -> int:
        return len(self.records)

    @property
    def best(self) -> Record | None:
        """The record with the highest validation accuracy, the first of equal ones. None without a success."""
        done = [r for r in self.records if r.val_accuracy is not None]
        return max(done, key=lambda r: (r.val_accuracy, -r.index), default=None)

    @property
    def cost_s(self) -> float:
        """Cost of all evaluations together, in seconds."""
        return sum(record.cost_s for record in self.records)

    @property
    def failures(self) -> list[Record]:
        """Records of the evaluations that failed."""
        return [r for r in self.records if r.val_accuracy is None]

    def round(self, number: int) -> list[Record]:
        """Return the records of a round, in order."""
        return [r for r in self.records if r.round == number]

    def expect(self, keys: dict[int, str]) -> list[Record]:
        """Drop the pending evaluations that the search does not ask for.

        Args:
            keys: Key of each architecture that the search asks for, by its position in the history.

        Returns:
            The records that move from ``pending.jsonl`` to the history, in order.

        Raises:
            UserError: The history cannot be written.
        """
        self._pending = {i: record for i, record in self._pending.items() if keys.get(i) == record.key}
        return self._take_turns()

    def holds(self, index: int) -> bool:
        """Return whether the archive has the evaluation at ``index``, in the history or among the pending ones."""
        return index < len(self.records) or index in self._pending

    def add(self, record: Record) -> list[Record]:
        """Store an evaluation on disk.

        Returns:
            The new records of the history, in order. The list is empty if an earlier evaluation has not ended.

        Raises:
            UserError: The record cannot be written, for example on a full disk. Earlier records stay readable.
        """
        if record.index != len(self.records):
            with self._pending_path.open("ab") as file:
                _append(file, self._pending_path, _line(record))
        self._pending[record.index] = record
        return self._take_turns()

    def revise(self, number: int, accuracies: Sequence[float | None]) -> None:
        """Store new accuracies of all records.

        Args:
            number: Round after which the architectures were measured again.
            accuracies: New validation accuracy of each record, a fraction, or None for a failed evaluation.

        Raises:
            UserError: The accuracies cannot be written.
        """
        line = as_json({"round": number, "val_accuracies": list(accuracies)})
        path = self.folder / REVISIONS
        with path.open("ab") as file:
            _append(file, path, line)
        self.revised = _revise(self.folder, self.records)

    def _take_turns(self) -> list[Record]:
        gained = []
        while len(self.records) in self._pending:
            record = self._pending[len(self.records)]
            _append(self._file, self._path, _line(record))
            self.records.append(record)
            gained.append(self._pending.pop(record.index))
        if not self._pending:
            self._pending_path.unlink(missing_ok=True)
        return gained

    def close(self) -> None:
        """Close the history file."""
        self._file.close()


def read_history(folder: Path) -> list[Record]:
    """Return the records of a run folder. The run may still be writing them.

    Raises:
        UserError: A line is no valid record. An incomplete last line is no error.
    """
    records = _read(folder / HISTORY, repair=False)
    _revise(folder, records)
    return records


def _line(record: Record) -> bytes:
    return as_json(asdict(record))


def _revise(folder: Path, records: list[Record]) -> int:
    """Give the records the accuracies of the last revision.

    Returns:
        The round of the revision, or -1 if the folder has none.

    Raises:
        UserError: The last line of ``revisions.jsonl`` is no valid revision.
    """
    path = folder / REVISIONS
    if not path.exists():
        return -1
    whole = path.read_bytes().rpartition(b"\n")[0].splitlines()
    if not whole:
        return -1
    try:
        last: _Revision = typed(parse_json(whole[-1]), _Revision)
    except ValueError as error:
        raise UserError(f"{path}: line {len(whole)} is no revision ({error})") from error
    for i, (record, value) in enumerate(zip(records, last["val_accuracies"], strict=False)):
        records[i] = replace(record, val_accuracy=value)
    return last["round"]


def _append(file: BinaryIO, path: Path, data: bytes) -> None:
    """Write a line, and wait until it is on disk. If only a part can be written, remove this part.

    Raises:
        UserError: The line cannot be written.
    """
    end = os.fstat(file.fileno()).st_size
    try:
        while data:
            data = data[os.write(file.fileno(), data) :]
        os.fsync(file.fileno())
    except OSError as error:
        os.ftruncate(file.fileno(), end)
        raise UserError(f"{path}: cannot be written ({error.strerror}), {end} bytes are kept") from error


def _read(path: Path, repair: bool = True) -> list[Record]:
    """Return the records in a file. Ignore an incomplete last line, and with ``repair`` also delete it from the file.

    Raises:
        UserError: Another line is no valid record.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    whole = data.rfind(b"\n") + 1
    if whole < len(data) and repair:
        os.truncate(path, whole)
    records = []
    for number, line in enumerate(data[:whole].splitlines(), start=1):
        try:
            records.append(typed(parse_json(line), Record))
        except ValueError as error:
            raise UserError(f"{path}: line {number} is no record of an evaluation ({error})") from error
    return records
