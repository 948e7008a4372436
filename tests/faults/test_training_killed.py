"""Test that trainings resume after they were killed or told to end."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from pictures import write_pictures

from integration.sweeps.running import call
from learning import SMALL, train_in, training_job, training_overrides, training_result_in, weights
from seminas.commands import train as command
from seminas.errors import UserError
from seminas.runs.folder import RunFolder
from seminas.training.checkpoints import last_checkpoint, read_checkpoint
from seminas.training.classifier import Classifier
from support import background, wait_for

Whole = Callable[[dict[str, Any]], Path]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def whole(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Return a function that gives the folder of an undisturbed training. It trains once for the same changes."""
    folders: dict[str, Path] = {}

    def trained(changes: dict[str, Any]) -> Path:
        if str(changes) not in folders:
            folders[str(changes)] = tmp_path_factory.mktemp("whole")
            train_in(training_job(root, folders[str(changes)], **changes))
        return folders[str(changes)]

    return trained


class Killed(BaseException):
    """An exception that simulates a kill of the process."""


@pytest.mark.parametrize("step", [3, 7])
def test_a_run_that_was_killed_ends_like_one_that_was_not(
    root: Path, whole: Whole, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: dict[str, Any] = {"recipe": {"mixup": 0.2, "ema": 0.5}, "trainer": {"checkpoint_every": 2}}
    undisturbed = whole(changes)
    original = Classifier.training_step

    def killed(self: Any, batch: Any, batch_idx: int) -> Any:
        if self.trainer.global_step == step:
            raise Killed
        return original(self, batch, batch_idx)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Classifier, "training_step", killed)
        train_in(training_job(root, tmp_path / "killed", **changes))
    assert not (tmp_path / "killed" / "result.json").exists()
    train_in(training_job(root, tmp_path / "killed", **changes))
    once, twice = weights(undisturbed), weights(tmp_path / "killed")
    assert twice.keys() == once.keys()
    for name, value in twice.items():
        assert torch.equal(value, once[name]), name


@pytest.mark.parametrize("step", ["training_step", "validation_step", "test_step"])
def test_ctrl_c_ends_a_training_and_says_how_it_goes_on(
    root: Path, tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check each stage. Lightning itself would exit with status 1."""

    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Classifier, step, interrupted)
    overrides = training_overrides(
        root, f"architecture='{SMALL}'", "trainer.max_epochs=1", "hydra.run.dir=run"
    )
    ended = call("seminas-train", *overrides, cwd=tmp_path)
    assert ended.returncode == 130
    assert "interrupted: the same command with hydra.run.dir=" in ended.stderr


ALL_AT_ONCE: dict[str, Any] = {
    "recipe": {"mixup": 0.2, "ema": 0.5, "warmup_epochs": 0.5},
    "trainer": {"accumulate_grad_batches": 3, "check_val_every_n_epoch": 2, "precision": "bf16-mixed"},
}


@pytest.mark.parametrize(
    ("batch", "number", "ended"),
    [
        pytest.param(1, signal.SIGTERM, SystemExit, marks=pytest.mark.long),
        (4, signal.SIGTERM, SystemExit),
        (5, signal.SIGINT, KeyboardInterrupt),
        (5, signal.SIGHUP, SystemExit),
    ],
)
def test_a_run_that_is_told_to_end_within_a_step_ends_like_one_that_was_not(
    root: Path,
    whole: Whole,
    tmp_path: Path,
    batch: int,
    number: signal.Signals,
    ended: type[BaseException],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Gradients of three batches make a step, with warm-up, mean weights, mixed precision and rare validations."""
    undisturbed = whole(ALL_AT_ONCE)
    original, batches = Classifier.training_step, []

    def told(self: Any, *arguments: Any) -> Any:
        batches.append(None)
        if len(batches) == batch:
            os.kill(os.getpid(), number)
        return original(self, *arguments)

    outer = Mock()  # While the network trains, the handler of the command is not called.
    before = signal.signal(number, outer)
    with monkeypatch.context() as patched, pytest.raises(ended) as error:
        patched.setattr(Classifier, "training_step", told)
        train_in(training_job(root, tmp_path / "ended", **ALL_AT_ONCE))
    assert signal.signal(number, before) is outer and not outer.called
    assert getattr(error.value, "code", None) == (128 + number if number == signal.SIGHUP else None)
    checkpoint = last_checkpoint(tmp_path / "ended")
    assert checkpoint is not None and read_checkpoint(checkpoint)["global_step"] == -(-batch // 3)
    assert not (tmp_path / "ended" / "result.json").exists()
    train_in(training_job(root, tmp_path / "ended", **ALL_AT_ONCE))
    once, twice = weights(undisturbed), weights(tmp_path / "ended")
    assert not [name for name, value in twice.items() if not torch.equal(value, once[name])]
    before, after = training_result_in(undisturbed), training_result_in(tmp_path / "ended")
    assert (before.val_accuracy, before.test_accuracy) == (after.val_accuracy, after.test_accuracy)


def test_a_second_ctrl_c_ends_a_training_within_its_step(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = []

    def told(self: Any, *arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        rest.append("after the first")
        os.kill(os.getpid(), signal.SIGINT)
        rest.append("after the second")

    monkeypatch.setattr(Classifier, "training_step", told)
    with pytest.raises(KeyboardInterrupt):
        train_in(training_job(root, tmp_path, **ALL_AT_ONCE))
    assert rest == ["after the first"] and last_checkpoint(tmp_path) is None


@pytest.mark.long
@pytest.mark.parametrize("ranks", [1, 2])
def test_sigterm_writes_a_checkpoint(
    configure: Callable[..., dict[str, Any]],
    root: Path,
    tmp_path: Path,
    ranks: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    overrides = training_overrides(root, f"architecture='{SMALL}'", f"trainer.devices={ranks}")
    longer = [*overrides, "trainer.max_epochs=200"]
    running = background("seminas-train", *longer, "hydra.run.dir=run", cwd=tmp_path)
    folder = RunFolder(tmp_path / "run")
    wait_for((folder.path / "metrics.csv").exists, running)
    os.kill(running.pid, signal.SIGTERM)
    assert running.wait(60) == 128 + signal.SIGTERM
    logs = [log.read_text() for log in folder.path.glob("logs/rank*.log")]
    assert len(logs) == (ranks if ranks > 1 else 0)
    assert not any(Path(f"/proc/{re.findall('process ([0-9]+)', log)[0]}").exists() for log in logs)
    checkpoint = last_checkpoint(folder.path)
    assert checkpoint is not None
    step = torch.load(checkpoint, weights_only=True)["global_step"]
    assert step > 0
    # A run cannot continue with fewer epochs.
    with pytest.raises(
        UserError, match="trainer.max_epochs=3: must be at least 200, since .* has run with that"
    ):
        command.run(configure("train", *overrides, "trainer.max_epochs=3"), folder, quiet=True)
    if ranks > 1:
        return
    begun: list[int] = []

    def ends_at_once(self: Any, batch: Any, batch_idx: int) -> None:
        begun.append(self.trainer.global_step)
        raise Killed

    monkeypatch.setattr(Classifier, "training_step", ends_at_once)
    with pytest.raises(Killed):
        command.run(configure("train", *longer), folder, quiet=True)
    assert begun == [step]
