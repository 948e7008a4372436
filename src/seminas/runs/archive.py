"""Every evaluation in order, on disk before the next one starts."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO

from seminas.errors import UserError
from seminas.storage.files import as_json, parse_json, sync_folder
from seminas.storage.values import Json

HISTORY, PENDING, REVISIONS = "history.jsonl", "pending.jsonl", "revisions.jsonl"


@dataclass(frozen=True)
class Record:
    """One evaluation: a line of ``history.jsonl``.

    Attributes:
        index: Place in the history, from 0.
        round: Of the search, from 0.
        architecture: As the space writes it in JSON.
        key: The space's name for it.
        val_accuracy: A fraction, None where the evaluation failed.
        cost_s: Seconds.
        prediction: What the strategy expected, a fraction, None where it expected nothing.
        error: Why it failed, in one line.
    """

    index: int
    round: int
    architecture: Json
    key: str
    val_accuracy: float | None
    cost_s: float
    prediction: float | None = None
    error: str | None = None


class Archive:
    """The history of one run folder.

    The history's order is the order in which the strategy asked. An evaluation that ends before its turn waits in
    ``pending.jsonl``, so that a kill loses none. If an evaluator measures architectures again after a round,
    ``revisions.jsonl`` keeps the new accuracies, and the records hold the latest ones.

    Attributes:
        folder: The run folder.
        records: The history.
        revised: The last round that was measured again, -1 for none.
    """

    def __init__(self, folder: Path) -> None:
        """Open or create the history in a folder that this process holds.

        Raises:
            UserError: It cannot be written, or holds a line that is no record.
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
        """The first record of the highest validation accuracy."""
        done = [r for r in self.records if r.val_accuracy is not None]
        return max(done, key=lambda r: (r.val_accuracy, -r.index), default=None)

    @property
    def failures(self) -> list[Record]:
        """Evaluations that failed."""
        return [r for r in self.records if r.val_accuracy is None]

    def round(self, number: int) -> list[Record]:
        """Return the records of a round, in order."""
        return [r for r in self.records if r.round == number]

    def expect(self, keys: dict[int, str]) -> list[Record]:
        """Drop what ended before its turn but is not asked for any more; returns as ``add``."""
        self._pending = {i: record for i, record in self._pending.items() if keys.get(i) == record.key}
        return self._take_turns()

    def holds(self, index: int) -> bool:
        """Whether the evaluation at ``index`` is done, in the history or waiting for its turn."""
        return index < len(self.records) or index in self._pending

    def add(self, record: Record) -> list[Record]:
        """Write an evaluation down for good; returns what the history has gained, in order.

        Raises:
            UserError: It cannot be written (a full disk); what was written before stays readable.
        """
        if record.index != len(self.records):
            with self._pending_path.open("ab") as file:
                _append(file, self._pending_path, _line(record))
        self._pending[record.index] = record
        return self._take_turns()

    def revise(self, number: int, accuracies: Sequence[float | None]) -> None:
        """Write down what all records are worth after a round, as measured again.

        Raises:
            UserError: It cannot be written.
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
        """Let go of the folder."""
        self._file.close()


def read_history(folder: Path) -> list[Record]:
    """Return the records of a run folder, also of one that is being written.

    Raises:
        UserError: A line, other than a half-written last one, is no record.
    """
    records = _read(folder / HISTORY, repair=False)
    _revise(folder, records)
    return records


def _line(record: Record) -> bytes:
    return as_json(asdict(record))


def _revise(folder: Path, records: list[Record]) -> int:
    """Put the last revision of a folder into records; returns its round, -1 for none."""
    path = folder / REVISIONS
    if not path.exists():
        return -1
    whole = path.read_bytes().rpartition(b"\n")[0].splitlines()
    if not whole:
        return -1
    try:
        last = parse_json(whole[-1])
        number, values = int(last["round"]), last["val_accuracies"]
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: line {len(whole)} is no revision ({error})") from error
    for i, (record, value) in enumerate(zip(records, values, strict=False)):
        records[i] = replace(record, val_accuracy=value)
    return number


def _append(file: BinaryIO, path: Path, data: bytes) -> None:
    """Write a line and wait for the disk; a line that does not fit is taken back."""
    end = os.fstat(file.fileno()).st_size
    try:
        while data:
            data = data[os.write(file.fileno(), data) :]
        os.fsync(file.fileno())
    except OSError as error:
        os.ftruncate(file.fileno(), end)
        raise UserError(f"{path}: cannot be written ({error.strerror}), {end} bytes are kept") from error


def _read(path: Path, repair: bool = True) -> list[Record]:
    """Read lines; a half-written last one is dropped, from the file as well where ``repair``."""
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
            records.append(Record(**parse_json(line)))
        except (ValueError, TypeError) as error:
            raise UserError(f"{path}: line {number} is no record of an evaluation ({error})") from error
    return records
