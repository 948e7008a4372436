import hashlib
import io
import os
import signal
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seminas.config.build import build_section, read
from seminas.config.data import Cifar10Settings, DigitsSettings
from seminas.config.evaluators import RaySettings, TrainingEvaluatorSettings
from seminas.config.recipe import Recipe
from seminas.errors import UserError
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation
from seminas.evaluators.training import TrainingEvaluator, Trial
from seminas.execution.engines import LocalProcesses
from seminas.spaces.base import SearchSpace
from seminas.spaces.nasbench101 import Cell, NASBench101
from seminas.spaces.sequence import SequenceSpace
from seminas.training.data.memory import cifar10, digits

SKELETON = {"stem_channels": 8, "num_stacks": 2, "cells_per_stack": 1, "batch_norm_momentum": 0.1}
RECIPE = Recipe(epochs=4, learning_rate=0.2, weight_decay=1e-4, networks={"nasbench101": SKELETON})


class Brittle(NASBench101):
    """Builds no networks with five vertices, and ends its process at one with four, once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder}

    def build_network(self, architecture: Cell, *args: object, **kwargs: object) -> torch.nn.Module:
        if architecture.num_vertices == 5:
            raise MemoryError("too large\nby far")
        if architecture.num_vertices == 4:
            try:
                (self.folder / "killed").touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return super().build_network(architecture, *args, **kwargs)  # type: ignore[arg-type]


DIGITS = {"_target_": "seminas.training.data.memory.digits", "batch_size": 64}


def trainings(space: Any, recipe: Recipe, seed: int = 0, **settings: Any) -> TrainingEvaluator[Any]:
    return TrainingEvaluator(space, seed, TrainingEvaluatorSettings(**settings), DIGITS, recipe)


def accuracy(space: Any, architecture: Any, recipe: Recipe, seed: int = 0, split: str = "val") -> float:
    """Train in this process, whose threads are as many as a worker's."""
    return Trial(space, DIGITS, recipe, seed, "cpu").run(architecture, (split,))[split]


def chain(space: NASBench101, length: int) -> Cell:
    matrix = np.diag(np.ones(length + 1, dtype=np.int64), k=1)
    return space.from_matrix(matrix, ["conv3x3-bn-relu"] * length)


def accuracies(evaluations: dict[int, Evaluation]) -> list[float | None]:
    return [evaluations[i].val_accuracy for i in range(len(evaluations))]


def test_an_accuracy_does_not_depend_on_order_company_or_process(space: NASBench101) -> None:
    cells = [chain(space, n) for n in (1, 2, 3)]
    evaluator = trainings(space, RECIPE, num_workers=2)
    done = dict(evaluator.evaluate(cells))
    test = evaluator.test(cells[0])
    evaluator.close()
    assert all(evaluation.cost_s > 0 and evaluation.error is None for evaluation in done.values())
    for i in (2, 0):
        assert done[i].val_accuracy == accuracy(space, cells[i], RECIPE)
    assert all(value is not None and 0.3 < value < 1 for value in accuracies(done))
    assert test != done[0].val_accuracy and test is not None and 0.3 < test < 1
    assert test == accuracy(space, cells[0], RECIPE, split="test")
    assert accuracy(space, cells[0], RECIPE, seed=1) != done[0].val_accuracy
    assert evaluator.num_parameters(cells[0]) < evaluator.num_parameters(cells[1])


def test_a_failure_is_recorded_and_a_dead_worker_replaced(tmp_path: Path) -> None:
    space = Brittle(tmp_path)
    cells = [chain(space, n) for n in (1, 2, 3)]
    evaluator = trainings(space, replace(RECIPE, epochs=1), num_workers=2)
    done = dict(evaluator.evaluate(cells))
    evaluator.close()
    assert (tmp_path / "killed").exists()
    assert done[0].val_accuracy is not None and done[1].val_accuracy is not None
    assert done[2].val_accuracy is None and done[2].error == "MemoryError: too large"


