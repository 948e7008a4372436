"""Test the asynchronous loop: what it asks, what it stores, how it goes on and how it ends."""

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seminas.config.search import SearchSettings
from seminas.errors import UserError
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation
from seminas.evaluators.workers import Simulated, Workers
from seminas.loop.asynchronous import is_asynchronous, run_asynchronously
from seminas.loop.interrupts import noticed_interrupts
from seminas.loop.limits import Limits
from seminas.loop.observers import Observer
from seminas.loop.rounds import run_rounds
from seminas.loop.search import Search
from seminas.runs.archive import Archive
from seminas.spaces.nasbench101 import Cell, NASBench101
from seminas.spaces.subset import Subset
from seminas.strategies.base import Strategy
from strategies import MAKERS

SIZES = [10, 5, 5, 4]


def accuracy(cell: Cell) -> float | None:
    """Return the accuracy of a cell, or None for about one cell in five."""
    return None if cell.edges % 5 == 0 else 0.5 + 0.01 * (cell.operations % 40)


class Recorded(Evaluator[Cell]):
    """An evaluator on a simulated clock. An evaluation takes 1 to 5 seconds."""

    simulates_time = True

    def __init__(self, num_workers: int) -> None:
        self.number = num_workers
        self.evaluated: list[Cell] = []

    def workers(self) -> Workers[Cell]:
        return Simulated(self.evaluate, self.number)

    def evaluate(self, architectures: Sequence[Cell]) -> Iterator[tuple[int, Evaluation]]:
        self.evaluated += architectures
        for i, cell in enumerate(architectures):
            value = accuracy(cell)
            yield i, Evaluation(value, 1.0 + cell.edges % 5, None if value else "broken")


class Sized(Recorded):
    """An evaluator whose seconds follow from the number of edges of a cell."""

    def evaluate(self, architectures: Sequence[Cell]) -> Iterator[tuple[int, Evaluation]]:
        for i, cell in enumerate(architectures):
            yield i, Evaluation(0.5, float(cell.edges.bit_count() ** 2))


class InThreads(Evaluator[Cell], Workers[Cell]):
    """An evaluator in real time. The test decides when an evaluation ends."""

    def __init__(self, num_workers: int) -> None:
        self.number = num_workers
        self.open: dict[int, Cell] = {}
        self.most = 0
        self.rng = np.random.default_rng(0)

    @property
    def num_workers(self) -> int:
        return self.number

    def workers(self) -> Workers[Cell]:
        return self

    def begin(self, ticket: int, architecture: Cell, at_s: float | None = None) -> None:
        self.open[ticket] = architecture
        self.most = max(self.most, len(self.open))

    def wait(self, timeout_s: float | None = None) -> list[tuple[int, Evaluation]]:
        ticket = int(self.rng.choice(sorted(self.open)))
        value = accuracy(self.open.pop(ticket))
        return [(ticket, Evaluation(value, 1.0, None if value else "broken"))]

    def drop_waiting(self) -> list[int]:
        return []


class Killed(BaseException):
    """A simulated kill of the process."""


class KillsAfter(Observer):
    """An observer that kills the search after so many evaluations or questions of this process."""

    def __init__(self, evaluations: int = 1000, questions: int = 1000) -> None:
        self.evaluations, self.questions = evaluations, questions

    def evaluated(self, records: Any) -> None:
        self.evaluations -= len(records)
        if self.evaluations < 0:
            raise Killed

    def running(self, number: int) -> None:
        self.questions -= 1
        if self.questions < 0:
            raise Killed


@pytest.fixture
def part(space: NASBench101) -> Subset[Cell]:
    return Subset(space, np.arange(1000, 1400))


def searched(
    folder: Path,
    strategy: Strategy[Cell],
    evaluator: Evaluator[Cell],
    run: Callable[[Search, Sequence[int]], None] = run_asynchronously,
    observer: Observer | None = None,
    sizes: Sequence[int] = SIZES,
    **further: Any,
) -> tuple[Archive, Search]:
    archive = Archive(folder)
    search = Search(strategy.space, evaluator, strategy, archive, observer or Observer(), 100, **further)
    try:
        run(search, sizes)
    finally:
        archive.close()
    return archive, search


