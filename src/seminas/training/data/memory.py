"""Images in memory: scikit-learn's digits and CIFAR-10."""

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision.transforms import v2

from seminas.config.data import Cifar10Settings, DigitsSettings
from seminas.errors import UserError
from seminas.storage.fetch import fetch
from seminas.storage.files import cache_dir
from seminas.training.data.images import Images, Loading
from seminas.training.data.loading import Source
from seminas.training.data.transforms import Transforms

CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CALIBRATION = 512
"""Number of training images that also form the calibration split of images in memory."""
CIFAR10_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"


class ImageData(pl.LightningDataModule):
    """Images in memory with a fixed split into training, validation and test.

    Attributes:
        num_classes: Number of classes.
        in_channels: Number of image channels.
        batch_size: Number of training images in a batch.
        splits: Images, floats ``[n, channels, height, width]``, and labels, integers ``[n]``, of the splits ``train``,
            ``val`` and ``test``.
    """

    def __init__(
        self,
        splits: dict[str, tuple[Tensor, Tensor]],
        num_classes: int,
        batch_size: int,
        augmentation: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.splits = splits
        self.num_classes = num_classes
        self.in_channels = splits["train"][0].shape[1]
        self.batch_size = batch_size
        self._augmentation = augmentation

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of an image, ``(channels, height, width)``."""
        return tuple(self.splits["train"][0].shape[1:])

    def train_dataloader(self) -> DataLoader[Any]:
        """Return shuffled and augmented batches. PyTorch's global generator determines the order."""
        data: Dataset[Any] = TensorDataset(*self.splits["train"])
        if self._augmentation is not None:
            data = _Augmented(*self.splits["train"], self._augmentation)
        return DataLoader(data, self.batch_size, shuffle=True, drop_last=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """Return the validation images in order."""
        return DataLoader(TensorDataset(*self.splits["val"]), 512)

    def test_dataloader(self) -> DataLoader[Any]:
        """Return the test images in order."""
        return DataLoader(TensorDataset(*self.splits["test"]), 512)

    def seeded(self, seed: int) -> Images:
        """Return the same images for a run that can be resumed. Their order follows from a seed."""
        sources: dict[str, Source] = {name: Tensors(*split) for name, split in self.splits.items()}
        sources["calibration"] = Tensors(*(part[:CALIBRATION] for part in self.splits["train"]))
        transforms = Transforms(self._augmentation or _unchanged, _unchanged)
        loading = Loading(self.batch_size, self.in_channels)
        return Images(sources, self.num_classes, loading, transforms, seed)


class Tensors:
    """Images in memory, ``[n, c, h, w]``, with labels ``[n]``."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self._images = images
        self.labels: list[int] = labels.tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int) -> Tensor:
        """Return an image, ``[c, h, w]``."""
        return self._images[index]


def _unchanged(image: Tensor) -> Tensor:
    return image


class _Augmented(Dataset[tuple[Tensor, Tensor]]):
    """Images with a random augmentation of each image."""

    def __init__(self, images: Tensor, labels: Tensor, augmentation: Callable[[Tensor], Tensor]) -> None:
        self._images, self._labels, self._augmentation = images, labels, augmentation

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self._augmentation(self._images[index]), self._labels[index]


def digits(settings: DigitsSettings) -> ImageData:
    """Return scikit-learn's 1,797 digits of 8 × 8 pixels.

    The splits have 896 training, 450 validation and 451 test images. They are the same for every seed.
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    pixels = torch.tensor(images[order], dtype=torch.float32).reshape(-1, 1, 8, 8)
    pixels = (pixels - 4.9) / 6.0
    return ImageData(_split(pixels, torch.tensor(labels[order]), 896, 450), 10, settings.batch_size)


def cifar10(settings: Cifar10Settings) -> ImageData:
    """Return CIFAR-10 with the last ``settings.num_val`` training images held out for validation.

    Download the archive if it is not in ``root``, by default the cache folder. Read the binary release, because reading
    the Python release would run a pickle.

    Raises:
        UserError: The archive is missing and cannot be downloaded, or its SHA-256 digest is wrong.
    """
    archive = (Path(settings.root).expanduser() if settings.root else cache_dir()) / "cifar-10-binary.tar.gz"
    try:
        fetch(CIFAR10_URL, archive, CIFAR10_SHA256)
    except UserError as error:
        raise UserError(f"data=cifar10: {error}") from error
    parts = [_read_batch(archive, f"data_batch_{i}.bin") for i in range(1, 6)]
    images, labels = (torch.cat(part) for part in zip(*parts, strict=True))
    splits = _split(images, labels, len(labels) - settings.num_val, settings.num_val)
    splits["test"] = _read_batch(archive, "test_batch.bin")
    augmentation = v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip()])
    return ImageData(splits, 10, settings.batch_size, augmentation)


def _split(images: Tensor, labels: Tensor, num_train: int, num_val: int) -> dict[str, tuple[Tensor, Tensor]]:
    sizes = [num_train, num_val, len(labels) - num_train - num_val]
    names = ("train", "val", "test")
    return dict(zip(names, zip(images.split(sizes), labels.split(sizes), strict=True), strict=True))


def _read_batch(archive: Path, name: str) -> tuple[Tensor, Tensor]:
    """Return the normalized images and the labels of a file. A record is a label byte and 3 × 32 × 32 pixel bytes."""
    with tarfile.open(archive) as tar:
        member = tar.extractfile(f"cifar-10-batches-bin/{name}")
        assert member is not None
        records: NDArray[np.uint8] = np.frombuffer(member.read(), dtype=np.uint8).reshape(-1, 3073)
    pixels = torch.tensor(records[:, 1:]).reshape(-1, 3, 32, 32).float() / 255
    mean, deviation = torch.tensor([0.4914, 0.4822, 0.4465]), torch.tensor([0.2470, 0.2435, 0.2616])
    return (pixels - mean[:, None, None]) / deviation[:, None, None], torch.tensor(records[:, 0]).long()
