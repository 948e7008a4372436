"""Shared code of the tests of the sweeper for any app: a made-up Hydra app without seminas, and its sweeps."""

import contextlib
import io
import json
import runpy
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from integration.sweeps.running import _like_a_process

APP = """
import os
import signal

import hydra
from hydra.core.hydra_config import HydraConfig


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config):
    number = HydraConfig.get().job.num
    with open("ran.txt", "a") as file:
        file.write(f"{number}\\n")
    if os.environ.get("DIES_IN_JOB") == str(number):
        os.kill(os.getpid(), signal.SIGKILL)
    names = {"kernel": config.model.kernel, "depth": config.model.depth, "rate": config.rate}
    return eval(config.formula, {**names, "number": number, "optimizer": config.optimizer, "text": config.text})


if __name__ == "__main__":
    main()
"""
CONFIG = """
defaults: [{optimizer: sgd}, _self_]
formula: kernel + depth / 10
model: {kernel: 3, depth: 2}
rate: 0.01
text: none
"""
SWEPT = ["model.kernel=choice(3,5,7)", "model.depth=range(2,7)"]
RANDOM = ["hydra.sweeper.strategy=random", "hydra.sweep.dir=sweep"]


def require_launcher(launcher: str) -> None:
    """Skip the test if the packages of a launcher are not installed."""
    package = launcher.partition("_")[0]
    pytest.importorskip(f"hydra_plugins.hydra_{package}_launcher")
    pytest.importorskip(package)


def write_app(folder: Path, formula: str | None = None) -> None:
    """Write the app, or replace the formula of its value."""
    (folder / "conf" / "optimizer").mkdir(parents=True, exist_ok=True)
    (folder / "train.py").write_text(APP)
    for name, text in (("sgd", "lr: 0.1\nmomentum: 0.9\n"), ("adam", "lr: 0.001\n")):
        (folder / "conf" / "optimizer" / f"{name}.yaml").write_text(text)
    config = OmegaConf.create(CONFIG)
    if formula is not None:
        config.formula = formula
    OmegaConf.save(config, folder / "conf" / "config.yaml")


def sweep(folder: Path, *overrides: str, script: Path | None = None) -> CompletedProcess[str]:
    """Run a sweep with the sweeper inside this process. This is faster than a process of its own."""
    script = script or folder / "train.py"
    command = [str(script), "-m", "hydra/sweeper=seminas", *overrides]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _like_a_process(command, folder):
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as error:
            code = int(error.code or 0)
        finally:
            GlobalHydra.instance().clear()
    return CompletedProcess(command, code, out.getvalue(), err.getvalue())


def ran(folder: Path) -> list[int]:
    """Return the numbers of the jobs whose function ran, in order."""
    file = folder / "ran.txt"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def history(folder: Path, name: str = "sweep") -> list[dict[str, Any]]:
    """Return the evaluations of a sweep."""
    lines = (folder / name / "study" / "history.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def told(folder: Path) -> list[list[Any]]:
    """Return what the evaluations of a sweep say, without their times."""
    return [[record[k] for k in ("architecture", "value", "number", "error")] for record in history(folder)]


def results(folder: Path, name: str = "sweep") -> Any:
    """Return the content of ``optimization_results.yaml``."""
    return OmegaConf.to_container(OmegaConf.load(folder / name / "optimization_results.yaml"))
