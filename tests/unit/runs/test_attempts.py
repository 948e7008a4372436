"""Test attempts: the time of a run that was stopped, killed and resumed."""

import os
import time
from pathlib import Path

import pytest

from seminas.errors import UserError
from seminas.runs.folder import RunFolder
from seminas.storage.lock import HOLDER_FILE


def test_the_time_of_all_attempts_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, clock = RunFolder(tmp_path), [1_000.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    with folder.claim({"seed": 1}):
        clock[0] += 30
        assert folder.timing() == {"wall_s": 30.0, "num_resumed": 0}
    clock[0] += 86_400
    with pytest.raises(UserError), folder.claim({"seed": 1}):
        clock[0] += 20
        raise UserError("something failed")
    with folder.claim({"seed": 1}):
        clock[0] += 5
        assert folder.timing() == {"wall_s": 55.0, "num_resumed": 2}
    assert [attempt.seconds(clock[0]) for attempt in folder.attempts()] == [30.0, 20.0, 5.0]


def test_a_process_that_was_killed_counts_until_its_last_sign_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, clock = RunFolder(tmp_path), [1_000.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    with folder.claim({"seed": 1}):
        pass
    (tmp_path / "attempts.json").write_text('[{"started": 1000.0, "evaluations": 0, "ended": null}]')
    (tmp_path / HOLDER_FILE).write_text("{}")
    os.utime(tmp_path / HOLDER_FILE, (1_040, 1_040))
    clock[0] = 9_000.0
    with folder.claim({"seed": 1}):
        clock[0] = 9_002.0
        assert folder.timing() == {"wall_s": 42.0, "num_resumed": 1}


def test_a_killed_process_without_a_sign_counts_nothing(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.claim({"seed": 1}):
        pass
    (tmp_path / "attempts.json").write_text('[{"started": 1000.0, "evaluations": 0, "ended": null}]')
    with folder.claim({"seed": 1}):
        assert folder.timing()["wall_s"] < 60
