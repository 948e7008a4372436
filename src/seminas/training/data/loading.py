"""Datasets and samplers that can continue in the middle of an epoch.

For the same global batch, the training images of each step do not depend on the number of processes.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

IGNORED = -1
"""Label of an image that does not count. The image is unreadable, or pads a process's share."""
EVAL_BATCH = 250
"""Number of images in a batch of an evaluation."""
BROKEN = (OSError, ValueError)
"""Exceptions for files that are not images, and for images that cannot be transformed, such as those of one pixel."""


def derived_seed(*parts: object) -> int:
    """Return a seed of 56 bits, a hash of ``parts``."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:7], "big")


class Source(Protocol):
    """Images by index, before any transform."""

    labels: list[int]

    def __len__(self) -> int: ...

    def image(self, index: int) -> Any:
        """Return an image in the form that the transform takes.

        Raises:
            OSError: The file is not an image.
        """


class Position(Sampler[list[tuple[int, int]]]):
    """Sampler of one process that starts at the current position of the training.

    Each item of a batch is a pair of the epoch and an image index. The epoch seeds the transform of the image. For the
    same global batch, the images of a step are the same for any number of processes. The processes take these images in
    turns. The last images of an epoch are left out if they do not fill a global batch.

    Attributes:
        epoch: Number of finished epochs.
        done: Number of finished batches in the current epoch.
    """

    def __init__(
        self, num_images: int, batch_size: int, seed: int, rank: int = 0, world_size: int = 1
    ) -> None:
        self._num_images, self._batch_size, self._seed = num_images, batch_size, seed
        self._rank, self._world_size = rank, world_size
        self.epoch = self.done = 0

    def __len__(self) -> int:
        return self._num_images // (self._batch_size * self._world_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Yield the remaining batches of the epoch as lists of (epoch, image index)."""
        epoch = self.epoch
        generator = torch.Generator().manual_seed(derived_seed(self._seed, "order", epoch))
        order = torch.randperm(self._num_images, generator=generator)
        size = self._batch_size * self._world_size
        for step in range(self.done, len(self)):
            batch = order[step * size : (step + 1) * size][self._rank :: self._world_size]
            yield [(epoch, index) for index in batch.tolist()]


class EpochPosition(Protocol):
    """Position of the training: number of finished epochs, and of finished batches in the current epoch."""

    epoch: int
    done: int

    def __len__(self) -> int: ...


class TrainLoader(DataLoader[Any]):
    """Loader that starts at ``position``. Lightning stores the position in its checkpoints."""

    def __init__(self, dataset: Dataset[Any], position: EpochPosition, **kwargs: Any) -> None:
        super().__init__(dataset, **kwargs)
        self._position = position

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield the remaining batches of the epoch, and advance the position."""
        position = self._position
        for batch in super().__iter__():
            position.done += 1
            if position.done == len(position):
                position.epoch, position.done = position.epoch + 1, 0
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return the position of the training."""
        return {"epoch": self._position.epoch, "done": self._position.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Restore the position of the training."""
        self._position.epoch, self._position.done = state["epoch"], state["done"]


class Augmented(Dataset[tuple[Tensor, int]]):
    """Training images with random transforms, which depend only on the seed, the epoch and the image's index.

    If an image cannot be read, the next readable image replaces it.

    Attributes:
        unreadable: Whether each image could not be read, ``[n]``, in memory shared with worker processes.
    """

    def __init__(self, source: Source, transform: Callable[[Any], Tensor], seed: int) -> None:
        self._source, self._transform, self._seed = source, transform, seed
        self.unreadable = torch.zeros(len(source), dtype=torch.bool).share_memory_()

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, int]:
        """Return the image and the label for ``(epoch, image index)``."""
        epoch, first = key
        for step in range(len(self)):
            index = (first + step) % len(self)
            if self.unreadable[index]:
                continue
            try:
                image = self._source.image(index)
            except BROKEN:
                self.unreadable[index] = True
                continue
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(derived_seed(self._seed, epoch, index))
                return self._transform(image), int(self._source.labels[index])
        raise OSError("not one image can be read")


class Share(Dataset[tuple[Tensor, int]]):
    """One process's share of the images of an evaluation. The shares of all processes have the same length.

    An image that pads the share, or replaces an unreadable image, has the label ``IGNORED``.
    """

    def __init__(
        self, source: Source, transform: Callable[[Any], Tensor], rank: int = 0, world_size: int = 1
    ) -> None:
        self._source, self._transform = source, transform
        self._rank, self._world_size = rank, world_size

    def __len__(self) -> int:
        return -(-len(self._source) // self._world_size)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        """Return the transformed image and its label."""
        index = i * self._world_size + self._rank
        if index < len(self._source):
            try:
                return self._transform(self._source.image(index)), int(self._source.labels[index])
            except BROKEN:
                pass
        for other in range(len(self._source)):
            try:
                return self._transform(self._source.image(other)), IGNORED
            except BROKEN:
                continue
        raise OSError("not one image can be read")
