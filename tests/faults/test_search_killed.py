"""Test searches and fits that are killed, interrupted or told to end.

The command imports a user's module. The module prints an event when the command reaches a point. So no test must guess
how long to wait.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from learning import ThisProcess
from seminas.commands import search
from seminas.runs.folder import RunFolder
from support import BIN

Configure = Callable[..., dict[str, Any]]
USERS_MODULE = '''
"""A user's module that prints events on the standard output, and then waits."""

import multiprocessing
import os
import threading

from seminas.config.data import DigitsSettings
from seminas.controller.module import ControllerModule
from seminas.evaluators.base import Evaluator
from seminas.predictors.controller import ControllerPredictor
from seminas.runs.archive import Archive
from seminas.training.data.memory import digits

WAITS = "WAITS" in os.environ


def say(event):
    if WAITS:
        os.write(1, f"event: {event}\\n".encode())


def wait():
    if WAITS:
        threading.Event().wait()


def images(batch_size):
    """Return a few digits. The second training of each worker waits. The search prints an event for each record."""
    if WAITS and multiprocessing.parent_process() is None:
        add = Archive.add

        def written(archive, record):
            gained = add(archive, record)
            say("written")
            return gained

        Archive.add = written
    data = digits(DigitsSettings(batch_size=batch_size))
    data.splits = {name: (images[:256], labels[:256]) for name, (images, labels) in data.splits.items()}
    loader, trainings = data.train_dataloader, []

    def train_dataloader():
        trainings.append(None)
        if len(trainings) == 2:
            say("waits")
            wait()
        return loader()

    data.train_dataloader = train_dataloader
    return data


class Slow(Evaluator):
    """An evaluator whose third evaluation waits."""

    count = 0

    def evaluate_one(self, architecture):
        self.count += 1
        if self.count == 3:
            say("waits")
            wait()
        return 0.5