def files(folder: Path) -> tuple[str, str]:
    return (folder / "asked.jsonl").read_text(), (folder / "history.jsonl").read_text()


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.long if n in ("paper", "nao") else ()) for n in MAKERS]
)
def test_the_log_of_many_workers_can_be_replayed(tmp_path: Path, part: Subset[Cell], name: str) -> None:
    """Check that each question follows from the seed and from the events before it, in a process of its own."""
    make: Any = MAKERS[name]
    archive, search = searched(tmp_path, make(part, 0), Recorded(4))
    questions = archive.questions
    assert len(questions) == len(archive) == sum(SIZES) and search.ended_by == "max_queries"
    assert len({question.key for question in questions}) == len(questions)
    assert [question.known for question in questions] != sorted({question.number for question in questions})
    strategy, known, pending = make(part, 0), 0, {}
    strategy.start(SIZES)
    for question in questions:
        for record in archive.records[known : question.known]:
            cell = part.from_json(record.architecture)
            strategy.tell([cell], [record.val_accuracy])
            del pending[cell]
        known = question.known
        (cell,) = strategy.ask(1, pending).architectures
        assert part.key(cell) == question.key
        pending[cell] = None


@pytest.mark.parametrize(
    "name",
    [
        "random",
        pytest.param("seminas", marks=pytest.mark.long),
        pytest.param("nao", marks=pytest.mark.long),
        "evolution",
        "bananas",
        pytest.param("seminas_evolution", marks=pytest.mark.long),
    ],
)
def test_with_one_worker_it_asks_what_rounds_ask(tmp_path: Path, part: Subset[Cell], name: str) -> None:
    make: Any = MAKERS[name]
    one, _ = searched(tmp_path / "one", make(part, 0), Recorded(1))
    rounds, _ = searched(tmp_path / "rounds", make(part, 0), Recorded(1), run_rounds)
    assert [r.key for r in one.records] == [r.key for r in rounds.records]
    assert [r.round for r in one.records] == [r.round for r in rounds.records]


@pytest.mark.parametrize(
    ("evaluations", "questions", "name"),
    [
        *product([0, 7, 22], [1000], ["gaussian_process", "local_search", "evolution"]),
        *product([1000], [0, 14], ["gaussian_process", "local_search", "evolution"]),
        (1000, 14, "seminas"),
        *(
            pytest.param(*kill, "seminas", marks=pytest.mark.long)
            for kill in ((0, 1000), (7, 1000), (22, 1000), (1000, 0))
        ),
    ],
)
def test_a_killed_search_goes_on_as_if_it_had_not_been_killed(
    tmp_path: Path, part: Subset[Cell], name: str, evaluations: int, questions: int
) -> None:
    make: Any = MAKERS[name]
    searched(tmp_path / "whole", make(part, 0), Recorded(3))
    folder, before, after = tmp_path / "killed", Recorded(3), Recorded(3)
    with pytest.raises(Killed):
        searched(folder, make(part, 0), before, observer=KillsAfter(evaluations, questions))
    finished = len(Archive(folder))
    searched(folder, make(part, 0), after)
    assert files(folder) == files(tmp_path / "whole")
    assert len(after.evaluated) == sum(SIZES) - finished  # No finished evaluation is repeated.


