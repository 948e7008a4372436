import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from omegaconf import OmegaConf
from pictures import CLASSES, write_pictures
from PIL import Image
from safetensors.torch import load_file
from seminas.commands.app import build

from learning import images_config, one_group
from seminas.commands.train import train
from seminas.errors import UserError
from seminas.execution.ranks import launch
from seminas.spaces.mobilenet.space import MobileNet
from seminas.training.classifier import Classifier
from support import background, command, started_ranks

SPACE = {
    "_target_": "seminas.spaces.mobilenet.space.MobileNet",
    "image": [3, 32, 32],
    "num_classes": 4,
    "factor": 0.25,
    "stem_stride": 1,
}
SMALL = "1 7 7 7 2 7 7 7 3 7 7 7 1 7 7 7 1 7 7 7 1"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


def config(root: Path, **changes: Any) -> dict[str, Any]:
    recipe = {
        "_target_": "seminas.training.classifier.Recipe",
        "epochs": 2,
        "learning_rate": 0.05,
        "weight_decay": 4e-5,
        "schedule": "cosine",
        "decay_norms": False,
        "label_smoothing": 0.1,
        "augmentation": "flip",
        "networks": {"mobilenet": {"dropout": 0.1}},
    }
    given: dict[str, Any] = {
        "seed": 0,
        "space": SPACE,
        "architecture": SMALL,
        "architecture_from": None,
        "data": {"images": images_config(root)},
        "recipe": recipe,
        "trainer": {"accelerator": "cpu", "devices": 1},
        "export": ["safetensors"],
    }
    for key, value in changes.items():
        part, _, name = key.partition("__")
        if name:
            given[part] = {**given[part], name: value}
        else:
            given[part] = value
    return given


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "network.safetensors")


def assert_equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert torch.equal(value, b[name]), name


def train_in(folder: Path, given: dict[str, Any]) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    train(given, folder, True)
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


def test_a_network_learns_and_is_exported(root: Path, tmp_path: Path) -> None:
    given = config(
        root, recipe__epochs=12, recipe__ema=0.9, recipe__mixup=0.1, export=["safetensors", "onnx"]
    )
    result = train_in(tmp_path / "run", given)
    assert result["test_accuracy"] > 0.5 and result["val_accuracy"] > 0.5
    space = MobileNet(**{k: v for k, v in SPACE.items() if k != "_target_"})
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
    given = config(root, recipe__epochs=2, recipe__mixup=0.2, recipe__ema=0.5, trainer__checkpoint_every=2)
    train_in(tmp_path / "whole", given)
    original = Classifier.training_step

    def killed(self: Any, batch: Any, batch_idx: int) -> Any:
        if self.trainer.global_step == step:
            raise Killed
        return original(self, batch, batch_idx)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Classifier, "training_step", killed)
        train_in(tmp_path / "killed", given)
    assert not (tmp_path / "killed" / "result.json").exists()
    train_in(tmp_path / "killed", given)
    assert_equal(weights(tmp_path / "killed"), weights(tmp_path / "whole"))


@pytest.mark.parametrize("ranks", [1, 2])
def test_sigterm_writes_a_checkpoint(root: Path, tmp_path: Path, ranks: int) -> None:
    settings = [f"data.images.{k}={v}" for k, v in images_config(root).items() if k != "_target_"]
    space = [f"space.{k}={v}".replace(" ", "") for k, v in SPACE.items() if k != "_target_"]
    arguments = ["data=imagefolder", *settings, *space, "trainer.accelerator=cpu", "trainer.max_epochs=200"]
    arguments.append(f"trainer.devices={ranks}")
    running = background("seminas-train", *arguments, "hydra.run.dir=run", cwd=tmp_path)
    metrics = tmp_path / "run" / "metrics.csv"
    for _ in range(600):
        if metrics.exists() or running.poll() is not None:
            break
        time.sleep(0.1)
    os.kill(running.pid, signal.SIGTERM)
    assert running.wait(60) == 128 + signal.SIGTERM
    logs = [log.read_text() for log in (tmp_path / "run").glob("logs/rank*.log")]
    assert len(logs) == (ranks if ranks > 1 else 0)
    assert not any(Path(f"/proc/{re.findall('process ([0-9]+)', log)[0]}").exists() for log in logs)
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()
    stands = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    assert stands > 0
    # The same command goes on from there; fewer epochs would be another config.
    refused = command("seminas-train", *arguments, "trainer.max_epochs=3", "hydra.run.dir=run", cwd=tmp_path)
    assert refused.returncode == 2 and "trainer.max_epochs is 200 there, 3 here" in refused.stderr


