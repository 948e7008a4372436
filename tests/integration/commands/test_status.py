"""Test ``seminas status``: it prints the state of a run."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from seminas.commands import predictor, search
from seminas.commands.main import app
from seminas.runs.folder import RunFolder
from support import SMALL_CONTROLLER

Configure = Callable[..., dict[str, Any]]


@pytest.fixture
def config(configure: Configure, small_table: Path) -> dict[str, Any]:
    """Return the config of a search of 20 evaluations in five rounds of 4."""
    table = ["evaluator=table", f"evaluator.path={small_table}"]
    sizes = ["search.num_labeled=4", "search.num_new=4", "search.num_rounds=4"]
    return configure("search", *table, "strategy=random", *sizes)


def status(folder: Path) -> tuple[int, dict[str, str]]:
    """Return the exit status of ``seminas status``, and its lines by their first word."""
    done = CliRunner().invoke(app, ["status", str(folder)])
    assert done.stderr == ""
    words = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    return done.exit_code, dict(words)


def cut(folder: Path, kept: int) -> None:
    """Turn a finished search into one that was killed after ``kept`` evaluations of ten seconds each."""
    lines = (folder / "history.jsonl").read_text().splitlines(keepends=True)
    (folder / "history.jsonl").write_text("".join(lines[:kept]))
    (folder / "result.json").unlink()
    end = 1_000 + 10 * kept
    (folder / "attempts.json").write_text(json.dumps([{"started": 1_000.0, "evaluations": 0, "ended": end}]))
    os.utime(folder / "history.jsonl", (end, end))


def best_line(folder: Path) -> str:
    best = max(RunFolder(folder).history(), key=lambda record: record.val_accuracy or 0)
    return f"{best.val_accuracy:.4f} ({best.key})"


def test_done(config: dict[str, Any], tmp_path: Path) -> None:
    search.run(config, RunFolder(tmp_path), quiet=True)
    test = json.loads((tmp_path / "result.json").read_text())["test_accuracy"]
    lines = {"state": "done", "evaluations": "20 of 20", "best": best_line(tmp_path), "test": f"{test:.4f}"}
    assert status(tmp_path) == (0, lines)


def test_running(config: dict[str, Any], tmp_path: Path) -> None:
    search.run(config, RunFolder(tmp_path), quiet=True)
    cut(tmp_path, 6)
    # Six evaluations took a minute, and fourteen are left.
    lines = {"evaluations": "6 of 20", "best": best_line(tmp_path), "left": "about 0:02:20"}
    with RunFolder(tmp_path).claim(config):
        assert status(tmp_path) == (1, {"state": "running", **lines})
    # No process holds the folder any more.
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert status(tmp_path) == (1, {"state": "stopped", **lines})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


def test_the_time_left_leaves_out_a_pause(config: dict[str, Any], tmp_path: Path) -> None:
    search.run(config, RunFolder(tmp_path), quiet=True)
    cut(tmp_path, 6)
    # A day later a second attempt made two evaluations, in twenty seconds each.
    later = 1_000 + 86_400
    (tmp_path / "attempts.json").write_text(
        json.dumps(
            [
                {"started": 1_000.0, "evaluations": 0, "ended": 1_040.0},
                {"started": later, "evaluations": 4, "ended": None},
            ]
        )
    )
    os.utime(tmp_path / "history.jsonl", (later + 40, later + 40))
    assert status(tmp_path)[1]["left"] == "about 0:04:40"


def test_attempts_that_are_none_are_one_line(config: dict[str, Any], tmp_path: Path) -> None:
    search.run(config, RunFolder(tmp_path), quiet=True)
    cut(tmp_path, 6)
    for content in ("", "7", "[7]", '[{"started": 1}]'):
        (tmp_path / "attempts.json").write_text(content)
        done = CliRunner().invoke(app, ["status", str(tmp_path)])
        assert done.exit_code == 2 and done.stderr.startswith(
            f"error: {tmp_path}/attempts.json: is no list of a run's attempts"
        )
        assert done.stderr.count("\n") == 1


def test_running_without_an_evaluation_yet(config: dict[str, Any], tmp_path: Path) -> None:
    with RunFolder(tmp_path).claim(config):
        assert status(tmp_path) == (1, {"state": "running"})


def test_failed(config: dict[str, Any], tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    search.run(config, folder, quiet=True)
    cut(tmp_path, 6)
    folder.write_error("RuntimeError: out of luck", "Traceback (most recent call last):\n  …")
    code, lines = status(tmp_path)
    assert code == 1 and lines["state"] == "failed: RuntimeError: out of luck"
    assert lines["evaluations"] == "6 of 20" and lines["best"] == best_line(tmp_path)
    assert lines["tracebacks"] == str(tmp_path / "error.log")


def test_failed_evaluations_are_counted(config: dict[str, Any], tmp_path: Path) -> None:
    search.run(config, RunFolder(tmp_path), quiet=True)
    history = tmp_path / "history.jsonl"
    records = [json.loads(line) for line in history.read_text().splitlines()]
    records[3] |= {"val_accuracy": None, "error": "ValueError: no memory"}
    history.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert status(tmp_path)[1]["evaluations"] == "20 of 20, 1 failed"


def test_a_study_of_predictors(configure: Configure, small_table: Path, tmp_path: Path) -> None:
    overrides = ["evaluator=table", f"evaluator.path={small_table}", "model=random_forest"]
    config = configure("predictor", *overrides, "predictor.num_labeled=20", *SMALL_CONTROLLER)
    tau = predictor.run(config, RunFolder(tmp_path), quiet=True)
    assert status(tmp_path) == (0, {"state": "done", "kendall_tau": f"{tau:.4f}"})


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["status", str(tmp_path)])
    assert (
        done.exit_code == 2
        and done.stderr == f"error: {tmp_path}: holds no run; each command prints its run folder at the end\n"
    )
