"""Test the search loop with evaluators that give invalid answers."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seminas.errors import UserError
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation
from seminas.loop.observers import Observer
from seminas.loop.rounds import run_rounds
from seminas.loop.search import Search
from seminas.runs.archive import Archive
from seminas.runs.records import read_history
from seminas.spaces.sequence import SequenceSpace
from seminas.strategies.random import RandomSearch

NONSENSE = [float("nan"), float("inf"), np.float32("nan"), 2.0, -0.1, "x", [0.5], True]


class Odd(Evaluator[Any]):
    """An evaluator whose third answer is a given value."""

    def __init__(
        self, value: Any, error: str | None = None, traceback: str | None = None, cost_s: Any = 1.0
    ) -> None:
        self.answer, self.asked = Evaluation(value, cost_s, error, traceback), 0

    def evaluate(self, architectures: Sequence[Any]) -> Iterator[tuple[int, Evaluation]]:
        for i, _ in enumerate(architectures):
            self.asked += 1
            yield i, self.answer if self.asked == 3 else Evaluation(0.5, 1.0)


class Raising(Evaluator[Any]):
    """An evaluator of one architecture at a time that fails at the third one."""

    def __init__(self) -> None:
        self.asked = 0

    def evaluate_one(self, architecture: Any) -> float:
        self.asked += 1
        if self.asked == 3:
            raise ValueError("no memory\nfor this one")
        return 0.5


def run(folder: Path, evaluator: Evaluator[Any]) -> tuple[Archive, list[str]]:
    space = SequenceSpace("chain", {f"p{i}": ["a", "b", "c"] for i in range(3)})
    archive, tracebacks = Archive(folder), []  # type: ignore[var-annotated]
    search = Search(space, evaluator, RandomSearch(space, 0), archive, Observer(), 1, tracebacks.append)
    run_rounds(search, [4, 4])
    archive.close()
    return archive, tracebacks


@pytest.mark.parametrize("value", NONSENSE, ids=str)
def test_a_value_that_is_no_accuracy_is_one_failed_evaluation(tmp_path: Path, value: Any) -> None:
    archive, tracebacks = run(tmp_path, Odd(value))
    assert [r.index for r in archive.failures] == [2] and len(archive) == 8
    assert "must be a number from 0 to 1" in str(archive.failures[0].error)
    assert archive.best is not None and archive.best.val_accuracy == 0.5
    assert len(tracebacks) == 1 and "NaN" not in (tmp_path / "history.jsonl").read_text()


@pytest.mark.parametrize("traceback", ["Traceback:\n  signal 9", None])
def test_a_failure_that_the_evaluator_states_is_one_failed_evaluation(
    tmp_path: Path, traceback: str | None
) -> None:
    archive, tracebacks = run(tmp_path, Odd(None, "its process died", traceback))
    assert [r.index for r in archive.failures] == [2] and len(archive) == 8
    (failure,) = archive.failures
    assert (failure.error, failure.cost_s) == ("its process died", 1.0)
    assert tracebacks == [f"evaluation 2, {failure.key}:\n{traceback or failure.error}"]


@pytest.mark.parametrize("value", [np.float32(0.5), np.float64(0.5), 1, np.int64(1)], ids=repr)
def test_numbers_of_numpy_are_accuracies(tmp_path: Path, value: Any) -> None:
    archive, _ = run(tmp_path, Odd(value, cost_s=np.float32(2.0)))
    assert not archive.failures and archive.records[2].val_accuracy == float(value)
    assert archive.records[2].cost_s == 2.0 and read_history(tmp_path) == archive.records


@pytest.mark.parametrize("cost_s", [float("nan"), float("inf"), -1.0, "x", None, True], ids=str)
def test_a_cost_that_is_none_is_one_failed_evaluation(tmp_path: Path, cost_s: Any) -> None:
    archive, _ = run(tmp_path, Odd(0.9, cost_s=cost_s))
    (failure,) = archive.failures
    assert (failure.index, failure.cost_s) == (2, 0.0) and "cost_s=" in str(failure.error)
    assert read_history(tmp_path) == archive.records


def test_a_failure_without_a_reason_has_one(tmp_path: Path) -> None:
    archive, tracebacks = run(tmp_path, Odd(None))
    assert archive.failures[0].error == "the evaluator gave neither a value of val_accuracy nor a reason"
    assert len(tracebacks) == 1


@pytest.mark.parametrize(
    ("answers", "line"),
    [
        ([(0, Evaluation(0.5, 1.0))], "ended after 1 of 4 evaluations"),
        ([(4, Evaluation(0.5, 1.0))], "yields position 4"),
        ([("x", Evaluation(0.5, 1.0))], "yields position 'x'"),
        ([(0, Evaluation(0.5, 1.0))] * 2, "yields position 0"),
        ([(0, 0.5)], "yields 0.5, which is no Evaluation"),
    ],
)
def test_an_evaluator_that_breaks_the_rules_is_told_in_one_line(
    tmp_path: Path, answers: list[Any], line: str
) -> None:
    class Lawless(Evaluator[Any]):
        def evaluate(self, architectures: Sequence[Any]) -> Iterator[tuple[int, Evaluation]]:
            yield from answers

    with pytest.raises(UserError, match=f"^evaluator: {line}"):
        run(tmp_path, Lawless())


def test_an_exception_is_one_failed_evaluation_and_its_traceback_is_kept(tmp_path: Path) -> None:
    archive, tracebacks = run(tmp_path, Raising())
    assert [r.index for r in archive.failures] == [2] and len(archive) == 8
    assert archive.failures[0].error == "ValueError: no memory"
    (text,) = tracebacks
    assert "Traceback" in text and "evaluate_one" in text and "for this one" in text