def ranks_and_steps(given: dict[str, Any], folder: Path) -> None:
    """What a rank does here: trains, without statistics over a batch, and writes what every step did."""
    torch.nn.BatchNorm2d = one_group  # type: ignore[assignment, misc]
    rank = os.environ["LOCAL_RANK"]
    done: list[Any] = []

    def after(self: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        flat = torch.cat([p.detach().flatten() for p in self.parameters()])
        done.append((flat.double().sum().item(), flat.double().square().sum().item(), float(outputs["loss"])))

    Classifier.on_train_batch_end = after  # type: ignore[method-assign, assignment]
    train(given, folder, True)
    (folder / f"steps{rank}.json").write_text(json.dumps(done))


def test_two_processes_are_as_one_with_the_same_global_batch(root: Path, tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    two = config(root, data={"images": images_config(root, batch_size=16)}, trainer__devices=2)
    two["recipe"] |= {"learning_rate": 0.02, "per_batch": 32, "networks": {}}
    launch(ranks_and_steps, (two, tmp_path / "two"), 2, tmp_path / "two" / "logs")
    first, second = (json.loads((tmp_path / "two" / f"steps{rank}.json").read_text()) for rank in range(2))
    assert len(first) == 6 and [s[:2] for s in first] == [s[:2] for s in second]
    (tmp_path / "one").mkdir()
    one = config(root, data={"images": images_config(root, batch_size=32)}, recipe=two["recipe"])
    launch(ranks_and_steps, (one, tmp_path / "one"), 1, tmp_path / "one" / "logs")
    alone = json.loads((tmp_path / "one" / "steps0.json").read_text())
    losses = np.mean([[s[2] for s in first], [s[2] for s in second]], axis=0)
    np.testing.assert_allclose(losses, [s[2] for s in alone], rtol=1e-4)
    np.testing.assert_allclose([s[1] for s in first], [s[1] for s in alone], rtol=1e-5)
    results = [json.loads((tmp_path / n / "result.json").read_text()) for n in ("one", "two")]
    assert results[0]["steps"] == results[1]["steps"] == 6


def test_ranks_that_something_else_starts_share_a_folder(tmp_path: Path) -> None:
    """As under torchrun or Slurm: the same command for each, its place in the environment."""
    arguments = ["space=nasbench101", "data=digits", "trainer=ddp", "trainer.accelerator=cpu"]
    arguments += ["trainer.devices=2", "trainer.max_epochs=1", "hydra.run.dir=run"]
    started_ranks("seminas-train", *arguments, cwd=tmp_path)
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
            build(OmegaConf.create({"images": images_config(folder)}), "images")
        assert said[name] in str(error.value).lower() and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architecture": "1 2 3"}, "architecture=1 2 3: '1 2 3' has 3 choices"),
        ({"architecture": "7" + SMALL[1:]}, "s1b1=7: must be one of 1, 2, 3, 4, 5, 6"),
        (
            {"architecture": None, "architecture_from": "nowhere"},
            "architecture_from=nowhere: there is no such",
        ),
        ({"architecture_from": "somewhere"}, "architecture_from: architecture is set as well"),
        ({"space": SPACE | {"max_macs": 1e5}}, "space.max_macs=100000: must be at least"),
        ({"recipe__epochs": 0}, "recipe.epochs=0: must be at least 1"),
        ({"trainer__precision": "17"}, "trainer: "),
    ],
)
def test_a_config_that_will_not_do_is_one_line(
    root: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError) as error:
        train_in(tmp_path / "run", config(root, **changes))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_odd_pictures_are_converted_and_broken_ones_skipped_and_counted(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "pictures", 20, 5)
    files = sorted((root / "train" / "circle").iterdir())
    Image.open(files[0]).convert("L").save(files[0])
    Image.open(files[1]).convert("RGBA").save(files[1])
    files[2].write_bytes(files[2].read_bytes()[:300])
    for file in sorted((root / "train" / "square").iterdir())[:3]:
        file.write_text("no picture")
    images = images_config(root, num_validation=8, num_calibration=0, split_seed=1)
    result = train_in(tmp_path / "run", config(root, data={"images": images}))
    assert 1 <= result["skipped_images"] <= 4
    done = command("seminas", "data", "info", str(root), cwd=tmp_path)
    assert "4 files cannot be read" in done.stdout and str(files[2]) in done.stdout
    assert done.returncode == 1
