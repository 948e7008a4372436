"""Shared code of training tests. It trains a small network on the pictures of ``examples/pictures.py``."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pictures import SIDE
from safetensors.torch import load_file

from seminas.config.recipe import Recipe
from seminas.config.spaces import MobileNetSettings
from seminas.config.trainer import TrainerSettings
from seminas.config.training_evaluator import TrainingEvaluatorSettings
from seminas.evaluators.training import TrainingEvaluator
from seminas.evaluators.trial import Trial
from seminas.execution.base import Call, Engine
from seminas.runs.folder import RunFolder
from seminas.runs.results import TrainingResult
from seminas.spaces.mobilenet import MobileNet
from seminas.spaces.nasbench101 import Cell, NASBench101
from seminas.training.standalone import StandaloneJob, train

SPACE = MobileNetSettings(image=[3, 32, 32], num_classes=4, factor=0.25, stem_stride=1)
SMALL = "1 7 7 7 2 7 7 7 3 7 7 7 1 7 7 7 1 7 7 7 1"
"""Text of the architecture that the tests train."""
RECIPE = {
    "epochs": 2,
    "learning_rate": 0.05,
    "weight_decay": 4e-5,
    "schedule": "cosine",
    "decay_norms": False,
    "label_smoothing": 0.1,
    "augmentation": "flip",
    "networks": {"mobilenet": {"dropout": 0.1}},
}
DIGITS = {"_target_": "seminas.training.data.memory.digits", "batch_size": 64}


def record_steps(module: type, folder: Path, work: Callable[..., Any], *arguments: Any) -> None:
    """Train without batch statistics, and write sums of the parameters and the loss after each step.

    The function runs on each rank, or in this process.

    Args:
        module: Class of the Lightning module.
        folder: Folder of the file ``steps{rank}.json``.
        work: Function that trains, called with ``arguments``.
    """
    done: list[Any] = []

    def after(self: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        flat = torch.cat([p.detach().flatten() for p in self.parameters()]).double()
        sums = (flat.sum(), flat.abs().sum(), flat.square().sum(), outputs["loss"])
        done.append([float(value) for value in sums])

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch.nn, "BatchNorm2d", one_group)
        patched.setattr(module, "on_train_batch_end", after)
        work(*arguments)
    rank = os.environ.get("LOCAL_RANK", "0")
    (folder / f"steps{rank}.json").write_text(json.dumps(done))


def images_config(root: Path, **changes: Any) -> dict[str, Any]:
    """Return the ``data.images`` section of a config for a folder of pictures."""
    config = {
        "_target_": "seminas.training.data.folder.image_folder",
        "root": str(root),
        "batch_size": 16,
        "resolution": SIDE,
        "resize": SIDE,
        "num_validation": 24,
        "num_calibration": 16,
        "num_workers": 0,
    }
    return config | changes


def training_job(root: Path, folder: Path, **changes: Any) -> StandaloneJob:
    """Return a training of a small network.

    Args:
        root: Folder of the pictures.
        folder: Run folder.
        changes: Changed values of ``recipe``, ``trainer``, ``images`` and ``export``.
    """
    recipe = Recipe(**(RECIPE | changes.pop("recipe", {})))
    trainer = TrainerSettings(**({"accelerator": "cpu", "devices": 1} | changes.pop("trainer", {})))
    config = {
        "seed": 0,
        "space": vars(SPACE),
        "data": {"images": images_config(root, **changes.pop("images", {}))},
        "recipe": vars(recipe),
        "logger": None,
        "export": changes.pop("export", ["safetensors"]),
    }
    assert not changes
    space = MobileNet(SPACE)
    return StandaloneJob(space, space.parse(SMALL), recipe, trainer, folder, config, True)


def training_overrides(root: Path, *overrides: str) -> list[str]:
    """Return the images, the space and the trainer of ``training_job`` as overrides of ``seminas-train``."""
    images = [f"data.images.{k}={v}" for k, v in images_config(root).items() if k != "_target_"]
    space = [f"space.{k}={v}".replace(" ", "") for k, v in vars(SPACE).items() if k != "_target_" and v]
    return ["data=imagefolder", *images, *space, "trainer.accelerator=cpu", *overrides]


def train_in(job: StandaloneJob) -> TrainingResult:
    """Run a training in its folder, and return its result."""
    job.folder.mkdir(exist_ok=True)
    train(job)
    return training_result_in(job.folder)


def training_result_in(folder: Path) -> TrainingResult:
    """Return the result of the training in a folder."""
    result = RunFolder(folder).result()
    assert isinstance(result, TrainingResult)
    return result


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return the weights that a training has exported."""
    return load_file(folder / "network.safetensors")


def one_group(channels: int, eps: float = 1e-5) -> torch.nn.Module:
    """Return a layer that normalizes each image alone. So the result does not depend on the division into batches."""
    return torch.nn.GroupNorm(1, channels, eps)


def digits_recipe(epochs: int) -> Recipe:
    """Return a recipe that trains small cells on the digits."""
    skeleton = {"stem_channels": 8, "num_stacks": 2, "cells_per_stack": 1, "batch_norm_momentum": 0.1}
    networks = {"nasbench101": skeleton}
    return Recipe(epochs=epochs, learning_rate=0.2, weight_decay=1e-4, networks=networks)


def digits_evaluator(space: Any, recipe: Recipe, seed: int = 0, **settings: Any) -> TrainingEvaluator[Any]:
    """Return an evaluator that trains on the digits."""
    on_cpu = TrainingEvaluatorSettings(**({"accelerator": "cpu"} | settings))
    return TrainingEvaluator(space, seed, on_cpu, DIGITS, recipe)


def digits_accuracy(
    space: Any, architecture: Any, recipe: Recipe, seed: int = 0, split: str = "val"
) -> float:
    """Return the accuracy of the same training in this process. It has as many threads as a worker."""
    return Trial(space, DIGITS, recipe, seed, "cpu").run(architecture, (split,))[0][split]


def chain(space: NASBench101, length: int) -> Cell:
    """Return a cell of ``length`` convolutions, one after the other."""
    matrix = np.diag(np.ones(length + 1, dtype=np.int64), k=1)
    return space.from_matrix(matrix, ["conv3x3-bn-relu"] * length)


class ThisProcess(Engine):
    """An engine that makes the calls in this process, one after the other, on one thread as a worker does."""

    num_workers = 1

    def __init__(self, target: Any) -> None:
        super().__init__()
        self._target = target
        self.num_calls = 0

    def _begin_waiting(self) -> None:
        pass

    def _num_running(self) -> int:
        return 0

    def _ended(self, timeout_s: float | None) -> list[tuple[Call, Any]]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            call = self._waiting.popleft()
            self.num_calls += 1
            return [(call, getattr(self._target, call.method)(*call.arguments))]
        finally:
            torch.set_num_threads(threads)

    def _end_running(self) -> None:
        pass

    def close(self) -> None:
        pass
