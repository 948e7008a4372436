"""Test the ranks of one job: their environment variables, and how they end."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seminas.errors import UserError
from seminas.execution.processes import TOLD_TO_END
from seminas.execution.ranks import launch
from support import ROOT
from unit.execution.working import fail_on_a_full_disk, fail_on_second, write_place


def test_each_rank_knows_its_place_and_has_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "1")
    launch(write_place, (tmp_path,), 3, tmp_path / "logs")
    records = [json.loads((tmp_path / f"place{rank}.json").read_text()) for rank in range(3)]
    assert [record["LOCAL_RANK"] for record in records] == ["0", "1", "2"]
    assert (
        len({record["MASTER_PORT"] for record in records}) == 1
        and len({record["pid"] for record in records}) == 3
    )
    for rank, record in enumerate(records):
        assert (record["WORLD_SIZE"], record["NODE_RANK"], record["MASTER_ADDR"]) == ("3", "0", "127.0.0.1")
        assert record["slurm"] == []
        log = (tmp_path / "logs" / f"rank{rank}.log").read_text()
        assert f"rank {rank} of 3, process {record['pid']}" in log
        assert (f"rank {rank} was here" in log) is (rank > 0)  # The first rank prints to the job's screen.


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raised", "rank 1 failed: ValueError: it broke"),
        ("refused", "rank 1 failed: it cannot be"),
        ("killed", "rank 1 was ended by signal 9"),
        pytest.param("interrupted", "rank 1 was ended by signal 2", marks=pytest.mark.long),
        pytest.param("hung up", "rank 1 was ended by signal 1", marks=pytest.mark.long),
    ],
)
def test_a_rank_that_fails_ends_the_others(how: str, message: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError) as error:
        launch(fail_on_second, (tmp_path, how), 2, tmp_path / "logs")
    assert str(error.value) == f"{tmp_path}/logs/rank1.log: {message}"
    assert not Path("/proc", (tmp_path / "first").read_text()).exists()
    assert ("Traceback" in (tmp_path / "logs" / "rank1.log").read_text()) is (how == "raised")


def test_the_rank_that_states_its_error_is_the_cause(tmp_path: Path) -> None:
    """A rank that loses its connection to a failed one may end before it."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"rank0.log: rank 0 failed: the disk is full$"):
        launch(fail_on_second, (tmp_path, "lost"), 2, tmp_path / "logs")


TOLD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from seminas.execution.ranks import launch
from unit.execution.working import wait_for_the_end
if __name__ == "__main__":
    launch(wait_for_the_end, (Path(sys.argv[2]),), 2, Path(sys.argv[2], "logs"))
"""


def test_ranks_are_told_to_end_with_their_job_and_may_save(tmp_path: Path) -> None:
    pipes = [tmp_path / f"pipe{rank}" for rank in (0, 1)]
    for pipe in pipes:
        os.mkfifo(pipe)
    program = tmp_path / "told.py"
    program.write_text(TOLD)
    process = subprocess.Popen([sys.executable, str(program), str(ROOT / "tests"), str(tmp_path)])
    try:
        assert [pipe.read_text() for pipe in pipes] == ["begun", "begun"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == TOLD_TO_END
    finally:
        process.kill()
        process.wait()
    assert all((tmp_path / f"saved{rank}").exists() for rank in (0, 1))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("os", r"rank0.log: rank 0 failed: \[Errno 28\] No space left on device: 'last.ckpt'$"),
        ("user", "rank0.log: rank 0 failed: it is full$"),
    ],
)
def test_the_error_of_a_rank_needs_no_room_for_its_log(how: str, message: str, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    (logs / "rank0.log").mkdir(parents=True)
    with pytest.raises(UserError, match=r"rank0.log: rank 0 failed: cannot be written \(Is a directory\)$"):
        launch(fail_on_a_full_disk, (how,), 1, logs)
    (logs / "rank0.log").rmdir()
    with pytest.raises(UserError, match=message):
        launch(fail_on_a_full_disk, (how,), 1, logs)
    assert "Traceback" not in (logs / "rank0.log").read_text()
