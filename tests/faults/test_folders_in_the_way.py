"""Run folders that cannot be made: one line with the path and the reason, exit status 2."""

from pathlib import Path

import pytest

from integration.sweeps.running import call
from support import command

SEARCH = ["evaluator=table", "evaluator.path=digits101", "strategy=random", "search.max_queries=4"]


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("file", "file: cannot be made (File exists)"),
        ("file/run", "file/run: cannot be made (Not a directory)"),
        ("/proc/run", "/proc/run: cannot be made (No such file or directory)"),
        ("x" * 300, "cannot be made (File name too long)"),
    ],
    ids=["a file", "below a file", "read-only", "too long"],
)
def test_a_run_folder_that_cannot_be_made_is_one_line(tmp_path: Path, folder: str, reason: str) -> None:
    (tmp_path / "file").touch()
    done = command("seminas-search", *SEARCH, f"hydra.run.dir={folder}", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and reason in done.stderr, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_sweep_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = command("seminas-search", "-m", *SEARCH, "seed=0,1", "hydra.sweep.dir=file/sweep", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: file/sweep: cannot be made (Not a directory)\n"


def test_a_file_in_the_place_of_a_job_stops_no_other_job(tmp_path: Path) -> None:
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "0").touch()
    numbered = ["seed=0,1", "hydra.sweep.dir=sweep", "hydra.sweep.subdir='${seed}'"]
    done = call("seminas-search", "-m", *SEARCH, *numbered, cwd=tmp_path)
    assert done.returncode == 2 and "error: 0: a file is in its place" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and (tmp_path / "sweep" / "1" / "result.json").exists()
