"""Transforms of images in folders and shards."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms import v2

from seminas.config.data import ImageFileSettings

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's channels."""
MODES = {1: "L", 3: "RGB"}
"""Pillow's, by the number of channels."""


@dataclass(frozen=True)
class Transforms:
    """What happens to an image before a network is given it, as a tensor ``[c, h, w]``.

    Attributes:
        train: Random, of training images.
        evaluation: Fixed, of all other images.
    """

    train: Callable[[Any], Tensor]
    evaluation: Callable[[Any], Tensor]

    @classmethod
    def of(cls, settings: ImageFileSettings, augmentation: str) -> "Transforms":
        """Return the transforms of images of some size; ``augmentation`` as of ``Recipe``."""
        resolution, channels = settings.resolution, settings.channels
        resize = settings.resize or round(resolution * 8 / 7)
        return cls(
            train_transform(resolution, channels, augmentation),
            eval_transform(resolution, resize, channels),
        )


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
