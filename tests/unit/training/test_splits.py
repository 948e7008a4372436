"""Images in folders: classes, and the images that are held out."""

import warnings
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from seminas.config.data import FolderSettings
from seminas.errors import UserError
from seminas.training.data.folder import Folder, image_folder
from seminas.training.data.images import held_out_by_class


class Labels:
    """A source of images, of which only the labels are looked at."""

    def __init__(self, counts: list[int]) -> None:
        self.labels = [label for label, count in enumerate(counts) for _ in range(count)]

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int) -> object:
        return index


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(folder / name)


def test_each_class_gives_its_share() -> None:
    source = Labels([100, 50, 10, 40])
    splits = held_out_by_class(source, 40, 20, seed=3)
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 140,
        "calibration": 20,
        "val": 40,
    }
    for name, share in (("val", 0.2), ("calibration", 0.1)):
        counts = Counter(splits[name].labels)
        assert all(abs(counts[c] - share * n) <= 1 for c, n in enumerate([100, 50, 10, 40])), counts
    taken = sorted(split.image(i) for split in splits.values() for i in range(len(split)))
    assert taken == list(range(200))
    again, other = held_out_by_class(source, 40, 20, seed=3), held_out_by_class(source, 40, 20, seed=4)
    images = [[s["val"].image(i) for i in range(40)] for s in (splits, again, other)]
    assert images[0] == images[1] != images[2]


@pytest.mark.parametrize("seed", range(20))
def test_no_class_of_three_images_is_without_a_training_image(seed: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        splits = held_out_by_class(Labels([3] * 50), 50, 0, seed)
    assert set(splits["train"].labels) == set(range(50)) == set(splits["val"].labels)


def test_missing_classes_are_counted() -> None:
    with pytest.warns(UserWarning, match="40 of 50 classes have no validation image"):
        held_out_by_class(Labels([3] * 50), 10, 0, 0)
    with pytest.warns(UserWarning, match="[0-9]+ of 50 classes have no training image"):
        held_out_by_class(Labels([2] * 50), 90, 0, 0)
    with pytest.raises(
        UserError, match="data.images.num_validation=100: with num_calibration=0 nothing is left"
    ):
        held_out_by_class(Labels([2] * 50), 100, 0, 0)


def test_hidden_folders_and_files_are_no_classes_and_no_images(tmp_path: Path) -> None:
    write(
        tmp_path / "train",
        "cat/1.png",
        "dog/2.png",
        "cat/._1.png",
        ".ipynb_checkpoints/1.png",
        "dog/.tmp/3.png",
    )
    folder = Folder(tmp_path, "train", 3)
    assert folder.classes == ["cat", "dog"]
    assert [Path(path).name for path in folder.paths] == ["1.png", "2.png"]


def test_nested_folders_are_told(tmp_path: Path) -> None:
    for split in ("train", "val"):
        write(
            tmp_path / split,
            *(f"{kind}/{i}.png" for kind in ("animals/cat", "animals/dog", "cars") for i in range(3)),
        )
    with pytest.warns(UserWarning, match="images of 1 of 2 classes lie in folders below .* such as animals"):
        images = image_folder(
            FolderSettings(root=str(tmp_path), num_validation=2, num_calibration=1, batch_size=2), "paper", 0
        )
    assert images.num_classes == 2


def test_a_folder_without_classes_is_one_line(tmp_path: Path) -> None:
    write(tmp_path / "train", ".hidden/1.png")
    with pytest.raises(UserError, match="train: there is no folder of a class in it"):
        Folder(tmp_path, "train", 3)
