"""Test the limits that end a search before its plan does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from seminas.config.search import SearchSettings
from seminas.evaluators.base import Evaluator
from seminas.loop.limits import Limits
from seminas.loop.observers import Observer, Observers
from seminas.loop.rounds import run_rounds
from seminas.loop.search import Search
from seminas.runs.archive import Archive
from seminas.runs.records import Record
from seminas.spaces.sequence import SequenceSpace
from seminas.strategies.random import RandomSearch

SPACE = SequenceSpace("chain", {f"p{i}": ["a", "b", "c"] for i in range(3)})


class Constant(Evaluator[dict[str, str]]):
    """An evaluator that gives each architecture the accuracy 0.5."""

    def evaluate_one(self, architecture: dict[str, str]) -> float:
        return 0.5


class Killed(BaseException):
    """An exception that simulates a kill of the process."""


class KilledAtThird(Constant):
    """An evaluator that is killed at its third architecture."""

    def __init__(self) -> None:
        self.asked = 0

    def evaluate_one(self, architecture: dict[str, str]) -> float:
        self.asked += 1
        if self.asked == 3:
            raise Killed
        return 0.5


class Heard(Observer):
    """An observer that keeps the reason of the end."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def ending(self, reason: str) -> None:
        self.reasons.append(reason)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """An archive of three evaluations of half an hour each, the second of which failed."""
    archive = Archive(tmp_path)
    for index, value in enumerate((0.5, None, 0.6)):
        archive.add(Record(index, 0, {}, str(index), value, 1800.0))
    yield archive
    archive.close()


@pytest.mark.parametrize(
    ("settings", "now_s", "reason"),
    [
        (SearchSettings(), 1e9, None),
        (SearchSettings(target_accuracy=0.61), 1e9, None),
        (SearchSettings(target_accuracy=0.6), 0, "search.target_accuracy=0.6 is reached with 0.6000"),
        (SearchSettings(max_hours=2), 7199, None),
        (SearchSettings(max_hours=2), 7200, "search.max_hours=2 are over"),
    ],
)
def test_a_limit_is_reached_or_not(
    archive: Archive, settings: SearchSettings, now_s: float, reason: str | None
) -> None:
    reached = Limits(settings).reached(archive, now_s)
    if reason is None:
        assert reached is None
    else:
        assert reached == (reason.partition("=")[0].partition(".")[2], reason)


def test_a_begun_round_is_evaluated_and_no_further_one_begins(tmp_path: Path) -> None:
    heard = Heard()

    def searched(evaluator: Evaluator[dict[str, str]]) -> int:
        archive = Archive(tmp_path)
        limits = Limits(SearchSettings(target_accuracy=0.5))
        strategy, observer = RandomSearch(SPACE, 0), Observers([heard])
        try:
            run_rounds(Search(SPACE, evaluator, strategy, archive, observer, 0, limits=limits), [4, 4])
        finally:
            archive.close()
        return len(archive)

    with pytest.raises(Killed):
        searched(KilledAtThird())
    assert searched(Constant()) == 4
    assert heard.reasons == ["search.target_accuracy=0.5 is reached with 0.5000"]