@pytest.mark.parametrize("cut", [1, 30])
@pytest.mark.parametrize("name", ["asked.jsonl", "history.jsonl"])
def test_a_line_that_a_kill_cut_is_written_again(
    tmp_path: Path, part: Subset[Cell], name: str, cut: int
) -> None:
    searched(tmp_path / "whole", MAKERS["evolution"](part, 0), Recorded(3))  # type: ignore[arg-type]
    folder = tmp_path / "cut"
    observer = KillsAfter(questions=12) if name == "asked.jsonl" else KillsAfter(evaluations=12)
    with pytest.raises(Killed):
        searched(folder, MAKERS["evolution"](part, 0), Recorded(3), observer=observer)  # type: ignore[arg-type]
    file = folder / name
    file.write_bytes(file.read_bytes()[:-cut])
    searched(folder, MAKERS["evolution"](part, 0), Recorded(3))  # type: ignore[arg-type]
    assert files(folder) == files(tmp_path / "whole")


@pytest.mark.parametrize("name", ["seminas", "evolution", "gaussian_process", "local_search"])
def test_proposals_of_a_thread_can_be_replayed_too(tmp_path: Path, part: Subset[Cell], name: str) -> None:
    make: Any = MAKERS[name]
    evaluator = InThreads(3)
    archive, _ = searched(tmp_path, make(part, 0), evaluator)
    assert len(archive) == sum(SIZES) and evaluator.most == 3 and not evaluator.open
    assert len({record.key for record in archive.records}) == len(archive)
    assert sorted(r.number for r in archive.records if r.number is not None) == list(range(sum(SIZES)))
    strategy, known, pending = make(part, 0), 0, {}
    strategy.start(SIZES)
    for question in archive.questions:
        for record in archive.records[known : question.known]:
            cell = part.from_json(record.architecture)
            strategy.tell([cell], [record.val_accuracy])
            pending.pop(cell)
        known = max(known, question.known)
        (cell,) = strategy.ask(1, pending).architectures
        assert part.key(cell) == question.key
        pending[cell] = None
    assert not any(thread.name == "proposals" for thread in threading.enumerate())


def test_no_worker_is_idle_while_there_is_work(tmp_path: Path, part: Subset[Cell]) -> None:
    archive, _ = searched(tmp_path, MAKERS["evolution"](part, 0), Recorded(4), sizes=[10] + [1] * 50)  # type: ignore[arg-type]
    ends = [r.ended_s for r in archive.records if r.ended_s is not None]
    begins = sorted(end - r.cost_s for end, r in zip(ends, archive.records, strict=True))
    assert ends == sorted(ends)
    assert begins[:4] == [0.0] * 4 and begins[4:] == ends[: len(begins) - 4]


def test_the_longest_of_the_last_evaluations_begin_first(tmp_path: Path, part: Subset[Cell]) -> None:
    archive, _ = searched(tmp_path, MAKERS["random"](part, 0), Sized(8), sizes=[60, 20])  # type: ignore[arg-type]
    last = archive.questions[-8:]
    assert {(q.known, q.asked_s) for q in last} == {(last[0].known, last[0].asked_s)}
    records = {r.number: r for r in archive.records}
    begins = {q.number: (records[q.number].ended_s or 0.0) - records[q.number].cost_s for q in last}
    order = sorted(last, key=lambda q: begins[q.number])
    costs = [records[q.number].cost_s for q in order]
    assert sum(costs[:4]) > sum(costs[4:])


def test_an_exhausted_space_ends_the_search(tmp_path: Path, space: NASBench101) -> None:
    tiny = Subset(space, np.arange(12))
    for evaluator in (Recorded(4), InThreads(4)):
        folder = tmp_path / type(evaluator).__name__
        archive, search = searched(folder, MAKERS["evolution"](tiny, 0), evaluator)  # type: ignore[arg-type]
        assert len(archive) == 12 and search.ended_by == "space"


