"""A folder of small pictures that can be learnt, and a configuration to train on them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

CLASSES = ("circle", "cross", "line", "square")
SIDE = 32


def picture(kind: str, rng: np.random.Generator) -> Image.Image:
    """A shape in some colour, somewhere on a dark, noisy ground."""
    pixels = rng.integers(0, 70, (SIDE, SIDE, 3))
    colour = rng.integers(140, 256, 3)
    r = int(rng.integers(5, 9))
    y, x = rng.integers(r + 1, SIDE - r - 1, 2)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    dy, dx = abs(rows - y), abs(columns - x)
    shapes = {
        "circle": abs(np.hypot(dy, dx) - r) < 1.5,
        "cross": (np.minimum(dy, dx) < 1.5) & (np.maximum(dy, dx) <= r),
        "line": (dy < 1.5) & (dx <= r),
        "square": (np.maximum(dy, dx) <= r),
    }
    pixels[shapes[kind]] = colour
    return Image.fromarray(pixels.astype(np.uint8))


def write_pictures(root: Path, train: int = 40, val: int = 15) -> Path:
    """Write so many pictures of each class."""
    for split, number in (("train", train), ("val", val)):
        for k, kind in enumerate(CLASSES):
            rng = np.random.default_rng([k, number])
            folder = root / split / kind
            folder.mkdir(parents=True)
            for i in range(number):
                picture(kind, rng).save(folder / f"{i}.png")
    return root


def images_config(root: Path, **changes: Any) -> dict[str, Any]:
    """The ``data.images`` section of a config for such a folder."""
    config = {
        "_target_": "seminas.training.folder.image_folder",
        "root": str(root),
        "batch_size": 16,
        "resolution": SIDE,
        "resize": SIDE,
        "num_validation": 24,
        "num_calibration": 16,
        "num_workers": 0,
    }
    return config | changes


def one_group(channels: int, eps: float = 1e-5) -> torch.nn.Module:
    """A normalisation of each image by itself, so that a batch may be divided among processes without a difference."""
    return torch.nn.GroupNorm(1, channels, eps)
