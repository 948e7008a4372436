"""Checkpoints that are torn, that cannot be written, and that processes leave half written."""

import errno
import logging
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from pictures import write_pictures

from learning import train_in, training_job, weights
from seminas.errors import UserError
from seminas.training.checkpoints import LAST, PREVIOUS, SafeCheckpoints, checkpoint_folder, last_checkpoint

OFTEN: dict[str, Any] = {"trainer": {"checkpoint_every": 1}}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


def checkpoint(step: int) -> dict[str, Any]:
    return {"state_dict": {"weight": torch.full((100,), float(step))}, "global_step": step}


def written(folder: Path, steps: int) -> Path:
    for step in range(1, steps + 1):
        SafeCheckpoints().save_checkpoint(checkpoint(step), checkpoint_folder(folder) / LAST)
    return checkpoint_folder(folder) / LAST


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def step_of(path: Path | None) -> int:
    assert path is not None
    return int(torch.load(path, weights_only=True)["global_step"])


def test_the_checkpoint_before_is_kept(tmp_path: Path) -> None:
    last = written(tmp_path, 3)
    assert step_of(last) == 3 and step_of(last.with_name(PREVIOUS)) == 2
    assert names(last.parent) == [LAST, PREVIOUS]


@pytest.mark.parametrize("left", [0, 100, 0.5, 0.99])
def test_a_torn_checkpoint_falls_back_to_the_one_before(
    tmp_path: Path, left: float, caplog: pytest.LogCaptureFixture
) -> None:
    last = written(tmp_path, 3)
    os.truncate(last, int(left if left > 1 else left * last.stat().st_size))
    with caplog.at_level(logging.WARNING):
        assert step_of(last_checkpoint(tmp_path)) == 2
    assert str(last) in caplog.text and "goes on from" in caplog.text
    # The next one does not take the place of the good one before it is there.
    SafeCheckpoints().save_checkpoint(checkpoint(4), last)
    assert step_of(last) == 4 and step_of(last.with_name(PREVIOUS)) == 2


def test_no_readable_checkpoint_is_one_line(tmp_path: Path) -> None:
    last = written(tmp_path, 2)
    for name in (LAST, PREVIOUS):
        last.with_name(name).write_bytes(b"PK torn")
    with pytest.raises(UserError, match=f"{PREVIOUS}: cannot be read as a checkpoint") as error:
        last_checkpoint(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_full_disk_keeps_the_checkpoint_before(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = written(tmp_path, 2)

    def full(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    with (
        monkeypatch.context() as patched,
        pytest.raises(UserError, match=f"{LAST}: cannot be written") as error,
    ):
        patched.setattr(os, "fsync", full)
        SafeCheckpoints().save_checkpoint(checkpoint(3), last)
    assert os.strerror(number) in str(error.value)
    assert step_of(last_checkpoint(tmp_path)) == 2 and names(last.parent) == [LAST, PREVIOUS]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    last = written(tmp_path, 1)
    # No process has this id, as Linux has fewer than 2**22.
    (last.parent / f".{LAST}.{2**22 + 1}-0123abcd").write_bytes(b"half")
    written(tmp_path, 1)
    assert names(last.parent) == [LAST, PREVIOUS]


def test_a_training_goes_on_from_the_checkpoint_before_and_ends_the_same(root: Path, tmp_path: Path) -> None:
    train_in(training_job(root, tmp_path / "run", **OFTEN))
    whole = weights(tmp_path / "run")
    for name in ("result.json", "network.safetensors"):
        (tmp_path / "run" / name).unlink()
    last = checkpoint_folder(tmp_path / "run") / LAST
    os.truncate(last, last.stat().st_size // 2)
    train_in(training_job(root, tmp_path / "run", **OFTEN))
    again = weights(tmp_path / "run")
    assert not [name for name, value in again.items() if not torch.equal(value, whole[name])]
