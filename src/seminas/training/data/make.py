"""The images that the ``data.images`` section of a config describes."""

from collections.abc import Mapping
from typing import Any

from seminas.config.build import build
from seminas.training.data.images import Images
from seminas.training.data.memory import ImageData


def make_images(section: Mapping[str, Any], **context: Any) -> Images | ImageData:
    """Return the images of a section; ``context`` is ``seed`` and ``augmentation``, for functions that take them.

    Raises:
        UserError: A value will not do, or the images are not there.
    """
    images: Images | ImageData = build(section, "data.images", **context)
    return images


def seeded_images(section: Mapping[str, Any], seed: int, augmentation: str) -> Images:
    """Return the images of a section in an order that follows from a seed, for runs that can go on.

    Args:
        section: The ``data.images`` section of the config.
        seed: Of the order, and of the augmentation.
        augmentation: Of images in folders and shards, see ``Recipe.augmentation``.
    """
    images = make_images(section, seed=seed, augmentation=augmentation)
    return images.seeded(seed) if isinstance(images, ImageData) else images
