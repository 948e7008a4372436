import hashlib
import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from learning import chain, digits_accuracy, digits_evaluator, digits_recipe
from seminas.config.build import build_section, read
from seminas.config.data import Cifar10Settings, DigitsSettings
from seminas.config.evaluators import RaySettings
from seminas.config.recipe import Recipe
from seminas.errors import UserError
from seminas.evaluators.base import Evaluator
from seminas.evaluators.training import TrainingEvaluator
from seminas.evaluators.trial import Trial
from seminas.execution.workers import WorkerProcesses
from seminas.spaces.base import SearchSpace
from seminas.spaces.nasbench101 import NASBench101
from seminas.spaces.sequence import SequenceSpace
from seminas.training.classifier import Classifier
from seminas.training.data.memory import cifar10, digits

RECIPE = digits_recipe(epochs=4)


@pytest.mark.long
def test_an_accuracy_does_not_depend_on_order_company_or_process(space: NASBench101) -> None:
    cells = [chain(space, n) for n in (1, 2, 3)]
    evaluator = digits_evaluator(space, RECIPE, num_workers=2)
    done = dict(evaluator.evaluate(cells))
    test = evaluator.test(cells[0])
    evaluator.close()
    assert all(evaluation.cost_s > 0 and evaluation.error is None for evaluation in done.values())
    for i in (2, 0):
        assert done[i].val_accuracy == digits_accuracy(space, cells[i], RECIPE)
    assert all(e.val_accuracy is not None and 0.3 < e.val_accuracy < 1 for e in done.values())
    assert test != done[0].val_accuracy and test is not None and 0.3 < test < 1
    assert test == digits_accuracy(space, cells[0], RECIPE, split="test")
    assert digits_accuracy(space, cells[0], RECIPE, seed=1) != done[0].val_accuracy
    assert evaluator.num_parameters(cells[0]) < evaluator.num_parameters(cells[1])


@pytest.mark.long
@pytest.mark.timeout(300)
def test_ray_gives_what_processes_give(space: NASBench101) -> None:
    pytest.importorskip("ray")
    cells = [chain(space, n) for n in (1, 2, 1)]
    recipe = replace(RECIPE, epochs=1)
    on_ray = digits_evaluator(space, recipe, engine="ray")
    try:
        done = dict(on_ray.evaluate(cells))
        assert [done[i].val_accuracy for i in range(3)] == [digits_accuracy(space, c, recipe) for c in cells]
        assert done[0].val_accuracy == done[2].val_accuracy != done[1].val_accuracy
        assert on_ray.test(cells[0]) == digits_accuracy(space, cells[0], recipe, split="test")
        with pytest.raises(UserError, match="evaluator.ray: an evaluation wants 1000 CPUs and 0 GPUs"):
            digits_evaluator(space, recipe, engine="ray", ray=RaySettings(num_cpus=1000))
    finally:
        on_ray.close()


def test_closing_ends_the_processes(space: NASBench101, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator = digits_evaluator(space, replace(RECIPE, epochs=100), num_workers=1)
    engine = evaluator._engine
    assert isinstance(engine, WorkerProcesses)
    processes: list[Any] = []
    original = connection.wait

    def interrupted(*args: Any, **kwargs: Any) -> None:
        if processes:
            return original(*args, **kwargs)
        processes.append(engine._slots[0].process.pid)  # type: ignore[union-attr]
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("seminas.execution.workers.connection.wait", interrupted)
        list(evaluator.evaluate([chain(space, 5)] * 2))
    assert connection.wait is original
    evaluator.close()
    assert not Path(f"/proc/{processes[0]}").exists(), "the worker is still there"


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
    assert evaluator._trial.run(best, ("val",))[0]["val"] > 0.3
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
    with pytest.raises(UserError, match="evaluator.engine=dask: must be one of processes, ray"):
        digits_evaluator(space, RECIPE, engine="dask")
    with pytest.raises(UserError, match="evaluator.num_workers=0"):
        digits_evaluator(space, RECIPE, num_workers=0)
    with pytest.raises(UserError, match="evaluator=training: space=chain builds no networks"):
        digits_evaluator(SequenceSpace("chain", {"a": ["x", "y"]}), RECIPE)
    wrong = replace(RECIPE, networks={"nasbench101": {"depth": 3}})
    with pytest.raises(UserError, match=r"data.recipe.networks.nasbench101: .*'depth'"):
        digits_evaluator(space, wrong)
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


class Killed(BaseException):
    """A simulated kill of a training."""


@pytest.mark.parametrize("damaged", [False, True])
def test_a_killed_training_continues_from_its_checkpoint(
    space: NASBench101, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    """Check that it computes what the undisturbed one computes, and that nothing of it is left."""
    images = {"_target_": "seminas.training.data.memory.digits", "batch_size": 64}
    cell, begun = chain(space, 2), []
    recipe = replace(RECIPE, epochs=5)

    def note(module: Classifier) -> None:
        begun.append(module.current_epoch)
        if begun == [0, 1, 2, 3]:
            raise Killed

    monkeypatch.setattr(Classifier, "on_train_epoch_start", note)
    trial = Trial(space, images, recipe, 0, "cpu", tmp_path / "trainings", 0.0)
    with pytest.raises(Killed):
        trial.run(cell, ("val",))
    (folder,) = (tmp_path / "trainings").iterdir()
    last = folder / "checkpoints" / "last.ckpt"
    if damaged:
        last.write_bytes(last.read_bytes()[:1000])
    outcome = Trial(space, images, recipe, 0, "cpu", tmp_path / "trainings", 0.0).outcome(cell, ("val",))
    assert begun[4:] == ([2, 3, 4] if damaged else [3, 4])
    assert outcome.accuracies == Trial(space, images, recipe, 0, "cpu").run(cell, ("val",))[0]
    assert not folder.exists() and outcome.error is None and outcome.cost_s > 0


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_training_on_two_devices_gives_an_accuracy_and_leaves_no_process(space: NASBench101) -> None:
    cell, recipe = chain(space, 2), replace(RECIPE, epochs=6)
    evaluator = digits_evaluator(space, recipe, num_workers=1, num_devices=2)
    try:
        ((_, first),) = evaluator.evaluate([cell])
        ((_, second),) = evaluator.evaluate([cell])
    finally:
        evaluator.close()
    assert first.error is None and first.val_accuracy is not None and 0.3 < first.val_accuracy < 1
    assert first.val_accuracy == second.val_accuracy
