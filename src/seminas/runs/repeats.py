"""Second trainings of the best architectures of a search, in ``repeats.jsonl``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from seminas.errors import UserError
from seminas.runs.metric import Metric
from seminas.runs.records import VALUE, Record, read_lines

REPEATS = "repeats.jsonl"


@dataclass(frozen=True)
class Repeat:
    """One second training: a line of ``repeats.jsonl``.

    Attributes:
        index: Position in the history of the first evaluation of the architecture. Imported evaluations have negative
            positions.
        key: Name of the architecture in its space.
        value: Value of the metric, as in ``Record``. None if the training failed.
        cost_s: Cost of the training in seconds.
        ended_s: Time of its end since the start of the search, in seconds of the clock or of the simulated clock.
        error: Reason of a failure, in one line. None if the training succeeded.
    """

    NAME: ClassVar[str] = "record of a second training"
    RENAMED: ClassVar[Mapping[str, str]] = {VALUE: "value"}

    index: int
    key: str
    value: float | None
    cost_s: float
    ended_s: float
    error: str | None = None


def read_repeats(folder: Path, records: Sequence[Record]) -> list[Repeat]:
    """Return the second trainings of a run folder, in the order of their ends, and delete an incomplete last line.

    Args:
        folder: Run folder.
        records: Imported evaluations and records of the history.

    Raises:
        UserError: A line is no valid record, or it does not fit the history.
    """
    path = folder / REPEATS
    repeats = read_lines(path, Repeat)
    key_of = {record.index: record.key for record in records}
    for number, repeat in enumerate(repeats, start=1):
        if key_of.pop(repeat.index, None) != repeat.key:
            raise UserError(f"{path}: line {number} is the second training of no evaluation")
    return repeats


def num_repeats(folder: Path) -> int:
    """Return the number of second trainings of a run folder. The run may still be writing them.

    Raises:
        UserError: A line is no valid record. An incomplete last line is no error.
    """
    return len(read_lines(folder / REPEATS, Repeat, repair=False))


def best_records(records: Sequence[Record], number: int, metric: Metric) -> list[Record]:
    """Return at most ``number`` records with the best values, best first. Equal ones keep their order."""
    pairs = [(metric.score(record.final), record) for record in records if record.final is not None]
    return [record for _, record in sorted(pairs, key=lambda pair: -pair[0])[:number]]


def final_choice(
    records: Sequence[Record], repeats: Sequence[Repeat], metric: Metric
) -> tuple[Record, float] | None:
    """Return the record with the best mean of its two trainings, and this mean.

    Of equal means, the record with the better first training is chosen. Return None if no second training succeeded.
    """
    second = {repeat.index: repeat.value for repeat in repeats if repeat.value is not None}
    means = [
        (record, (record.final + second[record.index]) / 2)
        for record in best_records(records, len(records), metric)
        if record.final is not None and record.index in second
    ]
    return max(means, key=lambda pair: metric.score(pair[1]), default=None)
