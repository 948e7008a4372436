"""Test that a crashed search writes its traceback into its folder, and resumes when the cause is gone."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from seminas.commands import search
from seminas.commands.main import app
from seminas.runs.folder import RunFolder
from support import command

STRATEGY = """
from seminas.strategies.random import RandomSearch


class Broken(RandomSearch):
    def ask(self, n, pending=()):
        if self.round == 1:
            raise RuntimeError("a mistake\\nin the strategy")
        return super().ask(n, pending)
"""


@pytest.mark.long
def test_a_crash_leaves_its_traceback_and_the_search_goes_on_when_the_strategy_is_mended(
    configure: Callable[..., dict[str, Any]],
    small_table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    users = tmp_path / "broken.py"
    users.write_text(STRATEGY)
    overrides = ["evaluator=table", f"evaluator.path={small_table}", "strategy=random"]
    overrides += ["strategy._target_=broken.Broken", "search.num_labeled=4", "search.num_rounds=1"]
    done = command("seminas-search", *overrides, "hydra.run.dir=run", cwd=tmp_path)
    assert done.returncode == 1
    run = RunFolder(tmp_path / "run")
    log = (run.path / "error.log").read_text()
    assert log.startswith("Traceback (most recent call last):\n")
    assert log.endswith("RuntimeError: a mistake\nin the strategy\n\n")
    assert f'File "{users}", line 8, in ask\n' in log and "seminas/loop/rounds.py" in log
    assert "RuntimeError: a mistake\nin the strategy\n" in done.stderr
    assert json.loads((run.path / "error.json").read_text()) == {"error": "RuntimeError: a mistake"}
    status = CliRunner().invoke(app, ["status", str(run)])
    assert status.exit_code == 1
    assert status.stdout.splitlines()[:2] == [
        "state        failed: RuntimeError: a mistake",
        "evaluations  4 of 8",
    ]
    assert status.stdout.splitlines()[-1] == f"tracebacks   {run.path / 'error.log'}"
    history = (run.path / "history.jsonl").read_text()
    users.write_text(STRATEGY.replace("self.round == 1", "False"))
    monkeypatch.syspath_prepend(tmp_path)
    search.run(configure("search", *overrides), run, quiet=True)
    sys.modules.pop("broken")
    assert run.state().name == "done" and run.error() is None
    assert (run.path / "history.jsonl").read_text().startswith(history) and len(run.history()) == 8
    assert (run.path / "error.log").read_text() == log
