"""Construction of images from the section ``data.images`` of a config."""

from collections.abc import Mapping
from typing import Any

from seminas.config.build import build
from seminas.training.data.images import Images
from seminas.training.data.memory import ImageData


def make_images(section: Mapping[str, Any], **context: Any) -> Images | ImageData:
    """Return the images of a section.

    Args:
        section: Section ``data.images`` of the config.
        context: Further arguments, such as ``seed`` and ``augmentation``, for targets that take them.

    Raises:
        UserError: A value is wrong, or the images are missing.
    """
    images: Images | ImageData = build(section, "data.images", **context)
    return images


def seeded_images(section: Mapping[str, Any], seed: int, augmentation: str) -> Images:
    """Return the images of a section for a run that can be resumed. Their order follows from a seed.

    Args:
        section: Section ``data.images`` of the config.
        seed: Seed of the order and the augmentation of training images.
        augmentation: Name of the augmentation of images in folders and shards, see ``Recipe.augmentation``.

    Raises:
        UserError: A value is wrong, or the images are missing.
    """
    images = make_images(section, seed=seed, augmentation=augmentation)
    return images.seeded(seed) if isinstance(images, ImageData) else images
