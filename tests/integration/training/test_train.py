import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from pictures import CLASSES, write_pictures
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner

from learning import images_config, one_group
from seminas.commands import train as command
from seminas.commands.main import app
from seminas.config.recipe import Recipe
from seminas.config.spaces import MobileNetSettings
from seminas.config.trainer import TrainerSettings
from seminas.errors import UserError
from seminas.execution.ranks import launch
from seminas.runs.folder import RunFolder
from seminas.runs.results import TrainingResult
from seminas.spaces.mobilenet import MobileNet
from seminas.training.classifier import Classifier
from seminas.training.data.make import make_images
from seminas.training.standalone import StandaloneJob, train
from support import started_ranks

Configure = Callable[..., dict[str, Any]]
SPACE = MobileNetSettings(image=[3, 32, 32], num_classes=4, factor=0.25, stem_stride=1)
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
SMALL = "1 7 7 7 2 7 7 7 3 7 7 7 1 7 7 7 1 7 7 7 1"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


def job(root: Path, folder: Path, **changes: Any) -> StandaloneJob:
    """The training of a small network; changes are of the recipe, the trainer, the images and what is exported."""
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


def arguments(root: Path, *overrides: str) -> list[str]:
    """The same as a command's overrides."""
    images = [f"data.images.{k}={v}" for k, v in images_config(root).items() if k != "_target_"]
    space = [f"space.{k}={v}".replace(" ", "") for k, v in vars(SPACE).items() if k != "_target_" and v]
    return ["data=imagefolder", *images, *space, "trainer.accelerator=cpu", *overrides]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "network.safetensors")


def assert_equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert torch.equal(value, b[name]), name


def train_in(work: StandaloneJob) -> TrainingResult:
    work.folder.mkdir(exist_ok=True)
    train(work)
    result = RunFolder(work.folder).result()
    assert isinstance(result, TrainingResult)
    return result


def test_a_network_learns_and_is_exported(root: Path, tmp_path: Path) -> None:
    recipe = {"epochs": 12, "ema": 0.9, "mixup": 0.1}
    result = train_in(job(root, tmp_path / "run", recipe=recipe, export=["safetensors", "onnx"]))
    assert result.test_accuracy > 0.5 and result.val_accuracy is not None and result.val_accuracy > 0.5
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


class Killed(BaseException):
    """As if the process had ended."""


@pytest.mark.parametrize("step", [3, 7])
def test_a_run_that_was_killed_ends_like_one_that_was_not(
    root: Path, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: dict[str, Any] = {"recipe": {"mixup": 0.2, "ema": 0.5}, "trainer": {"checkpoint_every": 2}}
    train_in(job(root, tmp_path / "whole", **changes))
    original = Classifier.training_step

    def killed(self: Any, batch: Any, batch_idx: int) -> Any:
        if self.trainer.global_step == step:
            raise Killed
        return original(self, batch, batch_idx)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Classifier, "training_step", killed)
        train_in(job(root, tmp_path / "killed", **changes))
    assert not (tmp_path / "killed" / "result.json").exists()
    train_in(job(root, tmp_path / "killed", **changes))
    assert_equal(weights(tmp_path / "killed"), weights(tmp_path / "whole"))


