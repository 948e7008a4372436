"""Test calls in processes of this machine, including processes that die."""

from pathlib import Path

import pytest

from seminas.execution.engines import LocalProcesses, LostError
from unit.execution.working import Doubles


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> LocalProcesses:
    engine = LocalProcesses(Doubles(), 1)
    request.addfinalizer(engine.close)
    return engine


def test_only_the_call_whose_process_dies_twice_is_lost(engine: LocalProcesses) -> None:
    """Check that the other calls, waiting or running at the same time, are made again and succeed."""
    results = dict(engine.calls("twice", [(0,), (1,), (2,)]))
    assert isinstance(results.pop(0), LostError)
    assert results == {1: 2, 2: 4}


def test_a_call_whose_process_dies_is_made_once_more(engine: LocalProcesses, tmp_path: Path) -> None:
    assert list(engine.calls("once_more", [(tmp_path / "died",)])) == [(0, "alive")]
    with pytest.raises(ValueError, match="it broke"):
        list(engine.calls("refuse", [()]))
