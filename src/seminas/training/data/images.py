"""Images for training: splits, transforms, and the loaders of each process."""

import warnings
from collections.abc import Sequence
from multiprocessing import set_forkserver_preload
from typing import Any, NamedTuple, Protocol

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from seminas.errors import UserError, config_error
from seminas.execution.processes import use_known_start_method
from seminas.training.data.loading import EVAL_BATCH, Augmented, Position, Share, Source, TrainLoader
from seminas.training.data.transforms import Transforms


class LoaderSettings(Protocol):
    """The settings of ``data.images`` that loaders need."""

    @property
    def batch_size(self) -> int:
        """Images a step, of each process."""

    @property
    def channels(self) -> int:
        """Of each image."""

    @property
    def num_workers(self) -> int:
        """Processes that read images."""


class Loading(NamedTuple):
    """The same of images in memory, which need no readers."""

    batch_size: int
    channels: int
    num_workers: int = 0


class Images(pl.LightningDataModule):
    """Images in four splits.

    ``train`` is trained on; ``calibration``, of the same distribution, is what BatchNorm statistics are estimated on;
    ``val`` is all that a search or the choice of a checkpoint sees; ``test`` is for the final report.

    Attributes:
        num_classes, in_channels: What a network for these images needs to know.
        batch_size: Of each process, in training.
        seed: Of the order of the training images and of their random transforms.
    """

    def __init__(
        self,
        sources: dict[str, Source],
        num_classes: int,
        settings: LoaderSettings,
        transforms: Transforms,
        seed: int,
    ) -> None:
        """Take the images.

        Args:
            sources: The images of each split.
            num_classes: Classes.
            settings: Batches, channels and readers.
            transforms: What happens to an image.
            seed: Of the order of the training images and of their random transforms.
        """
        super().__init__()
        self.sources, self.num_classes, self.in_channels = sources, num_classes, settings.channels
        self.batch_size, self.seed = settings.batch_size, seed
        self._train_transform, self._eval_transform = transforms.train, transforms.evaluation
        num_workers = settings.num_workers
        self._workers: dict[str, Any] = {"num_workers": num_workers, "pin_memory": torch.cuda.is_available()}
        if num_workers:
            use_known_start_method()
            self._workers["multiprocessing_context"] = "forkserver"
            # The process that readers are forked from imports PyTorch once, and not each reader.
            set_forkserver_preload(["seminas.training.data.shards", "webdataset"])
        self._augmented: Augmented | None = None

    @property
    def classes(self) -> list[str]:
        """Names of the classes, or their numbers."""
        return list(getattr(self.sources["test"], "classes", map(str, range(self.num_classes))))

    @property
    def image_shape(self) -> tuple[int, ...]:
        """What a network is given for one image, ``[c, h, w]``."""
        return tuple(Share(self.sources["test"], self._eval_transform)[0][0].shape)

    @property
    def batches_per_epoch(self) -> int:
        """Batches of each process."""
        return len(self._position())

    def _position(self) -> Position:
        return Position(len(self.sources["train"]), self.batch_size, self.seed, *self._rank_and_number())

    @property
    def num_skipped(self) -> int:
        """Training images that could not be read so far."""
        return 0 if self._augmented is None else int(self._augmented.unreadable.sum())

    def unreadable(self) -> list[str]:
        """Return the names of the training images that could not be read so far, or their numbers."""
        if self._augmented is None:
            return []
        source = self.sources["train"]
        named = getattr(source, "name", str)
        return [named(i) for i in self._augmented.unreadable.nonzero()[:, 0].tolist()]

    @property
    def num_train(self) -> int:
        """Training images."""
        return len(self.sources["train"])

    def check_batches(self, num_processes: int) -> None:
        """Refuse fewer training images than one global batch.

        Raises:
            UserError: There are fewer.
        """
        if self.num_train < self.batch_size * num_processes:
            batch = (
                f"{self.batch_size} on {num_processes} processes" if num_processes > 1 else self.batch_size
            )
            raise config_error(
                "data.images.batch_size", batch, f"at most the {self.num_train} training images"
            )

    def train_dataloader(self) -> DataLoader[Any]:
        """Return this process's batches, which go on where a checkpoint was written.

        Raises:
            UserError: There are fewer images than one global batch.
        """
        source = self.sources["train"]
        position = self._position()
        self.check_batches(self._rank_and_number()[1])
        self._augmented = Augmented(source, self._train_transform, self.seed)
        persistent = self._workers["num_workers"] > 0
        return TrainLoader(
            self._augmented,
            position,
            batch_sampler=position,
            persistent_workers=persistent,
            **self._workers,
        )

    def val_dataloader(self) -> DataLoader[Any]:
        """Return this process's share of the validation images, in order."""
        return self.share("val")

    def test_dataloader(self) -> DataLoader[Any]:
        """Return this process's share of the test images, in order."""
        return self.share("test")

    def share(self, split: str, batch_size: int | None = None) -> DataLoader[Any]:
        """Return this process's share of a split, in order and without random transforms."""
        share = Share(self.sources[split], self._eval_transform, *self._rank_and_number())
        return DataLoader(share, batch_size or EVAL_BATCH, **self._workers)

    def _rank_and_number(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)


