import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pictures import CLASSES, SIDE, picture

from seminas.config.data import ShardSettings
from seminas.errors import UserError
from seminas.training.data.shards import ShardImages, image_shards


def write_shards(root: Path, name: str, shards: int, each: int, broken: int = 0) -> str:
    """Write tar files of shuffled pictures, and return their pattern. The first ``broken`` pictures are broken."""
    root.mkdir(exist_ok=True)
    rng = np.random.default_rng(shards)
    for s in range(shards):
        with tarfile.open(root / f"{name}-{s}.tar", "w") as tar:
            for i in range(each):
                label = int(rng.integers(len(CLASSES)))
                file = io.BytesIO()
                picture(CLASSES[label], rng).save(file, "PNG")
                data = b"no picture" if s == 0 and i < broken else file.getvalue()
                for ending, content in (("png", data), ("cls", str(label).encode())):
                    info = tarfile.TarInfo(f"{name}{s}x{i}.{ending}")
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
    return f"{root}/{name}-{{0..{shards - 1}}}.tar"


def shards(root: Path, **changes: Any) -> ShardImages:
    train, test = (
        write_shards(root, "train", 6, 20, changes.pop("broken", 0)),
        write_shards(root, "test", 1, 12),
    )
    defaults = {
        "num_images": 80,
        "num_classes": 4,
        "batch_size": 8,
        "resolution": SIDE,
        "resize": SIDE,
        "buffer": 10,
    }
    settings = ShardSettings(
        train=train,
        test=test,
        **({"num_workers": 0, "val_shards": 1, "calibration_shards": 1} | defaults | changes),
    )
    return image_shards(settings, "flip", seed=0)


@pytest.mark.parametrize(
    ("num_workers", "done"), [(0, 4), *(pytest.param(2, done, marks=pytest.mark.long) for done in (3, 4))]
)
def test_a_stream_goes_on_in_the_middle_of_an_epoch(tmp_path: Path, num_workers: int, done: int) -> None:
    images = shards(tmp_path, num_workers=num_workers)
    loader = images.train_dataloader()
    epochs = [[x.clone() for x, _ in loader] for _ in range(2)]
    assert [len(epoch) for epoch in epochs] == [10, 10] and images.batches_per_epoch == 10
    assert not torch.equal(epochs[0][0], epochs[1][0])
    again: Any = shards(tmp_path, num_workers=num_workers).train_dataloader()
    reading = iter(again)
    for _ in range(done):
        next(reading)
    state = again.state_dict()
    assert state == {"epoch": 0, "done": done}
    resumed: Any = shards(tmp_path, num_workers=num_workers).train_dataloader()
    resumed.load_state_dict(state)
    rest = [x for x, _ in resumed]
    assert all(torch.equal(a, b) for a, b in zip(rest, epochs[0][done:], strict=True))
    assert torch.equal(next(iter(resumed))[0], epochs[1][0])


def test_splits_are_shards_of_their_own(tmp_path: Path) -> None:
    images = shards(tmp_path)
    assert [len(images.sources[name]) for name in ("val", "calibration", "test")] == [20, 20, 12]
    assert images.image_shape == (3, SIDE, SIDE)
    assert images.sources["val"].name(0).endswith("train-5.tar:train5x0.png")  # type: ignore[attr-defined]
    labels = torch.cat([y for _, y in images.share("test")])
    assert labels.tolist() == images.sources["test"].labels


def test_broken_pictures_are_left_out_and_counted(tmp_path: Path) -> None:
    images = shards(tmp_path, broken=5)
    seen = sum(len(x) for x, _ in images.train_dataloader())
    assert images.num_skipped == 5 and seen == 75


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    train, test = write_shards(tmp_path, "train", 3, 4), write_shards(tmp_path, "test", 1, 4)
    for changes, said in (
        ({"train": train.replace("0..2", "0..4")}, "train-3.tar: cannot be read"),
        ({"train": f"{tmp_path}/train-{{7..9}}.tar"}, "train-7.tar: there is no such file"),
        ({"train": f"{tmp_path}/train-0.tar"}, "data.images.train"),
        ({"test": str(Path(__file__))}, "cannot be read"),
    ):
        settings: dict[str, Any] = {"train": train, "test": test, "num_images": 4, "num_classes": 4} | changes
        settings |= {"val_shards": 1, "calibration_shards": 1, "num_workers": 0}
        with pytest.raises(UserError) as error:
            image_shards(ShardSettings(**settings), "paper", seed=0)
        assert said in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(UserError, match="1 files are too few for 2 readers"):
        image_shards(
            ShardSettings(
                train=train,
                test=test,
                val_shards=1,
                calibration_shards=1,
                num_images=4,
                num_classes=4,
                batch_size=2,
                num_workers=2,
            ),
            "paper",
            seed=0,
        ).train_dataloader()
