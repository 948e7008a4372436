import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from pictures import CLASSES, write_pictures
from PIL import Image
from typer.testing import CliRunner

from learning import (
    SMALL,
    SPACE,
    images_config,
    record_steps,
    train_in,
    training_job,
    training_overrides,
    training_result_in,
    weights,
)
from seminas.commands import train as command
from seminas.commands.main import app
from seminas.errors import UserError
from seminas.execution.ranks import launch
from seminas.runs.folder import RunFolder
from seminas.runs.results import TrainingResult
from seminas.spaces.mobilenet import MobileNet
from seminas.training.checkpoints import LAST, checkpoint_folder, read_checkpoint
from seminas.training.classifier import Classifier
from seminas.training.data.make import make_images
from seminas.training.standalone import train
from support import started_ranks
from unit.execution.working import fail_on_second

Configure = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.mark.long
def test_a_network_learns_and_is_exported(root: Path, tmp_path: Path) -> None:
    recipe = {"epochs": 12, "ema": 0.9, "mixup": 0.1}
    result = train_in(training_job(root, tmp_path / "run", recipe=recipe, export=["safetensors", "onnx"]))
    assert result.val_accuracy is not None
    assert result.test_accuracy > 0.5 and result.val_accuracy > 0.5
    space = MobileNet(SPACE)
    network = space.build_network(space.parse(SMALL), 4, 3)
    network.load_state_dict(weights(tmp_path / "run"))
    about = json.loads((tmp_path / "run" / "network.json").read_text())
    assert about["classes"] == list(CLASSES) and about["image"] == [3, 32, 32]
    assert about["parameters"] == sum(p.numel() for p in network.parameters())
    images = torch.randn(5, 3, 32, 32)
    session = onnxruntime.InferenceSession(str(tmp_path / "run" / "network.onnx"))
    (logits,) = session.run(None, {"images": images.numpy()})
    np.testing.assert_allclose(logits, network.eval()(images).detach().numpy(), atol=1e-4)


@pytest.mark.long
def test_two_processes_are_as_one_with_the_same_global_batch(root: Path, tmp_path: Path) -> None:
    recipe = {"learning_rate": 0.02, "per_batch": 32, "networks": {}}
    two = training_job(
        root, tmp_path / "two", recipe=recipe, images={"batch_size": 16}, trainer={"devices": 2}
    )
    one = training_job(root, tmp_path / "one", recipe=recipe, images={"batch_size": 32})
    launch(record_steps, (Classifier, two.folder, train, two), 2, two.folder / "logs")
    one.folder.mkdir()
    record_steps(Classifier, one.folder, train, one)
    first, second = (json.loads((two.folder / f"steps{rank}.json").read_text()) for rank in range(2))
    assert len(first) == 6 and [s[:2] for s in first] == [s[:2] for s in second]
    alone = json.loads((one.folder / "steps0.json").read_text())
    losses = np.mean([[s[2] for s in first], [s[2] for s in second]], axis=0)
    np.testing.assert_allclose(losses, [s[2] for s in alone], rtol=1e-4)
    np.testing.assert_allclose([s[1] for s in first], [s[1] for s in alone], rtol=1e-5)
    results = [RunFolder(work.folder).result() for work in (one, two)]
    assert [result.steps for result in results if isinstance(result, TrainingResult)] == [6, 6]


@pytest.mark.long
def test_ranks_that_something_else_starts_share_a_folder(tmp_path: Path) -> None:
    """Start each rank as torchrun or Slurm does: with the same command, and with its rank in the environment."""
    overrides = ["space=nasbench101", "data=digits", "trainer=ddp", "trainer.accelerator=cpu"]
    overrides += ["trainer.devices=2", "trainer.max_epochs=1", "hydra.run.dir=run"]
    started_ranks("seminas-train", *overrides, cwd=tmp_path)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["steps"] == 896 // 64 // 2


def test_the_log_of_a_job_repeats_what_a_failed_rank_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="rank 1 failed: ValueError: it broke"):
        launch(fail_on_second, (tmp_path, "raised"), 2, tmp_path / "logs")
    assert "Traceback" in (tmp_path / "logs" / "rank1.log").read_text() and "Traceback" in caplog.text


@pytest.mark.long
def test_an_extended_training_ends_like_one_that_was_longer_from_the_start(
    root: Path, tmp_path: Path
) -> None:
    """Its images go on with the next epoch, and not with those of the first one."""

    def ended(name: str, epochs: int) -> dict[str, Any]:
        (tmp_path / name / "result.json").unlink(missing_ok=True)
        changes: dict[str, Any] = {"recipe": {"schedule": "constant"}, "trainer": {"max_epochs": epochs}}
        train_in(training_job(root, tmp_path / name, **changes))
        # The exported weights are those of the best epoch, which may be the same for all.
        last: dict[str, Any] = read_checkpoint(checkpoint_folder(tmp_path / name) / LAST)["state_dict"]
        return last

    whole, shorter, extended = ended("whole", 3), ended("extended", 2), ended("extended", 3)
    assert not all(torch.equal(shorter[name], value) for name, value in whole.items())
    assert [name for name, value in extended.items() if not torch.equal(value, whole[name])] == []


