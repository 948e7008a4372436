"""Test that a user's own training runs as Slurm jobs and on Ray."""

import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from seminas.config.evaluators import SlurmSettings
from seminas.config.own_training import CommandEvaluatorSettings, LightningEvaluatorSettings
from seminas.evaluators.command import CommandEvaluator
from seminas.evaluators.lightning import LightningEvaluator
from seminas.spaces.sequence import SequenceSpace

SPACE = SequenceSpace("perceptrons", {"width": [2, 8], "depth": [1, 2]})
PROGRAM = "import json, sys; print(json.dumps({'acc': int(sys.argv[1]) / 10}))"


def made(name: str, folder: Path, **settings: Any) -> Any:
    settings |= {"mode": "max", "accelerator": "cpu"}
    settings["slurm"] = SlurmSettings(executor="local", max_jobs=2)
    if name == "lightning":
        classes = {"module": "own_nets.Net", "data": "own_nets.Data", "monitor": "val_acc", "max_epochs": 2}
        return LightningEvaluator(SPACE, 0, LightningEvaluatorSettings(**classes, **settings), folder)
    program = PROGRAM.replace("{", "{{").replace("}", "}}")
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(program)} {{width}}"
    return CommandEvaluator(
        SPACE, 0, CommandEvaluatorSettings(command=command, metric="acc", **settings), folder
    )


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", ["slurm", "ray"])
@pytest.mark.parametrize("name", ["lightning", "command"])
def test_an_engine_gives_what_this_process_gives(
    name: str, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit" if engine == "slurm" else "ray")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    chosen = made(name, tmp_path, engine=engine)
    try:
        done = dict(chosen.evaluate([(0, 0), (1, 1)]))
    finally:
        chosen.close()
    assert [done[i].error for i in range(2)] == [None, None]
    trial = chosen._trial
    assert [done[i].value for i in range(2)] == [trial.evaluate(a).value for a in ((0, 0), (1, 1))]
