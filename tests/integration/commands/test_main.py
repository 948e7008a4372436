"""Test the program ``seminas``: its commands, its help, completion, and ``python -m seminas``."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from integration.sweeps.running import call
from seminas.commands.main import app
from support import command

EXPERIMENTS = ("search", "train", "supernet", "predictor")
TABLE = ["evaluator=table", "evaluator.path=digits101", "strategy=random", "search.max_queries=6"]


def module(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seminas", *arguments], cwd=cwd, capture_output=True, text=True
    )


def test_help_has_groups_and_an_example_for_each_command() -> None:
    done = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
    assert done.exit_code == 0
    for group in ("Experiments", "Runs and sweeps", "Spaces, architectures and tables"):
        assert group in done.output
    for name in (*EXPERIMENTS, "status", "cancel", "report", "dashboard", "sweep", "space", "arch", "data"):
        assert f"Example: seminas {name}" in done.output


@pytest.mark.parametrize(
    ("name", "option"),
    [
        *((name, "--cfg=job") for name in EXPERIMENTS),
        *(pytest.param(name, "--help", marks=pytest.mark.long) for name in EXPERIMENTS),
    ],
)
def test_an_experiment_is_a_command_of_seminas(name: str, option: str, tmp_path: Path) -> None:
    shown = command("seminas", name, option, cwd=tmp_path)
    assert shown.returncode == 0 and "space" in shown.stdout, shown.stderr
    assert shown.stdout == command(f"seminas-{name}", option, cwd=tmp_path).stdout


def test_a_search_by_all_ways_is_the_same(tmp_path: Path) -> None:
    done = [
        call("seminas-search", *TABLE, "hydra.run.dir=a", cwd=tmp_path),
        call("seminas", "search", *TABLE, "hydra.run.dir=b", cwd=tmp_path),
        module("search", *TABLE, "hydra.run.dir=c", cwd=tmp_path),
    ]
    assert [d.returncode for d in done] == [0, 0, 0], [d.stderr for d in done]
    histories = {(tmp_path / name / "history.jsonl").read_bytes() for name in "abc"}
    assert len(histories) == 1
    wrong = module("search", "seed=x", cwd=tmp_path)
    assert wrong.returncode == 2 and wrong.stderr == "error: seed=x: must be a whole number\n"


@pytest.mark.long
def test_a_sweep_of_the_module_is_resumed_by_it(tmp_path: Path) -> None:
    swept = module("search", "-m", *TABLE, "seed=0,1", "hydra.sweep.dir=s", cwd=tmp_path)
    assert swept.returncode == 0, swept.stderr
    victim = next((tmp_path / "s").glob("*seed=1*/result.json"))
    victim.unlink()
    resumed = module("sweep", "resume", "s", cwd=tmp_path)
    assert resumed.returncode == 0 and victim.exists(), resumed.stderr


def test_completion_of_both_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_WORDS", "seminas st")
    monkeypatch.setenv("COMP_CWORD", "1")
    monkeypatch.setenv("_SEMINAS_COMPLETE", "complete_bash")
    assert "status" in command("seminas", cwd=tmp_path).stdout
    line = "seminas-search strategy=ran"
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    hydra = command("seminas-search", "-sc", "query=bash", cwd=tmp_path)
    assert hydra.stdout.split() == ["strategy=random"]


def test_a_module_that_is_no_command_does_not_pass_silently(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "seminas.search"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode != 0