class Part:
    """Some images of a source."""

    def __init__(self, source: Source, indices: Sequence[int]) -> None:
        self._source, self._indices = source, list(indices)
        self.labels = [source.labels[i] for i in self._indices]

    def __len__(self) -> int:
        return len(self._indices)

    def image(self, index: int) -> Any:
        """Return the image of a number among them."""
        return self._source.image(self._indices[index])

    def name(self, index: int) -> str:
        """Return its name in the source."""
        named = getattr(self._source, "name", str)
        return str(named(self._indices[index]))


def held_out(source: Source, num_val: int, num_calibration: int, seed: int) -> dict[str, Source]:
    """Split training images into ``train``, ``calibration`` and ``val``, fixed by a seed.

    Raises:
        UserError: Nothing would be left to train on.
    """
    order = torch.randperm(len(source), generator=torch.Generator().manual_seed(seed)).tolist()
    return _splits(source, order, num_val, num_calibration)


def held_out_by_class(source: Source, num_val: int, num_calibration: int, seed: int) -> dict[str, Source]:
    """Split as ``held_out``, with the same share of each class in each split as far as that is possible.

    Warns of classes without an image in ``train`` or ``val``.

    Raises:
        UserError: Nothing would be left to train on.
    """
    rng = np.random.default_rng(seed)
    labels = np.asarray(source.labels)
    num_classes = int(labels.max(initial=-1)) + 1
    # The image of rank r among the n of its class comes at (r + u) / n, with a random u from 0 to 1.
    place = np.empty(len(labels))
    for label in range(num_classes):
        images = rng.permutation(np.flatnonzero(labels == label))
        place[images] = (np.arange(len(images)) + rng.random(len(images))) / max(1, len(images))
    splits = _splits(source, np.argsort(place, kind="stable").tolist(), num_val, num_calibration)
    for name in ("train", "val"):
        missing = num_classes - len(set(splits[name].labels))
        if missing and len(splits[name]):
            kind = {"train": "training", "val": "validation"}[name]
            warnings.warn(f"{missing} of {num_classes} classes have no {kind} image", stacklevel=2)
    return splits


def _splits(source: Source, order: Sequence[int], num_val: int, num_calibration: int) -> dict[str, Source]:
    if num_val + num_calibration >= len(source):
        raise UserError(
            f"data.images.num_validation={num_val}: with num_calibration={num_calibration} nothing is left of "
            f"{len(source)} training images"
        )
    val, calibration = order[:num_val], order[num_val : num_val + num_calibration]
    rest = sorted(order[num_val + num_calibration :])
    return {
        "train": Part(source, rest),
        "calibration": Part(source, sorted(calibration)),
        "val": Part(source, sorted(val)),
    }
