"""Settings of the images for training networks."""

from dataclasses import dataclass
from typing import ClassVar

from omegaconf import MISSING

from seminas.config.fields import Settings, setting
from seminas.errors import config_error


@dataclass
class DigitsSettings(Settings):
    """scikit-learn's handwritten digits.

    Attributes:
        batch_size: Number of training images in a batch of each process.
    """

    KEY: ClassVar[str] = "data.images"

    _target_: str = "seminas.training.data.memory.digits"
    batch_size: int = setting(64, at_least=1, unit="images")


@dataclass
class Cifar10Settings(Settings):
    """CIFAR-10.

    Attributes:
        root: Folder of the binary release. If the folder does not have it, it is downloaded. Null means the cache
            folder.
        batch_size: Number of training images in a batch of each process.
        num_val: Number of training images held out for validation.
    """

    KEY: ClassVar[str] = "data.images"

    _target_: str = "seminas.training.data.memory.cifar10"
    root: str | None = setting(None)
    batch_size: int = setting(256, at_least=1, unit="images")
    num_val: int = setting(10_000, at_least=1, at_most=49_999, unit="images")


@dataclass
class ImageFileSettings(Settings):
    """Settings that image folders and shards have in common.

    Attributes:
        batch_size: Number of training images in a batch of each process.
        resolution: Side length of the network's input images.
        resize: Length of an image's shorter side before the center is cropped for evaluation. Null means 8/7 of
            ``resolution``.
        channels: Number of image channels: 3 for RGB, or 1 for gray.
        num_workers: Number of processes that read images, for each process that trains.
    """

    KEY: ClassVar[str] = "data.images"

    batch_size: int = setting(64, at_least=1, unit="images")
    resolution: int = setting(224, at_least=1, unit="pixels")
    resize: int | None = setting(None, at_least=1, unit="pixels")
    channels: int = setting(3, at_least=1, at_most=3)
    num_workers: int = setting(4, at_least=0, may_change=True, unit="processes")

    def check_together(self, key: str) -> None:
        """Refuse two channels, which Pillow does not have, and a crop that is larger than the resized image."""
        if self.channels == 2:
            raise config_error(f"{key}.channels", self.channels, "1 or 3")
        if self.resize is not None and self.resize < self.resolution:
            raise config_error(f"{key}.resize", self.resize, f"at least {key}.resolution={self.resolution}")


@dataclass
class FolderSettings(ImageFileSettings):
    """Images in files ``ROOT/train/CLASS/FILE`` and ``ROOT/val/CLASS/FILE``.

    The folder ``val`` is the test split, like ImageNet's validation images. The validation split of a search is held
    out of the folder ``train``.

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
    """Images in WebDataset shards: tar files of ``KEY.jpg`` and ``KEY.cls``.

    The shards must contain the images in random order.

    Attributes:
        train: Shards of the training split, such as ``/data/train-{0000..1023}.tar``. The last shards are held out.
        test: Shards of the test split, in the same form.
        val_shards: Number of the last shards of ``train``, held out for validation.
        calibration_shards: Number of shards before the validation shards, held out for estimating BatchNorm statistics.
        num_images: Number of training images without the shards held out.
        num_classes: Number of classes.
        buffer: Size of the shuffle buffer of each reading process.
        num_workers: Number of processes that read images, for each process that trains. It changes the order of images.
    """

    _target_: str = "seminas.training.data.shards.image_shards"
    train: str = setting(MISSING)
    test: str = setting(MISSING)
    val_shards: int = setting(4, at_least=0, unit="files")
    calibration_shards: int = setting(2, at_least=0, unit="files")
    num_images: int = setting(MISSING, at_least=1, unit="images")
    num_classes: int = setting(MISSING, at_least=2)
    buffer: int = setting(2000, at_least=1, unit="images")
    # Without may_change, because the number of reading processes changes the order of images.
    num_workers: int = setting(4, at_least=0, unit="processes")