@pytest.mark.parametrize(
    ("settings", "ended_by"),
    [
        (SearchSettings(target_accuracy=0.7), "target_accuracy"),
        (SearchSettings(max_hours=10 / 3600), "max_hours"),
    ],
)
def test_a_limit_ends_the_search_and_a_larger_one_goes_on(
    tmp_path: Path, part: Subset[Cell], settings: SearchSettings, ended_by: str
) -> None:
    make: Any = MAKERS["evolution"]
    archive, search = searched(tmp_path / "a", make(part, 0), Recorded(3), limits=Limits(settings))
    assert search.ended_by == ended_by and len(archive) < sum(SIZES)
    if ended_by == "target_accuracy":
        assert archive.best is archive.records[-1]
    else:
        assert all((record.ended_s or 0) <= 10 for record in archive.records[:-1])
    searched(tmp_path / "a", make(part, 0), Recorded(3))
    searched(tmp_path / "b", make(part, 0), Recorded(3))
    assert files(tmp_path / "a") == files(tmp_path / "b")


class Interrupted(InThreads):
    """An evaluator during which Ctrl-C comes, once or twice."""

    def __init__(self, times: int) -> None:
        super().__init__(3)
        self.times, self.waits = times, 0

    def wait(self, timeout_s: float | None = None) -> list[tuple[int, Evaluation]]:
        if self.waits < 5 and len(self.open) < self.number:
            return []  # An evaluation takes longer than a proposal.
        self.waits += 1
        if 5 <= self.waits < 5 + self.times:
            os.kill(os.getpid(), signal.SIGINT)
        return super().wait(timeout_s)


def test_ctrl_c_lets_running_evaluations_end_and_a_second_one_stops_at_once(
    tmp_path: Path, part: Subset[Cell]
) -> None:
    make: Any = MAKERS["evolution"]
    noticed: list[int] = []
    evaluator = Interrupted(1)
    with noticed_interrupts(lambda: noticed.append(len(evaluator.open))) as interrupts:
        archive, search = searched(tmp_path / "once", make(part, 0), evaluator, interrupts=interrupts)
    assert search.ended_by == "interrupt" and noticed == [3] and not evaluator.open
    assert len(archive) == len(archive.questions) == 7
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    evaluator = Interrupted(2)
    with pytest.raises(KeyboardInterrupt), noticed_interrupts(lambda: None) as interrupts:
        searched(tmp_path / "twice", make(part, 0), evaluator, interrupts=interrupts)
    archive, search = searched(tmp_path / "twice", make(part, 0), InThreads(3))
    assert len(archive) == sum(SIZES) and search.ended_by == "max_queries"


class InterruptsAfter(Observer):
    """An observer during which Ctrl-C comes after so many evaluations."""

    def __init__(self, evaluations: int) -> None:
        self.left = evaluations

    def evaluated(self, records: Any) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("evaluations", [3, 12, 23])
def test_ctrl_c_does_not_change_the_history_of_simulated_workers(
    tmp_path: Path, part: Subset[Cell], evaluations: int
) -> None:
    make: Any = MAKERS["evolution"]
    searched(tmp_path / "whole", make(part, 0), Recorded(4))
    folder = tmp_path / "interrupted"
    with noticed_interrupts(lambda: None) as interrupts:
        observer = InterruptsAfter(evaluations)
        archive, search = searched(
            folder, make(part, 0), Recorded(4), observer=observer, interrupts=interrupts
        )
    assert search.ended_by == "interrupt" and len(archive) == evaluations
    searched(folder, make(part, 0), Recorded(4))
    assert files(folder) == files(tmp_path / "whole")


def test_an_error_of_the_strategy_in_its_thread_ends_the_search(tmp_path: Path, part: Subset[Cell]) -> None:
    strategy: Any = MAKERS["evolution"](part, 0)  # type: ignore[arg-type]

    def fail(n: int, rng: Any) -> Any:
        raise RuntimeError("a mistake")

    strategy.propose = fail
    with pytest.raises(RuntimeError, match="a mistake"):
        searched(tmp_path, strategy, InThreads(3))