class Controlled(ControllerPredictor):
    """A predictor that prints an event when its fit is running."""

    def fit(self, *arguments):
        step = ControllerModule.training_step

        def training_step(module, batch, batch_idx):
            if batch_idx == 1:
                say("fits")
            return step(module, batch, batch_idx)

        ControllerModule.training_step = training_step
        return super().fit(*arguments)
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a working directory with the user's module."""
    (tmp_path / "waiting.py").write_text(USERS_MODULE)
    (tmp_path / "evaluator").mkdir()
    (tmp_path / "evaluator" / "slow.yaml").write_text("_target_: waiting.Slow\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("waiting", None)


class Started:
    """A running command of the project. The user's module makes it wait."""

    def __init__(self, name: str, *arguments: str, cwd: Path) -> None:
        self._process = subprocess.Popen(
            [str(BIN / name), *arguments],
            cwd=cwd,
            env=os.environ | {"WAITS": "yes"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def reach(self, *events: str) -> None:
        """Wait until the command has printed these events, in any order."""
        assert self._process.stdout is not None
        missing = list(events)
        while missing:
            line = self._process.stdout.readline()
            assert line, f"ended before {missing}: {self._process.communicate()[1]}"
            event = line.removeprefix("event: ").strip()
            if event in missing:
                missing.remove(event)

    def reach_error(self, text: str) -> None:
        """Wait until the command has printed a text on its error output."""
        assert self._process.stderr is not None
        while text not in (line := self._process.stderr.readline()):
            assert line, f"ended before {text!r}"

    def send(self, sent: signal.Signals) -> None:
        """Send a signal to the process."""
        os.kill(self._process.pid, sent)

    def end(self, sent: signal.Signals) -> tuple[int, str]:
        """Send a signal to the process, and return its exit status and its error output.

        This waits until all processes that the command started have ended, because each of them holds the pipes.
        """
        self.send(sent)
        error = self._process.communicate()[1]
        return self._process.returncode, error


@pytest.mark.long
@pytest.mark.parametrize("asynchronous", ["false", "true"])
def test_a_killed_search_on_trainings_goes_on(
    configure: Configure, folder: Path, monkeypatch: pytest.MonkeyPatch, asynchronous: str
) -> None:
    """Kill a search while its workers are training. The resumed run has the same accuracies as an uninterrupted run."""
    overrides = ["search.num_labeled=5", "search.num_rounds=0", "data.recipe.epochs=1", "strategy=random"]
    overrides += ["data.images._target_=waiting.images", "evaluator.num_workers=2"]
    network = "data.recipe.networks.nasbench101"
    overrides += [f"{network}.stem_channels=8", f"{network}.num_stacks=2", f"{network}.cells_per_stack=1"]
    overrides += [f"search.asynchronous={asynchronous}"]
    started = Started("seminas-search", *overrides, "hydra.run.dir=killed", cwd=folder)
    # Both workers have trained one architecture and are training another.
    started.reach("written", "written", "waits", "waits")
    status, _ = started.end(signal.SIGKILL)
    assert status == -signal.SIGKILL
    killed, whole = RunFolder(folder / "killed"), RunFolder(folder / "whole")
    assert killed.result() is None
    # The second evaluation may be pending, because an earlier one has not ended.
    kept = [line for name in ("history", "pending") for line in lines_of(killed.path / f"{name}.jsonl")]
    assert len(set(kept)) == 2
    engines: list[ThisProcess] = []

    def make_engine(name: str, target: Any, *arguments: Any) -> ThisProcess:
        engines.append(ThisProcess(target))
        return engines[-1]

    monkeypatch.setattr("seminas.evaluators.training.make_engine", make_engine)
    for run in (killed, whole):
        search.run(configure("search", *overrides), run, quiet=True)
    # Each engine makes one more call to test the best architecture.
    assert [engine.num_calls for engine in engines] == [3 + 1, 5 + 1]
    assert set(kept) < set(lines_of(killed.path / "history.jsonl"))
    told = [[(r.key, r.val_accuracy) for r in run.history()] for run in (killed, whole)]
    # The order of an asynchronous search is the order in which its trainings end.
    told = told if asynchronous == "false" else [sorted(pairs) for pairs in told]
    assert told[0] == told[1] and len(told[0]) == 5
    assert len({accuracy for _, accuracy in told[0]}) > 1


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.long
def test_an_interrupted_search_says_how_it_goes_on(configure: Configure, folder: Path) -> None:
    overrides = ["strategy=random", "search.max_queries=6", "search.num_labeled=6"]
    arguments = ["--config-dir", ".", *overrides, "evaluator=slow", "hydra.run.dir=run"]
    started = Started("seminas-search", *arguments, cwd=folder)
    started.reach("waits")
    started.send(signal.SIGINT)
    started.reach_error("interrupted: the search ends after its running evaluations")
    status, said = started.end(signal.SIGINT)
    run = RunFolder(folder / "run")
    assert status == 130 and "Traceback" not in said
    assert said.endswith(f"interrupted: the same command with hydra.run.dir={run} goes on\n")
    assert len(run.history()) == 2 and run.state().name == "stopped" and run.result() is None


def test_a_signal_during_an_import_ends_the_process_at_once(folder: Path) -> None:
    """C++ code of a module that is being imported would swallow the exception of a signal, or abort."""
    importing = "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGTERM)\n"
    (folder / "importing.py").write_text(
        importing + "except BaseException:\n    raise ImportError from None\n"
    )
    program = "from seminas.commands.job import start\nstart(lambda: __import__('importing'), [])\n"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 128 + signal.SIGTERM and done.stderr == b""


@pytest.mark.long
def test_sigterm_ends_the_fit_of_a_controller_and_the_status_says_so(folder: Path) -> None:
    """Check the exit status. Lightning handles the signal during a fit, and would exit with 0 or ignore the signal."""
    fit = ["evaluator.path=digits101", "predictor.num_labeled=50", "controller.teachers.steps=1000000"]
    fit += ["model._target_=waiting.Controlled", "predictor.pseudo_label_ratio=0"]
    started = Started("seminas-predictor", *fit, "hydra.run.dir=run", cwd=folder)
    started.reach("fits")
    status, _ = started.end(signal.SIGTERM)
    assert status in (128 + signal.SIGTERM, -signal.SIGTERM)
    assert not (folder / "run" / "result.json").exists()
