"""The search loop, with evaluators that answer nonsense."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation
from seminas.runs.archive import Archive
from seminas.search.loop import Search
from seminas.search.observers import Observer
from seminas.spaces.sequence import SequenceSpace
from seminas.strategies.random import RandomSearch

NONSENSE = [float("nan"), float("inf"), 2.0, -0.1, "x", [0.5]]


class Odd(Evaluator[Any]):
    """Answers the third question in another way."""

    def __init__(self, value: Any, error: str | None = None, traceback: str | None = None) -> None:
        self.answer, self.asked = Evaluation(value, 1.0, error, traceback), 0

    def evaluate(self, architectures: Sequence[Any]) -> Iterator[tuple[int, Evaluation]]:
        for i, _ in enumerate(architectures):
            self.asked += 1
            yield i, self.answer if self.asked == 3 else Evaluation(0.5, 1.0)


class Raising(Evaluator[Any]):
    """Fails at the third question, one architecture at a time."""

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
    search.run([4, 4])
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


def test_an_exception_is_one_failed_evaluation_and_its_traceback_is_kept(tmp_path: Path) -> None:
    archive, tracebacks = run(tmp_path, Raising())
    assert [r.index for r in archive.failures] == [2] and len(archive) == 8
    assert archive.failures[0].error == "ValueError: no memory"
    (text,) = tracebacks
    assert "Traceback" in text and "evaluate_one" in text and "for this one" in text