def test_the_log_of_another_seed_is_refused_and_left_alone(tmp_path: Path, part: Subset[Cell]) -> None:
    make: Any = MAKERS["evolution"]
    with pytest.raises(Killed):
        searched(tmp_path, make(part, 0), Recorded(3), observer=KillsAfter(5))
    before = files(tmp_path)
    with pytest.raises(UserError, match=r"asked.jsonl is not of this search"):
        searched(tmp_path, make(part, 1), Recorded(3))
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda asked: asked | {"number": 7}, r"asked.jsonl: line 3 has number 7"),
        (lambda asked: asked | {"known": 99}, r"asked.jsonl: line 3 has number 2 and known 99"),
        (lambda asked: asked | {"known": "x"}, r"asked.jsonl: line 3 is no question"),
        (lambda asked: asked | {"key": "another"}, r"history.jsonl: line \d+ is the answer to no line"),
        (lambda asked: None, r"asked.jsonl: line 3 is no question"),
    ],
)
def test_a_damaged_log_is_named_and_left_alone(
    tmp_path: Path, part: Subset[Cell], change: Callable[[dict[str, Any]], Any], line: str
) -> None:
    searched(tmp_path, MAKERS["evolution"](part, 0), Recorded(3))  # type: ignore[arg-type]
    file = tmp_path / "asked.jsonl"
    lines = file.read_text().splitlines()
    lines[2] = json.dumps(change(json.loads(lines[2])))
    file.write_text("\n".join(lines) + "\n")
    before = files(tmp_path)
    with pytest.raises(UserError, match=line):
        Archive(tmp_path)
    assert files(tmp_path) == before


def test_a_search_goes_on_as_it_has_begun(tmp_path: Path, part: Subset[Cell]) -> None:
    make: Any = MAKERS["evolution"]
    searched(tmp_path / "rounds", make(part, 0), Recorded(3), run_rounds)
    searched(tmp_path / "asynchronous", make(part, 0), Recorded(3))
    (tmp_path / "new").mkdir()
    rounds, asynchronous, new = (Archive(tmp_path / name) for name in ("rounds", "asynchronous", "new"))
    assert not is_asynchronous(rounds, None, 8, False) and is_asynchronous(asynchronous, None, 1, False)
    assert is_asynchronous(new, None, 2, False) and not is_asynchronous(new, None, 1, False)
    assert is_asynchronous(new, True, 1, False) and not is_asynchronous(new, False, 8, False)
    assert not is_asynchronous(new, None, 8, True)
    with pytest.raises(UserError, match="search.asynchronous=true: must be false"):
        is_asynchronous(new, True, 8, True)


def test_rounds_of_simulated_workers_wait_for_the_slowest(tmp_path: Path, part: Subset[Cell]) -> None:
    make: Any = MAKERS["random"]
    whole, _ = searched(tmp_path / "whole", make(part, 0), Recorded(4), run_rounds)
    times = [record.ended_s or 0.0 for record in whole.records]
    for number in range(1, len(SIZES)):
        slowest = max(t for t, r in zip(times, whole.records, strict=True) if r.round == number - 1)
        of_round = [(t, r.cost_s) for t, r in zip(times, whole.records, strict=True) if r.round == number]
        assert min(t - cost for t, cost in of_round) == slowest
    # The times of a killed search are those of one that was not killed.
    folder = tmp_path / "killed"
    shutil.copytree(tmp_path / "whole", folder)
    lines = (folder / "history.jsonl").read_text().splitlines(keepends=True)
    (folder / "history.jsonl").write_text("".join(lines[:13]))
    searched(folder, make(part, 0), Recorded(4), run_rounds)
    assert (folder / "history.jsonl").read_text() == "".join(lines)


def test_many_workers_evaluate_few_more_random_architectures_than_one(
    tmp_path: Path, part: Subset[Cell]
) -> None:
    """Check that the first round ends when it has been asked for, and half of it has arrived."""
    make: Any = MAKERS["bananas"]
    for workers, num_random in ((1, 10), (4, 10), (32, 36)):
        archive, _ = searched(tmp_path / str(workers), make(part, 0), Sized(workers), sizes=[10, *[5] * 9])
        fitted = [question.number for question in archive.questions if question.prediction is not None]
        assert fitted[0] == num_random and fitted == list(range(num_random, 55))