def record_steps(work: StandaloneJob) -> None:
    """Train as a rank, without statistics over a batch, and write what every step did."""
    torch.nn.BatchNorm2d = one_group  # type: ignore[assignment, misc]
    rank = os.environ["LOCAL_RANK"]
    done: list[Any] = []

    def after(self: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        flat = torch.cat([p.detach().flatten() for p in self.parameters()])
        done.append((flat.double().sum().item(), flat.double().square().sum().item(), float(outputs["loss"])))

    Classifier.on_train_batch_end = after  # type: ignore[method-assign, assignment]
    train(work)
    (work.folder / f"steps{rank}.json").write_text(json.dumps(done))


def test_two_processes_are_as_one_with_the_same_global_batch(root: Path, tmp_path: Path) -> None:
    recipe = {"learning_rate": 0.02, "per_batch": 32, "networks": {}}
    two = job(root, tmp_path / "two", recipe=recipe, images={"batch_size": 16}, trainer={"devices": 2})
    one = job(root, tmp_path / "one", recipe=recipe, images={"batch_size": 32})
    for work, ranks in ((two, 2), (one, 1)):
        work.folder.mkdir()
        launch(record_steps, (work,), ranks, work.folder / "logs")
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
    """As under torchrun or Slurm: the same command for each, its place in the environment."""
    overrides = ["space=nasbench101", "data=digits", "trainer=ddp", "trainer.accelerator=cpu"]
    overrides += ["trainer.devices=2", "trainer.max_epochs=1", "hydra.run.dir=run"]
    started_ranks("seminas-train", *overrides, cwd=tmp_path)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["steps"] == 896 // 64 // 2


def fails_on_the_second_rank(folder: Path) -> None:
    if os.environ["LOCAL_RANK"] == "1":
        raise RuntimeError("this rank is broken")
    time.sleep(100)


def test_a_rank_that_fails_ends_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    start = time.monotonic()
    with pytest.raises(UserError, match="rank 1 failed: RuntimeError: this rank is broken"):
        launch(fails_on_the_second_rank, (tmp_path,), 2, tmp_path / "logs")
    assert time.monotonic() - start < 60
    assert "Traceback" in (tmp_path / "logs" / "rank1.log").read_text() and "Traceback" in caplog.text


def test_bad_input_is_one_line(root: Path, tmp_path: Path) -> None:
    broken = write_pictures(tmp_path / "broken", 10, 3)
    (broken / "val" / "line").rename(tmp_path / "line")
    folders = {"odd": broken}
    one = write_pictures(tmp_path / "one", 10, 3)
    for split in ("train", "val"):
        for name in CLASSES[1:]:
            subprocess.run(["rm", "-r", str(one / split / name)], check=True)
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
        (["trainer.precision=17"], "trainer.precision=17: must be one of 32-true"),
        (
            ["trainer.accelerator=gpu"],
            "trainer.accelerator=gpu: must be auto or cpu on a machine without a GPU",
        ),
        (["trainer.strategy=nonsense"], "trainer.strategy=nonsense: must be one of auto, "),
        (
            ["trainer.devices=[1]", "trainer.accelerator=auto"],
            "trainer.devices=[1]: must be auto or a number",
        ),
        (
            ["data.images.batch_size=1000"],
            "data.images.batch_size=1000: must be at most the 120 training images",
        ),
    ],
)
def test_a_config_that_will_not_do_is_one_line_and_leaves_no_folder(
    configure: Configure, root: Path, tmp_path: Path, overrides: list[str], line: str
) -> None:
    with pytest.raises(UserError) as error:
        config = configure("train", *arguments(root), *overrides)
        command.run(config, RunFolder(tmp_path / "run"), quiet=True)
    assert str(error.value).startswith(line) or line in str(error.value)
    assert "\n" not in str(error.value) and not (tmp_path / "run").exists()


def test_a_training_that_ends_before_its_first_validation_has_a_result(root: Path, tmp_path: Path) -> None:
    result = train_in(job(root, tmp_path / "run", trainer={"max_steps": 2}))
    assert result.steps == 2 and result.val_accuracy is not None


def test_a_finished_training_goes_on_where_its_schedule_has_no_end(
    configure: Configure, root: Path, tmp_path: Path
) -> None:
    def run(schedule: str, epochs: int) -> TrainingResult:
        settings = [f"data.recipe.schedule={schedule}", f"trainer.max_epochs={epochs}"]
        config = configure("train", *arguments(root), *settings, f"architecture='{SMALL}'", "logger=[]")
        command.run(config, RunFolder(tmp_path / schedule), quiet=True)
        result = RunFolder(tmp_path / schedule).result()
        assert isinstance(result, TrainingResult)
        return result

    assert run("constant", 1).epochs == 1
    longer = run("constant", 2)
    assert longer.epochs == 2 and longer.config["trainer"]["max_epochs"] == 2
    with pytest.raises(UserError, match=r"trainer.max_epochs=1: must be at least 2"):
        run("constant", 1)
    assert RunFolder(tmp_path / "constant").result() == longer
    first = run("cosine", 1)
    with pytest.raises(UserError, match=r"trainer.max_epochs: cannot grow: recipe.schedule=cosine") as error:
        run("cosine", 2)
    assert "\n" not in str(error.value) and RunFolder(tmp_path / "cosine").result() == first


def test_odd_pictures_are_converted_and_broken_ones_skipped_and_counted(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "pictures", 20, 5)
    files = sorted((root / "train" / "circle").iterdir())
    Image.open(files[0]).convert("L").save(files[0])
    Image.open(files[1]).convert("RGBA").save(files[1])
    files[2].write_bytes(files[2].read_bytes()[:300])
    for file in sorted((root / "train" / "square").iterdir())[:3]:
        file.write_text("no picture")
    images = {"num_validation": 8, "num_calibration": 0, "split_seed": 1}
    result = train_in(job(root, tmp_path / "run", images=images))
    assert 1 <= result.skipped_images <= 4
    done = CliRunner().invoke(app, ["data", "info", str(root)])
    assert "4 files cannot be read" in done.output and str(files[2]) in done.output
    assert done.exit_code == 1
