"""Loading images so that a run goes on in the middle of an epoch, and is the same on any number of processes."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

IGNORED = -1
"""Label of an image that counts for nothing: it could not be read, or fills up a process's share."""
EVAL_BATCH = 250
BROKEN = (OSError, ValueError, SyntaxError)
"""What Pillow raises for files that are no images."""


def derived_seed(*parts: object) -> int:
    """Return a seed of 56 bits that follows from its parts."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:7], "big")


class Source(Protocol):
    """Images by number, before any transform."""

    labels: list[int]

    def __len__(self) -> int: ...

    def image(self, index: int) -> Any:
        """Return what the transform takes; raises OSError for a file that is no image."""


class Position(Sampler[list[tuple[int, int]]]):
    """The batches of one process, from where training stands: which images, and the epoch that seeds their transforms.

    The images of a step are the same for any number of processes with the same global batch; they share them in turns.
    What is left of an epoch and fills no global batch is left out.

    Attributes:
        epoch, done: Epochs behind training, and batches done of the current one.
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
        """Yield the batches that are left of the epoch, as pairs of epoch and image."""
        epoch = self.epoch
        generator = torch.Generator().manual_seed(derived_seed(self._seed, "order", epoch))
        order = torch.randperm(self._num_images, generator=generator)
        size = self._batch_size * self._world_size
        for step in range(self.done, len(self)):
            batch = order[step * size : (step + 1) * size][self._rank :: self._world_size]
            yield [(epoch, index) for index in batch.tolist()]


class EpochPosition(Protocol):
    """What counts the epochs behind training, and the batches of this one."""

    epoch: int
    done: int

    def __len__(self) -> int: ...


class TrainLoader(DataLoader[Any]):
    """Batches that go on where ``position`` stands, which Lightning keeps in its checkpoints."""

    def __init__(self, dataset: Dataset[Any], position: EpochPosition, **kwargs: Any) -> None:
        super().__init__(dataset, **kwargs)
        self._position = position

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield batches from where training stands."""
        position = self._position
        for batch in super().__iter__():
            position.done += 1
            if position.done == len(position):
                position.epoch, position.done = position.epoch + 1, 0
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return where training stands."""
        return {"epoch": self._position.epoch, "done": self._position.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from there."""
        self._position.epoch, self._position.done = state["epoch"], state["done"]


class Augmented(Dataset[tuple[Tensor, int]]):
    """Training images, each transformed by random numbers that follow from the epoch and its number alone.

    An image that cannot be read is skipped: the next one that can takes its place.

    Attributes:
        unreadable: Which images were skipped, ``[n]``, shared with worker processes.
    """

    def __init__(self, source: Source, transform: Callable[[Any], Tensor], seed: int) -> None:
        self._source, self._transform, self._seed = source, transform, seed
        self.unreadable = torch.zeros(len(source), dtype=torch.bool).share_memory_()

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, int]:
        """Return the image and label of (epoch, number)."""
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
    """One process's share of images that are only looked at, as long as any other's.

    What fills it up, and what cannot be read, has the label ``IGNORED``.
    """

    def __init__(
        self, source: Source, transform: Callable[[Any], Tensor], rank: int = 0, world_size: int = 1
    ) -> None:
        self._source, self._transform = source, transform
        self._rank, self._world_size = rank, world_size

    def __len__(self) -> int:
        return -(-len(self._source) // self._world_size)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        """Return an image and its label."""
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
