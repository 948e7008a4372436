"""Settings of the images that networks are trained on."""

from dataclasses import dataclass
from typing import ClassVar

from omegaconf import MISSING

from seminas.config.fields import Settings, setting
from seminas.errors import config_error


@dataclass
class DigitsSettings(Settings):
    """scikit-learn's digits.

    Attributes:
        batch_size: Images a step, of each process.
    """

    KEY: ClassVar[str] = "data.images"

    _target_: str = "seminas.training.data.memory.digits"
    batch_size: int = setting(64, at_least=1, unit="images")


@dataclass
class Cifar10Settings(Settings):
    """CIFAR-10.

    Attributes:
        root: Folder of the binary release, downloaded where it is not there yet; null: the cache.
        batch_size: Images a step, of each process.
        num_val: Training images held out for validation.
    """

    KEY: ClassVar[str] = "data.images"

    _target_: str = "seminas.training.data.memory.cifar10"
    root: str | None = setting(None)
    batch_size: int = setting(256, at_least=1, unit="images")
    num_val: int = setting(10_000, at_least=1, at_most=49_999, unit="images")


@dataclass
class ImageFileSettings(Settings):
    """What image folders and shards share.

    Attributes:
        batch_size: Images a step, of each process.
        resolution: Side of the images that networks are given.
        resize: Shorter side before the middle is cut out for evaluation; null: 8/7 of the resolution.
        channels: 3, or 1 for grey.
        num_workers: Processes that read images, for each process that trains.
    """

    KEY: ClassVar[str] = "data.images"

    batch_size: int = setting(64, at_least=1, unit="images")
    resolution: int = setting(224, at_least=1, unit="pixels")
    resize: int | None = setting(None, at_least=1, unit="pixels")
    channels: int = setting(3, at_least=1, at_most=3)
    num_workers: int = setting(4, at_least=0, may_change=True, unit="processes")

    def check_together(self, key: str) -> None:
        """Pillow has no images of two channels; a crop fits into the resized image."""
        if self.channels == 2:
            raise config_error(f"{key}.channels", self.channels, "1 or 3")
        if self.resize is not None and self.resize < self.resolution:
            raise config_error(f"{key}.resize", self.resize, f"at least {key}.resolution={self.resolution}")


@dataclass
class FolderSettings(ImageFileSettings):
    """Images in ``ROOT/train/CLASS/FILE`` and ``ROOT/val/CLASS/FILE``.

    ``val`` is the test split, as ImageNet's validation images are. What a search sees is held out of ``train``.

    Attributes:
        root: The folder.
        num_validation: Images of ``train`` held out for validation.
        num_calibration: Further ones, for BatchNorm statistics.
        split_seed: Seed of the draw of the images held out.
        stratify: Whether each class gives the same share of its images to each split; version 0.1 drew over all
            images.
    """

    _target_: str = "seminas.training.data.folder.image_folder"
    root: str = setting(MISSING)
    num_validation: int = setting(1000, at_least=0, unit="images")
    num_calibration: int = setting(500, at_least=0, unit="images")
    split_seed: int = setting(0, at_least=0)
    stratify: bool = True


@dataclass
class ShardSettings(ImageFileSettings):
    """Images in WebDataset shards: tar files of ``KEY.jpg`` and ``KEY.cls``, shuffled when they were written.

    Attributes:
        train: Shards of the training split, such as ``/data/train-{0000..1023}.tar``. The last ones are held out.
        test: Shards of the test split.
        val_shards: Shards of ``train`` held out for validation.
        calibration_shards: Shards before them, for BatchNorm statistics.
        num_images: Of the training split, without the shards held out.
        num_classes: Classes.
        buffer: Images that a reader draws from.
    """

    _target_: str = "seminas.training.data.shards.image_shards"
    train: str = setting(MISSING)
    test: str = setting(MISSING)
    val_shards: int = setting(4, at_least=0, unit="files")
    calibration_shards: int = setting(2, at_least=0, unit="files")
    num_images: int = setting(MISSING, at_least=1, unit="images")
    num_classes: int = setting(MISSING, at_least=2)
    buffer: int = setting(2000, at_least=1, unit="images")
    # The number of readers is part of what an epoch of a stream is.
    num_workers: int = setting(4, at_least=0, unit="processes")
