"""Test that a training step never waits for the device, and that a GPU gets its memory format and precision.

A read of one number of a tensor (``.item()``, ``float(tensor)``) waits until the GPU has computed it. These tests count
such reads on the CPU. On a GPU, PyTorch itself counts them.
"""

import os
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pictures import write_pictures
from torch.utils._python_dispatch import TorchDispatchMode

from learning import SPACE, images_config, train_in, training_job
from seminas.config.recipe import Recipe
from seminas.config.trainer import TrainerSettings
from seminas.spaces.mobilenet import MobileNet
from seminas.training import devices
from seminas.training.averaging import MeanWeights
from seminas.training.classifier import Classifier
from seminas.training.paths import SupernetModule
from seminas.training.supernet import SupernetJob

READ = torch.ops.aten._local_scalar_dense.default


class Reads(TorchDispatchMode):
    """Counts the reads of single numbers from tensors, by training step. Outside of steps it counts none."""

    def __init__(self) -> None:
        super().__init__()
        self.step: int | None = None
        self.num_steps = 0
        self.by_step: Counter[int] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is READ and self.step is not None:
            self.by_step[self.step] += 1
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """Count within the steps of both modules: from the start of a batch to the end of the optimizer's step."""
    counted = Reads()

    def begin(self: Any, *_: Any) -> None:
        counted.step, counted.num_steps = counted.num_steps, counted.num_steps + 1

    def end(self: Any, *_: Any) -> None:
        counted.step = None

    for module in (Classifier, SupernetModule):
        monkeypatch.setattr(module, "on_train_batch_start", begin)
        monkeypatch.setattr(module, "on_train_batch_end", end)
    return counted


# Mixup draws its coefficient on the CPU, also for a GPU. The mean of the weights has a test of its own.
RECIPE: dict[str, Any] = {"gradient_clip": 5.0, "warmup_epochs": 0.5}


def test_a_step_of_the_classifier_reads_nothing(root: Path, tmp_path: Path, reads: Reads) -> None:
    with reads:
        train_in(training_job(root, tmp_path / "run", recipe=RECIPE, trainer={"log_every_n_steps": 1000}))
    assert reads.num_steps >= 8 and not reads.by_step


def test_a_step_of_the_supernet_reads_nothing(root: Path, tmp_path: Path, reads: Reads) -> None:
    recipe = Recipe(1, learning_rate=0.1, weight_decay=4e-5, schedule="constant", gradient_clip=5.0)
    trainer = TrainerSettings(accelerator="cpu", log_every_n_steps=1000)
    job = SupernetJob(MobileNet(SPACE), images_config(root), recipe, trainer, tmp_path, seed=0)
    with reads:
        job.train(4)
    assert reads.num_steps == 4 and not reads.by_step


def test_a_read_in_a_step_is_counted(
    root: Path, tmp_path: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Classifier.training_step

    def reading(self: Classifier, batch: Any, batch_idx: int) -> Any:
        loss = original(self, batch, batch_idx)
        float(loss.detach())
        return loss

    monkeypatch.setattr(Classifier, "training_step", reading)
    with reads:
        train_in(training_job(root, tmp_path / "run", trainer={"log_every_n_steps": 1000}))
    assert list(reads.by_step.values()) == [1] * reads.num_steps


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_no_step_waits_for_a_gpu(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Classifier.training_step

    def strict(self: Classifier, batch: Any, batch_idx: int) -> Any:
        torch.cuda.set_sync_debug_mode("error")
        return original(self, batch, batch_idx)

    monkeypatch.setattr(Classifier, "training_step", strict)
    monkeypatch.setattr(
        Classifier, "on_train_batch_end", lambda *_: torch.cuda.set_sync_debug_mode("default"), raising=False
    )
    train_in(training_job(root, tmp_path / "run", trainer={"accelerator": "gpu", "log_every_n_steps": 1000}))


@pytest.mark.parametrize(
    ("accelerator", "has_gpu", "has_bf16", "expected"),
    [
        ("auto", True, True, "bf16-mixed"),
        ("auto", True, False, "32-true"),
        ("cpu", True, True, "32-true"),
        ("auto", False, False, "32-true"),
    ],
)
def test_the_automatic_precision(
    accelerator: str, has_gpu: bool, has_bf16: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has_bf16)
    settings = TrainerSettings(accelerator=accelerator, precision="auto")
    assert devices.lightning_precision(settings) == expected
    assert devices.lightning_precision(TrainerSettings(precision="16-mixed")) == "16-mixed"


@pytest.mark.parametrize(
    ("chosen", "device", "expected"),
    [(None, "cuda", True), (None, "cpu", False), (True, "cpu", True), (False, "cuda", False)],
)
def test_the_memory_format_is_that_of_the_device(chosen: bool | None, device: str, expected: bool) -> None:
    recipe = Recipe(1, learning_rate=0.1, weight_decay=0.0, channels_last=chosen)
    assert devices.uses_channels_last(recipe, torch.device(device)) is expected


def test_the_mean_of_the_weights_is_on_the_device_and_its_counter_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The device ``meta`` stands for a GPU."""
    trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device("meta")))
    module = Classifier(torch.nn.Linear(2, 2), 2, Recipe(1, learning_rate=0.1, weight_decay=0.0))
    mean = MeanWeights(decay=0.9)
    mean.setup(trainer, module, "fit")  # type: ignore[arg-type]
    assert mean._average_model is not None
    assert {p.device.type for p in mean._average_model.parameters()} == {"meta"}
    assert mean._average_model.n_averaged.device.type == "cpu"
    assert "n_averaged" in mean._average_model.state_dict()


def test_compiled_kernels_stay_in_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEMINAS_CACHE", str(tmp_path))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    devices.keep_compiled()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(devices.cache_dir() / "inductor")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "mine")
    devices.keep_compiled()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "mine"
