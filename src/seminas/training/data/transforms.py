"""Transforms of images in folders and shards."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from seminas.config.data import ImageFileSettings
from seminas.errors import first_line

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's channels, in a range from 0 to 1."""


def read_image(file: str | BinaryIO, channels: int) -> Image.Image:
    """Return the image in a file, in gray or RGB.

    Args:
        file: Path of the file, or the open file.
        channels: Number of channels, 1 or 3.

    Raises:
        OSError: The file is no image, is incomplete, or has too many pixels for Pillow's limit.
    """
    try:
        with Image.open(file) as image:
            return image.convert("L" if channels == 1 else "RGB")
    except OSError:
        raise
    except Exception as error:  # For damaged files, Pillow raises exceptions of many types.
        raise OSError(f"{type(error).__name__}: {first_line(error)}") from error


@dataclass(frozen=True)
class Transforms:
    """Transforms that turn an image into a network's input ``[c, h, w]``.

    Attributes:
        train: Random transform of training images.
        evaluation: Deterministic transform of all other images.
    """

    train: Callable[[Any], Tensor]
    evaluation: Callable[[Any], Tensor]

    @classmethod
    def of(cls, settings: ImageFileSettings, augmentation: str) -> "Transforms":
        """Return the transforms for image settings.

        Args:
            settings: Image size and number of channels.
            augmentation: Name of the augmentation, see ``Recipe.augmentation``.
        """
        resolution, channels = settings.resolution, settings.channels
        resize = settings.resize or round(resolution * 8 / 7)
        return cls(
            train_transform(resolution, channels, augmentation),
            eval_transform(resolution, resize, channels),
        )


def train_transform(resolution: int, channels: int, augmentation: str) -> v2.Transform:
    """Return the random transform of training images. ``resolution`` is the side of the result in pixels."""
    if augmentation == "flip":
        steps: list[Any] = [v2.Resize((resolution, resolution), antialias=True)]
    else:
        steps = [v2.RandomResizedCrop(resolution, antialias=True)]
    steps.append(v2.RandomHorizontalFlip())
    if augmentation == "paper":
        steps.append(v2.ColorJitter(0.4, 0.4, 0.4, 0.1 if channels == 3 else None))
    elif augmentation == "randaugment":
        steps.append(v2.RandAugment(2, 9))
    return v2.Compose([*steps, *_to_tensor(channels)])


def eval_transform(resolution: int, resize: int, channels: int) -> v2.Transform:
    """Return the transform of images for an evaluation: scale the shorter side to ``resize``, and crop the center."""
    return v2.Compose([v2.Resize(resize, antialias=True), v2.CenterCrop(resolution), *_to_tensor(channels)])


def _to_tensor(channels: int) -> list[Any]:
    return [
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(MEAN[:channels], DEVIATION[:channels]),
    ]