@pytest.mark.long
@pytest.mark.timeout(300)
def test_ray_gives_what_processes_give_and_replaces_a_worker_that_dies(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    space = Brittle(tmp_path)
    cells = [chain(space, n) for n in (1, 2, 3, 1)]
    recipe = replace(RECIPE, epochs=1)
    on_ray = trainings(space, recipe, engine="ray")
    try:
        done = dict(on_ray.evaluate(cells))
        assert (tmp_path / "killed").exists()
        assert done[2].val_accuracy is None and done[2].error == "MemoryError: too large"
        for i in (0, 1, 3):
            assert done[i].val_accuracy == accuracy(space, cells[i], recipe)
        assert accuracies(done)[0] == accuracies(done)[3] != accuracies(done)[1]
        assert on_ray.test(cells[0]) == accuracy(space, cells[0], recipe, split="test")
        with pytest.raises(UserError, match="evaluator.ray: an evaluation wants 1000 CPUs and 0 GPUs"):
            trainings(space, recipe, engine="ray", ray=RaySettings(num_cpus=1000))
    finally:
        on_ray.close()
    with pytest.raises(UserError, match="evaluator.engine=dask: must be one of processes, ray"):
        trainings(space, recipe, engine="dask")


def test_closing_ends_the_processes(space: NASBench101, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator = trainings(space, replace(RECIPE, epochs=100), num_workers=1)
    engine = evaluator._engine
    assert isinstance(engine, LocalProcesses)

    def interrupted(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("seminas.execution.engines.wait", interrupted)
        list(evaluator.evaluate([chain(space, 5)] * 2))
    assert engine._pool is not None
    (worker,) = (engine._pool._processes or {}).values()
    assert worker.is_alive()
    evaluator.close()
    worker.join(60)
    assert not worker.is_alive()


def test_every_space_with_networks_has_a_skeleton_that_trains(
    configure: Callable[..., dict[str, Any]],
) -> None:
    config = configure("search", "space=nasbench201", "data.recipe.epochs=2")
    cells: Any = build_section(config, "space", SearchSpace)
    recipe = read(config["data"]["recipe"], "data.recipe", Recipe)
    context = {"space": cells, "seed": 0, "images": config["data"]["images"], "recipe": recipe}
    evaluator = build_section(config, "evaluator", Evaluator, **context)
    best = cells.parse(
        "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
    )
    assert isinstance(evaluator, TrainingEvaluator)
    assert evaluator._trial.run(best, ("val",))["val"] > 0.3
    networks = configure("search", "data=cifar10")["data"]["recipe"]["networks"]
    assert set(networks) == set(config["data"]["recipe"]["networks"])


def test_digits_are_split_as_stated_and_always_alike() -> None:
    first, second = digits(DigitsSettings()), digits(DigitsSettings())
    assert [len(first.splits[name][1]) for name in ("train", "val", "test")] == [896, 450, 451]
    for name, (images, labels) in first.splits.items():
        assert images.shape[1:] == (1, 8, 8) and labels.unique().numel() == 10
        torch.testing.assert_close(images, second.splits[name][0])
    everything = torch.cat([images for images, _ in first.splits.values()]).flatten(1)
    assert len(everything.unique(dim=0)) == 1797


def test_settings_that_cannot_be_are_refused_by_their_key(space: NASBench101) -> None:
    with pytest.raises(UserError, match="evaluator.num_workers=0"):
        trainings(space, RECIPE, num_workers=0)
    with pytest.raises(UserError, match="evaluator=training: space=chain builds no networks"):
        trainings(SequenceSpace("chain", {"a": ["x", "y"]}), RECIPE)
    wrong = replace(RECIPE, networks={"nasbench101": {"depth": 3}})
    with pytest.raises(UserError, match=r"data.recipe.networks.nasbench101: .*'depth'"):
        trainings(space, wrong)
    with pytest.raises(UserError, match="recipe.epochs=0"):
        replace(RECIPE, epochs=0)


def test_cifar10_that_is_not_there_or_wrong_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seminas.training.data.memory.CIFAR10_URL", "http://127.0.0.1:9/cifar.tar.gz")
    with pytest.raises(UserError, match=r"data=cifar10: .* cannot be downloaded"):
        cifar10(Cifar10Settings(root=str(tmp_path)))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"something else")
    with pytest.raises(UserError, match=r"data=cifar10: .* its SHA-256 is not that of"):
        cifar10(Cifar10Settings(root=str(tmp_path)))


def test_cifar10_is_read_from_the_binary_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    archive = tmp_path / "cifar-10-binary.tar.gz"
    records = {}
    with tarfile.open(archive, "w:gz") as tar:
        for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
            record = rng.integers(0, 256, (20, 3073), dtype=np.uint8)
            record[:, 0] %= 10
            records[name] = record
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = record.size
            tar.addfile(member, io.BytesIO(record.tobytes()))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setattr("seminas.training.data.memory.CIFAR10_SHA256", digest)
    data = cifar10(Cifar10Settings(root=str(tmp_path), batch_size=8, num_val=30))
    assert [len(data.splits[name][1]) for name in ("train", "val", "test")] == [70, 30, 20]
    np.testing.assert_array_equal(data.splits["test"][1], records["test_batch"][:, 0])
    images, labels = next(iter(data.train_dataloader()))
    assert images.shape == (8, 3, 32, 32) and labels.shape == (8,) and images.abs().max() < 3
