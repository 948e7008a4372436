"""Test that a finished training keeps its result if a command cannot extend it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pictures import write_pictures

from learning import SMALL, training_overrides, training_result_in
from seminas.commands import supernet, train
from seminas.config.check import checked
from seminas.config.compose import compose
from seminas.errors import UserError
from seminas.runs.folder import RunFolder

Configure = Callable[..., dict[str, Any]]
CONSTANT = ["data.recipe.schedule=constant", "data.recipe.epochs=2", "logger=[]", f"architecture='{SMALL}'"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def trained(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished training."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    config = checked(compose("train", training_overrides(root, *CONSTANT)), "train")
    train.run(config, RunFolder(folder), quiet=True)
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> RunFolder:
    """Return a copy of the finished training."""
    return RunFolder(shutil.copytree(trained, tmp_path / "run"))


@pytest.mark.parametrize("fewer", ["trainer.max_epochs=1", "trainer.max_steps=3"])
def test_less_than_was_done_is_refused(
    configure: Configure, root: Path, folder: RunFolder, fewer: str
) -> None:
    overrides = training_overrides(root, *CONSTANT)
    result = training_result_in(folder.path)
    with pytest.raises(UserError, match=fewer) as error:
        train.run(configure("train", *overrides, fewer), folder, quiet=True)
    assert "\n" not in str(error.value) and training_result_in(folder.path) == result


@pytest.mark.parametrize("content", [b"", b"no checkpoint"])
def test_a_broken_checkpoint_is_one_line(
    configure: Configure, root: Path, folder: RunFolder, content: bytes
) -> None:
    overrides = training_overrides(root, *CONSTANT)
    result = training_result_in(folder.path)
    (folder.path / "checkpoints" / "last.ckpt").write_bytes(content)
    with pytest.raises(UserError, match="last.ckpt: ") as error:
        train.run(configure("train", *overrides, "trainer.max_epochs=3"), folder, quiet=True)
    assert "\n" not in str(error.value) and training_result_in(folder.path) == result


def test_a_broken_checkpoint_of_a_supernet_is_one_line(
    configure: Configure, root: Path, tmp_path: Path
) -> None:
    overrides = ["space=mobilenet_small", "data=pictures", f"data.images.root={root}", "num_measured=2"]
    overrides += ["data.images.num_validation=24", "data.images.num_calibration=16"]
    folder = RunFolder(tmp_path / "run")
    supernet.run(configure("supernet", *overrides, "trainer.max_steps=1"), folder, quiet=True)
    for content in (b"", b"no checkpoint"):
        (folder.path / "checkpoints" / "last.ckpt").write_bytes(content)
        with pytest.raises(UserError, match="last.ckpt: ") as error:
            supernet.run(configure("supernet", *overrides, "trainer.max_steps=2"), folder, quiet=True)
        assert "\n" not in str(error.value)
