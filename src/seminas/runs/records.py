"""Lines of the files of a search: evaluations, questions and revisions. They are read, written and checked here."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Protocol, TypedDict, TypeVar

from seminas.errors import UserError
from seminas.runs.metric import ACCURACY, Metric
from seminas.storage.files import as_json, parse_json, write_file
from seminas.storage.typed import typed
from seminas.storage.values import Json

HISTORY, PENDING, REVISIONS, ASKED = "history.jsonl", "pending.jsonl", "revisions.jsonl", "asked.jsonl"
VALUE, VALUES = "val_accuracy", "val_accuracies"
"""Names of values in the files of a search for the validation accuracy. Other searches call them value and values."""


@dataclass(frozen=True)
class Record:
    """One evaluation: a line of ``history.jsonl``.

    Attributes:
        index: Position in the history, from 0. Imported evaluations come before it and have negative positions.
        round: Round of the search, from 0.
        architecture: Architecture in the JSON form of its space.
        key: Name of the architecture in its space.
        value: Value of the metric that the search optimizes, by default the validation accuracy, a fraction. None if
            the evaluation failed. Its name in the file is ``val_accuracy`` for this accuracy, and ``value`` for others.
        cost_s: Cost of the evaluation in seconds.
        prediction: Value that the strategy predicted. None without a prediction.
        error: Reason of a failure, in one line. None if the evaluation succeeded.
        number: Number of its question, in an asynchronous search. Otherwise None.
        ended_s: Time of its end since the start of the search, in seconds of the clock or of the simulated clock. None
            in a simulated search with one worker, in which the costs give the times.
        source: Run folder or file from which the evaluation was imported. None for an evaluation of this run.
        origin: Part of the strategy from which the architecture came, such as ``gradient``. None if it names none.
        metrics: Values of further metrics by name.
        epochs: Number of epochs after which a search with fidelities measured the architecture. With a supernet, it is
            the number of validation images. Otherwise None.
        cost: Cost in full trainings, in a search with fidelities. A training that went on counts its new epochs alone.
        partial: True after a shorter training than a full one. Then the value is no candidate for the best one.
        feasible: Whether the architecture is within the limits of measured metrics. None without such limits, and for
            a failure. A value beyond a limit is no candidate for the best one.
    """

    NAME: ClassVar[str] = "record of an evaluation"
    RENAMED: ClassVar[Mapping[str, str]] = {VALUE: "value"}

    index: int
    round: int
    architecture: Json
    key: str
    value: float | None
    cost_s: float
    prediction: float | None = None
    error: str | None = None
    number: int | None = None
    ended_s: float | None = None
    source: str | None = None
    origin: str | None = None
    metrics: dict[str, float] = field(default_factory=dict, hash=False)
    epochs: int | None = None
    cost: float | None = None
    partial: bool | None = None
    feasible: bool | None = None

    @property
    def full(self) -> float | None:
        """The value, if it is of a full training. None for a shorter one or a failure."""
        return None if self.partial else self.value

    @property
    def final(self) -> float | None:
        """The value, if it may be the best one: of a full training, and within the limits of measured metrics."""
        return None if self.feasible is False else self.full

    @property
    def val_accuracy(self) -> float | None:
        """The value, where the metric is the validation accuracy."""
        return self.value


@dataclass(frozen=True)
class Question:
    """One question of an asynchronous search: a line of ``asked.jsonl``.

    The strategy answered it with an architecture. It knew the first ``known`` evaluations of the history, and all
    earlier questions. So the log gives the order of all events.

    Attributes:
        number: Position in the order of the questions, from 0.
        architecture: Architecture in the JSON form of its space.
        key: Name of the architecture in its space.
        known: Number of evaluations that the strategy knew.
        asked_s: Time of the question since the start of the search, in seconds of the clock or of the simulated clock.
        prediction: Value that the strategy predicted. None without a prediction.
        origin: Part of the strategy from which the architecture came, such as ``gradient``. None if it names none.
        epochs: Number of epochs that the training must reach, in a search with fidelities. Otherwise None.
        trained: Number of these epochs that earlier evaluations of the same architecture have trained.
    """

    NAME: ClassVar[str] = "question"
    RENAMED: ClassVar[Mapping[str, str]] = {}

    number: int
    architecture: Json
    key: str
    known: int
    asked_s: float
    prediction: float | None = None
    origin: str | None = None
    epochs: int | None = None
    trained: int | None = None


class Line(Protocol):
    """A dataclass whose objects are lines of a file.

    Attributes:
        NAME: Name of a line in errors.
        RENAMED: Name of the field for other names in the file.
    """

    NAME: ClassVar[str]
    RENAMED: ClassVar[Mapping[str, str]]


L = TypeVar("L", bound=Line)
_OPTIONAL = (
    *("number", "ended_s", "source", "origin", "metrics"),
    *("epochs", "trained", "cost", "partial", "feasible"),
)
"""Fields that only some searches have."""


class _Revision(TypedDict):
    round: int
    values: list[float | None]


def read_history(folder: Path) -> list[Record]:
    """Return the evaluations of a run folder, without imported ones. The run may still be writing them.

    Raises:
        UserError: A line is no valid record. An incomplete last line is no error.
    """
    records = [record for record in read_lines(folder / HISTORY, Record, repair=False) if record.index >= 0]
    apply_revision(folder, records)
    return records


def read_imported(folder: Path) -> list[Record]:
    """Return the imported evaluations of a run folder.

    Raises:
        UserError: A line is no valid record. An incomplete last line is no error.
    """
    return [record for record in read_lines(folder / HISTORY, Record, repair=False) if record.index < 0]


def write_imported(folder: Path, imported: Sequence[Record], metric: Metric = ACCURACY) -> None:
    """Begin the history of a run folder with imported evaluations. An existing file is replaced as a whole.

    Raises:
        UserError: The file cannot be written.
    """
    try:
        write_file(folder / HISTORY, b"".join(line_of(record, metric) for record in imported))
    except OSError as error:
        raise UserError(f"{folder / HISTORY}: cannot be written ({error.strerror})") from error


def read_questions(folder: Path, records: Sequence[Record]) -> list[Question]:
    """Return the questions of an asynchronous search, and delete an incomplete last line.

    The list is empty for a search of rounds.

    Args:
        folder: Run folder.
        records: Records of the history.

    Raises:
        UserError: A line is no valid question, or the history does not fit the questions.
    """
    path = folder / ASKED
    questions = read_lines(path, Question)
    for i, question in enumerate(questions):
        if question.number != i or not 0 <= question.known <= len(records):
            raise UserError(f"{path}: line {i + 1} has number {question.number} and known {question.known}")
    for record in records if questions else ():
        number = record.number
        if number is None or number >= len(questions) or questions[number].key != record.key:
            raise UserError(
                f"{folder / HISTORY}: line {record.index + 1} is the answer to no line of {ASKED}"
            )
    return questions


def line_of(line: Line, metric: Metric = ACCURACY) -> bytes:
    """Return a line of a file. Fields that only some searches have are left out if they are None or empty."""
    values = asdict(line)  # type: ignore[call-overload]
    for name in _OPTIONAL:
        if values.get(name, ...) in (None, {}):
            del values[name]
    return as_json(_renamed(values, {"value": VALUE}) if metric == ACCURACY else values)


def line_of_revision(number: int, values: Sequence[float | None], metric: Metric) -> bytes:
    """Return a line of ``revisions.jsonl``, see ``Archive.revise``."""
    return as_json({"round": number, VALUES if metric == ACCURACY else "values": list(values)})


def _renamed(values: Any, names: Mapping[str, str]) -> Any:
    """Return an object of JSON with other names of its fields, in the same order."""
    if not isinstance(values, dict) or any(new in values and old in values for old, new in names.items()):
        return values
    return {names.get(name, name): value for name, value in values.items()}


def apply_revision(folder: Path, records: list[Record]) -> int:
    """Give the records the values of the last revision.

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
        last: _Revision = typed(_renamed(parse_json(whole[-1]), {VALUES: "values"}), _Revision)
    except ValueError as error:
        raise UserError(f"{path}: line {len(whole)} is no revision ({error})") from error
    for i, (record, value) in enumerate(zip(records, last["values"], strict=False)):
        records[i] = replace(record, value=value)
    return last["round"]


def append(file: BinaryIO, path: Path, data: bytes) -> None:
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


def read_lines(path: Path, kind: type[L], repair: bool = True) -> list[L]:
    """Return the lines of a file. Ignore an incomplete last line, and with ``repair`` also delete it from the file.

    Args:
        path: File with a JSON object of this kind in each line.
        kind: Dataclass of the lines.
        repair: Whether to delete an incomplete last line.

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
    lines = []
    for number, line in enumerate(data[:whole].splitlines(), start=1):
        try:
            lines.append(typed(_renamed(parse_json(line), kind.RENAMED), kind))
        except ValueError as error:
            raise UserError(f"{path}: line {number} is no {kind.NAME} ({error})") from error
    return lines
