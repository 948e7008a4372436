"""The archive of a search. It stores each question and each finished evaluation on disk at once, in order."""

from collections.abc import Sequence
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from seminas.errors import UserError
from seminas.runs.metric import ACCURACY, Metric
from seminas.runs.objectives import Objectives, scored
from seminas.runs.records import (
    ASKED,
    HISTORY,
    PENDING,
    REVISIONS,
    Question,
    Record,
    append,
    apply_revision,
    line_of,
    line_of_revision,
    read_lines,
    read_questions,
)
from seminas.runs.repeats import REPEATS, Repeat, best_records, final_choice, read_repeats
from seminas.storage.files import sync_folder


class Archive:
    """The history of one run folder.

    In a search of rounds, the history keeps the order in which the strategy asked for architectures. If an evaluation
    ends early, ``pending.jsonl`` holds it until all evaluations before it have ended. So a kill loses no finished
    evaluation. If an evaluator measures architectures again after a round, ``revisions.jsonl`` keeps the new
    values. The records then hold the latest values.

    In an asynchronous search, the history keeps the order in which the evaluations ended. ``asked.jsonl`` holds the
    questions. Second trainings at the end of a search are in ``repeats.jsonl``, and not in the history.

    Attributes:
        folder: Run folder.
        metric: Metric whose values the records have.
        imported: Imported evaluations, which come before the history.
        records: Records of the history, in order.
        questions: Questions of an asynchronous search, in order.
        repeats: Second trainings, in the order of their ends.
        failures: Records of the evaluations that failed.
        cost_s: Cost of all evaluations and second trainings together, in seconds.
        cost: Cost of all evaluations and second trainings together, in full trainings.
        revised: Last round after which the evaluator measured again, or -1.
        objectives: Several objectives, see ``pursue``. None in a search for one metric.
    """

    objectives: Objectives | None = None
    _num_first = 0

    def __init__(self, folder: Path, metric: Metric = ACCURACY) -> None:
        """Open or create the history in a folder whose lock this process holds.

        Args:
            folder: Run folder.
            metric: Metric that the search optimizes.

        Raises:
            UserError: The history cannot be written, or one of its lines is no valid record.
        """
        self.folder, self.metric = folder, metric
        self._path, self._pending_path = folder / HISTORY, folder / PENDING
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab")
            self._asked_file: BinaryIO | None = None
            sync_folder(folder)
        except OSError as error:
            raise UserError(f"{self._path}: cannot be written ({error.strerror})") from error
        lines = read_lines(self._path, Record)
        self.imported = [record for record in lines if record.index < 0]
        self.records = lines[len(self.imported) :]
        for i, record in enumerate(self.records):
            if record.index != i:
                raise UserError(f"{self._path}: line {len(self.imported) + i + 1} has index {record.index}")
        self._pending = {
            r.index: r for r in read_lines(self._pending_path, Record) if r.index >= len(self.records)
        }
        self.revised = apply_revision(folder, self.records)
        self.questions = read_questions(folder, self.records)
        self.repeats = read_repeats(folder, lines)
        self._count()

    def pursue(self, objectives: Objectives, num_first: int) -> None:
        """Prepare for several objectives. ``num_first`` is the number of evaluations in the first round."""
        self.objectives, self._num_first = objectives, num_first

    def reference_scores(self) -> NDArray[np.float64]:
        """Return the scores of the reference point of the objectives, ``[k]``, see ``Objectives.reference``."""
        assert self.objectives is not None
        # The values of short trainings are on another scale.
        full = (record for record in chain(self.imported, self.records) if not record.partial)
        first = list(islice(full, self._num_first))
        return self.objectives.reference(scored(self.objectives, first)[1])

    def _count(self) -> None:
        """Compute the sums over all records."""
        self.failures: list[Record] = []
        self.cost_s = 0.0
        self.cost = 0.0
        self.best: Record | None = None
        """The record with the best value, the first of equal ones. None without a success."""
        self._first_of_round: dict[int, int] = {}
        for record in self.imported:
            self._compare(record)
        for record in self.records:
            self._include(record)
        for repeat in self.repeats:
            self._pay(repeat)

    def _include(self, record: Record) -> None:
        """Include a record in the sums."""
        self._first_of_round.setdefault(record.round, record.index)
        self.cost_s += record.cost_s
        self.cost += 1.0 if record.cost is None else record.cost
        if record.value is None:
            self.failures.append(record)
        self._compare(record)

    def _compare(self, record: Record) -> None:
        """Keep the record if it is the best so far."""
        best = None if self.best is None else self.best.value
        if record.final is not None and self.metric.better(record.final, best):
            self.best = record

    def _pay(self, repeat: Repeat) -> None:
        """Include the cost of a second training in the sums."""
        self.cost_s += repeat.cost_s
        self.cost += 1.0

    def __len__(self) -> int:
        return len(self.records)

    def round(self, number: int) -> list[Record]:
        """Return the records of a round, in order."""
        first = self._first_of_round.get(number, len(self.records))
        return self.records[first : self._first_of_round.get(number + 1, len(self.records))]

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
                append(file, self._pending_path, line_of(record, self.metric))
        self._pending[record.index] = record
        return self._take_turns()

    def revise(self, number: int, values: Sequence[float | None]) -> None:
        """Store new values of all records.

        Args:
            number: Round after which the architectures were measured again.
            values: New value of each record, or None for a failed evaluation.

        Raises:
            UserError: The values cannot be written.
        """
        line = line_of_revision(number, values, self.metric)
        path = self.folder / REVISIONS
        with path.open("ab") as file:
            append(file, path, line)
        self.revised = apply_revision(self.folder, self.records)
        self._count()

    def ask(self, question: Question) -> None:
        """Store a question on disk, before its evaluation begins.

        Raises:
            UserError: The question cannot be written.
        """
        path = self.folder / ASKED
        if self._asked_file is None:
            self._asked_file = path.open("ab")
            sync_folder(self.folder)
        append(self._asked_file, path, line_of(question))
        self.questions.append(question)

    def best_records(self, number: int) -> list[Record]:
        """Return at most ``number`` records with the best values, best first, imported ones among them."""
        return best_records([*self.imported, *self.records], number, self.metric)

    def repeat(self, repeat: Repeat) -> None:
        """Store a second training on disk.

        Raises:
            UserError: The line cannot be written.
        """
        path = self.folder / REPEATS
        with path.open("ab") as file:
            sync_folder(self.folder)
            append(file, path, line_of(repeat, self.metric))
        self.repeats.append(repeat)
        self._pay(repeat)

    @property
    def choice(self) -> tuple[Record, float] | None:
        """The record of the architecture that the search returns, and its value. None without a success.

        With second trainings, the value is the mean of the two trainings of the architecture.
        """
        chosen = final_choice([*self.imported, *self.records], self.repeats, self.metric)
        if chosen is None and self.best is not None and self.best.value is not None:
            return self.best, self.best.value
        return chosen

    @property
    def all_failures(self) -> list[Record | Repeat]:
        """The evaluations and the second trainings that failed, in order."""
        return [*self.failures, *(repeat for repeat in self.repeats if repeat.value is None)]

    def scores(self, records: Sequence[Record]) -> list[float | None]:
        """Return the score of each record, which a strategy maximizes. None means that the evaluation failed."""
        return self.metric.scores(record.value for record in records)

    def open_questions(self) -> list[Question]:
        """Return the questions whose evaluations have not ended, in order."""
        answered = {record.number for record in self.records}
        return [question for question in self.questions if question.number not in answered]

    def _take_turns(self) -> list[Record]:
        gained = []
        while len(self.records) in self._pending:
            record = self._pending[len(self.records)]
            append(self._file, self._path, line_of(record, self.metric))
            self.records.append(record)
            self._include(record)
            gained.append(self._pending.pop(record.index))
        if not self._pending:
            self._pending_path.unlink(missing_ok=True)
        return gained

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._asked_file is not None:
            self._asked_file.close()


class MemoryArchive(Archive):
    """An archive without a folder, for questions and evaluations that end with the process."""

    def __init__(self, metric: Metric = ACCURACY) -> None:
        self.folder, self.metric = Path(), metric
        self.imported, self.records, self.questions, self.revised = [], [], [], -1
        self.repeats = []
        self._pending: dict[int, Record] = {}
        self._count()

    def add(self, record: Record) -> list[Record]:
        """Keep an evaluation, and return it in a list."""
        self.records.append(record)
        self._include(record)
        return [record]

    def ask(self, question: Question) -> None:
        """Keep a question."""
        self.questions.append(question)

    def close(self) -> None:
        """Do nothing, as there is no file."""
