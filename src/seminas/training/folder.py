"""Images in folders, a folder for each class: ImageNet, or anybody's."""

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from seminas.errors import UserError, config_error
from seminas.training.images import Images, held_out

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
AUGMENTATIONS = ("paper", "randaugment", "flip")
MODES = {1: "L", 3: "RGB"}
"""Pillow's, by the number of channels."""


class Folder:
    """The images of one split: ``root/split/class/file``."""

    def __init__(self, root: Path, split: str, channels: int) -> None:
        """Find the files.

        Raises:
            UserError: The folder is not there, or a class of it holds no image.
        """
        self._mode = MODES[channels]
        folder = root / split
        if not folder.is_dir():
            raise UserError(f"{folder}: there is no such folder; images belong into {folder}/CLASS/")
        try:
            found = ImageFolder(str(folder))
        except FileNotFoundError as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{folder}: {reason[0].lower()}{reason[1:].rstrip('.')}") from error
        self.classes = found.classes
        self.paths = [path for path, _ in found.samples]
        self.labels: list[int] = [label for _, label in found.samples]

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        """Return an image's path."""
        return self.paths[index]

    def image(self, index: int) -> Image.Image:
        """Read an image; grey, palette and transparent ones are converted.

        Raises:
            OSError: The file is no image, or is cut off.
        """
        with Image.open(self.paths[index]) as image:
            return image.convert(self._mode)


def image_folder(
    root: str,
    batch_size: int = 64,
    resolution: int = 224,
    resize: int | None = None,
    channels: int = 3,
    num_validation: int = 5000,
    num_calibration: int = 2048,
    split_seed: int = 0,
    num_workers: int = 0,
    augmentation: str = "paper",
    seed: int = 0,
) -> Images:
    """Return the images of a folder with ``train/CLASS/`` and ``val/CLASS/``.

    ``val`` is the test split, as ImageNet's validation images are; what a search sees is held out of ``train``.

    Args:
        root: The folder.
        batch_size: Of each process.
        resolution: Side of what a network is given, in pixels.
        resize: Shorter side before the middle is cut out for evaluation; 8/7 of the resolution by default.
        channels: 3, or 1 for grey.
        num_validation: Images of ``train`` that are held out for validation.
        num_calibration: Further ones for BatchNorm statistics.
        split_seed: Of what is held out.
        num_workers: Processes that read images, for each process that trains.
        augmentation: ``paper`` (crops of any size and shape, flips, colour jitter), ``randaugment``, or ``flip``.
        seed: Of their order and augmentation.

    Raises:
        UserError: A split is missing or empty, there is one class only, or the classes differ between the splits.
    """
    augmented, fixed = transforms(resolution, resize, channels, augmentation)
    place = Path(root).expanduser()
    train, test = (Folder(place, split, channels) for split in ("train", "val"))
    if len(train.classes) < 2:
        raise UserError(f"{place / 'train'}: holds one class only, {train.classes[0]}")
    if train.classes != test.classes:
        odd = sorted(set(train.classes) ^ set(test.classes))[0]
        raise UserError(f"{place}: class {odd} is in one of train and val only")
    sources = held_out(train, num_validation, num_calibration, split_seed)
    return Images(
        {**sources, "test": test},
        len(train.classes),
        channels,
        batch_size,
        augmented,
        fixed,
        num_workers,
        seed,
    )


def transforms(
    resolution: int, resize: int | None, channels: int, augmentation: str
) -> tuple[v2.Transform, v2.Transform]:
    """Return the random transform of training images and the fixed one of those that are only looked at.

    Raises:
        UserError: There is no such augmentation, or number of channels.
    """
    if augmentation not in AUGMENTATIONS:
        raise config_error("recipe.augmentation", augmentation, f"one of {', '.join(AUGMENTATIONS)}")
    if channels not in MODES:
        raise config_error("data.images.channels", channels, "1 or 3")
    fixed = eval_transform(resolution, resize or round(resolution * 8 / 7), channels)
    return train_transform(resolution, channels, augmentation), fixed


def train_transform(resolution: int, channels: int, augmentation: str) -> v2.Transform:
    """Return the random transform of a training image."""
    if augmentation == "flip":
        first: list[Any] = [v2.Resize((resolution, resolution), antialias=True)]
    else:
        first = [v2.RandomResizedCrop(resolution, antialias=True)]
    first.append(v2.RandomHorizontalFlip())
    if augmentation == "paper":
        first.append(v2.ColorJitter(0.4, 0.4, 0.4, 0.1 if channels == 3 else None))
    elif augmentation == "randaugment":
        first.append(v2.RandAugment(2, 9))
    return v2.Compose([*first, *_to_tensor(channels)])


def eval_transform(resolution: int, resize: int, channels: int) -> v2.Transform:
    """Return the transform of an image that is only looked at."""
    return v2.Compose([v2.Resize(resize, antialias=True), v2.CenterCrop(resolution), *_to_tensor(channels)])


def _to_tensor(channels: int) -> list[Any]:
    return [
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(MEAN[:channels], DEVIATION[:channels]),
    ]