def test_bad_input_is_one_line(root: Path, tmp_path: Path) -> None:
    broken = write_pictures(tmp_path / "broken", 10, 3)
    (broken / "val" / "line").rename(tmp_path / "line")
    folders = {"odd": broken}
    one = write_pictures(tmp_path / "one", 10, 3)
    for split in ("train", "val"):
        for name in CLASSES[1:]:
            shutil.rmtree(one / split / name)
    empty = write_pictures(tmp_path / "empty", 10, 3)
    for file in (empty / "train" / "line").iterdir():
        file.unlink()
    folders |= {"one": one, "empty": empty, "nowhere": tmp_path / "nowhere"}
    said = {
        "odd": "class line is in one of train and val only",
        "one": "holds one class only, circle",
        "empty": "found no valid file for the classes line",
        "nowhere": "there is no such folder",
    }
    for name, folder in folders.items():
        with pytest.raises(UserError) as error:
            make_images(images_config(folder), augmentation="flip", seed=0)
        assert said[name] in str(error.value).lower() and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["architecture='1 2 3'"], "architecture=1 2 3: '1 2 3' has 3 choices"),
        ([f"architecture='7{SMALL[1:]}'"], "s1b1=7: must be one of 1, 2, 3, 4, 5, 6"),
        (["architecture_from=nowhere"], "architecture_from=nowhere: there is no such run folder or file"),
        (
            [f"architecture='{SMALL}'", "architecture_from=a"],
            "architecture_from: architecture is set as well",
        ),
        (["space.max_macs=1e5"], "space.max_macs=100000: must be at least"),
        (["data.recipe.epochs=0"], "recipe.epochs=0: must be at least 1"),
        (["trainer.precision=17"], "trainer.precision=17: must be one of auto, 32-true"),
        (
            ["trainer.accelerator=gpu"],
            "trainer.accelerator=gpu: must be auto or cpu on a machine without a GPU",
        ),
        (["trainer.strategy=nonsense"], "trainer.strategy=nonsense: must be one of auto, "),
        (["trainer.strategy=ddp_spawn"], "trainer.strategy=ddp_spawn: must be one of auto, "),
        (["trainer.strategy=fsdp", "trainer.accelerator=cpu"], "trainer: The strategy `fsdp` requires a GPU"),
        (
            ["trainer.sync_batchnorm=true", "trainer.accelerator=cpu", "trainer.devices=2"],
            "trainer.sync_batchnorm=True: must be false for several processes without GPUs",
        ),
        (
            ["trainer.devices=[1]", "trainer.accelerator=auto"],
            "trainer.devices=[1]: must be auto or a number",
        ),
        (
            ["data.images.batch_size=1000"],
            "data.images.batch_size=1000: must be at most the 120 training images",
        ),
        (
            ["data.images.batch_size=61", "trainer.devices=2"],
            "data.images.batch_size=61 on 2 processes: must be at most the 120 training images",
        ),
    ],
    ids=lambda value: value.partition(":")[0] if isinstance(value, str) else "",
)
def test_a_config_that_will_not_do_is_one_line_and_leaves_no_folder(
    configure: Configure,
    root: Path,
    tmp_path: Path,
    overrides: list[str],
    line: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(UserError) as error:
        config = configure("train", *training_overrides(root), *overrides)
        command.run(config, RunFolder(tmp_path / "run"), quiet=True)
    assert str(error.value).startswith(line) or line in str(error.value)
    assert "\n" not in str(error.value) and not (tmp_path / "run").exists()


def test_a_training_that_ends_before_its_first_validation_has_a_result(
    configure: Configure, root: Path, tmp_path: Path
) -> None:
    overrides = training_overrides(root, "trainer.max_steps=2", f"architecture='{SMALL}'")
    accuracy = command.run(configure("train", *overrides), RunFolder(tmp_path / "run"), quiet=True)
    result = training_result_in(tmp_path / "run")
    assert result.steps == 2 and result.val_accuracy == accuracy
    assert not (tmp_path / "run" / "checkpoints" / "best.ckpt").exists()


@pytest.mark.long
def test_a_finished_training_goes_on_where_its_schedule_has_no_end(
    configure: Configure, root: Path, tmp_path: Path
) -> None:
    def run(schedule: str, epochs: int) -> TrainingResult:
        settings = [f"data.recipe.schedule={schedule}", f"trainer.max_epochs={epochs}", "logger=[]"]
        overrides = training_overrides(root, *settings, f"architecture='{SMALL}'")
        command.run(configure("train", *overrides), RunFolder(tmp_path / schedule), quiet=True)
        return training_result_in(tmp_path / schedule)

    first = run("constant", 1)
    assert (first.epochs, first.steps) == (1, 7)
    began: list[int] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Classifier, "on_train_start", lambda self: began.append(self.trainer.global_step))
        longer = run("constant", 2)
    assert began == [7] and (longer.epochs, longer.steps) == (2, 14)
    assert longer.config["trainer"]["max_epochs"] == 2
    with pytest.raises(UserError, match=r"trainer.max_epochs=1: must be at least 2"):
        run("constant", 1)
    assert training_result_in(tmp_path / "constant") == longer
    ended = run("cosine", 1)
    with pytest.raises(UserError, match=r"trainer.max_epochs: cannot grow: recipe.schedule=cosine") as error:
        run("cosine", 2)
    assert "\n" not in str(error.value) and training_result_in(tmp_path / "cosine") == ended


def test_odd_pictures_are_converted(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "pictures", 20, 5)
    files = sorted((root / "train" / "circle").iterdir())
    Image.open(files[0]).convert("L").save(files[0])
    Image.open(files[1]).convert("RGBA").save(files[1])
    images = {"num_validation": 8, "num_calibration": 0, "split_seed": 1}
    assert train_in(training_job(root, tmp_path / "run", images=images)).skipped_images == 0
    done = CliRunner().invoke(app, ["data", "info", str(root)])
    assert done.exit_code == 0, done.output
