"""What tests of training share: a config of the pictures of ``examples/pictures.py``."""

from pathlib import Path
from typing import Any

import torch
from pictures import SIDE


def images_config(root: Path, **changes: Any) -> dict[str, Any]:
    """The ``data.images`` section of a config for such a folder."""
    config = {
        "_target_": "seminas.training.data.folder.image_folder",
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
