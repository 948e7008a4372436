"""Lightning data module of images in four splits, with the loaders of each process."""

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
from seminas.training.data.loading import (
    EVAL_BATCH,
    Augmented,
    Position,
    Share,
    Source,
    TrainLoader,
    derived_seed,
)
from seminas.training.data.transforms import Transforms


class LoaderSettings(Protocol):
    """The settings of ``data.images`` that the loaders use."""

    @property
    def batch_size(self) -> int:
        """Number of training images in a batch of each process."""

    @property
    def channels(self) -> int:
        """Number of channels of each image."""

    @property
    def num_workers(self) -> int:
        """Number of processes that read images, for each process that trains."""


class Loading(NamedTuple):
    """Loader settings of images in memory, which need no reading processes."""

    batch_size: int
    channels: int
    num_workers: int = 0


class Images(pl.LightningDataModule):
    """Images in four splits.

    - ``train``: images to train on.
    - ``calibration``: images of the same distribution, to estimate BatchNorm statistics.
    - ``val``: images for the search and for the choice of a checkpoint.
    - ``test``: images for the final report only.

    Attributes:
        num_classes: Number of classes.
        in_channels: Number of image channels.
        batch_size: Number of training images in a batch of each process.
        seed: Seed of the order and the random transforms of the training images.
    """

    def __init__(
        self,
        sources: dict[str, Source],
        num_classes: int,
        settings: LoaderSettings,
        transforms: Transforms,
        seed: int,
    ) -> None:
        """Store the images and the settings of the loaders.

        Args:
            sources: Images of each split, by its name.
            num_classes: Number of classes.
            settings: Batch size, number of channels and number of reading processes.
            transforms: Transforms of training images and of other images.
            seed: Seed of the order and the random transforms of the training images.
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
            # The fork server imports these modules once. Otherwise each reading process would import them.
            set_forkserver_preload(["seminas.training.data.shards", "webdataset"])
        self._augmented: Augmented | None = None

    @property
    def classes(self) -> list[str]:
        """Names of the classes. Classes without names have their numbers as names."""
        return list(getattr(self.sources["test"], "classes", map(str, range(self.num_classes))))

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of a network's input for one image, ``[c, h, w]``."""
        return tuple(Share(self.sources["test"], self._eval_transform)[0][0].shape)

    @property
    def batches_per_epoch(self) -> int:
        """Number of training batches of each process in an epoch."""
        return len(self._position())

    def _position(self) -> Position:
        return Position(len(self.sources["train"]), self.batch_size, self.seed, *self._rank_and_number())

    @property
    def num_skipped(self) -> int:
        """Number of training images that could not be read so far."""
        return 0 if self._augmented is None else int(self._augmented.unreadable.sum())

    def unreadable(self) -> list[str]:
        """Return the names of the training images that could not be read so far, or their indices as text."""
        if self._augmented is None:
            return []
        source = self.sources["train"]
        named = getattr(source, "name", str)
        return [named(i) for i in self._augmented.unreadable.nonzero()[:, 0].tolist()]

    @property
    def num_train(self) -> int:
        """Number of training images."""
        return len(self.sources["train"])

    def check_batches(self, num_processes: int) -> None:
        """Check that the training images fill at least one global batch.

        Args:
            num_processes: Number of processes that train.

        Raises:
            UserError: The global batch is larger than the number of training images.
        """
        if self.num_train < self.batch_size * num_processes:
            batch = (
                f"{self.batch_size} on {num_processes} processes" if num_processes > 1 else self.batch_size
            )
            raise config_error(
                "data.images.batch_size", batch, f"at most the {self.num_train} training images"
            )

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the training batches of this process. After a restart they continue at the checkpoint's position.

        Raises:
            UserError: The global batch is larger than the number of training images.
        """
        source = self.sources["train"]
        position = self._position()
        position.epoch = self._finished_epochs()
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

    def share(self, split: str, batch_size: int | None = None, number: int | None = None) -> DataLoader[Any]:
        """Return this process's share of a split, in order and without random transforms.

        Args:
            split: Name of the split.
            batch_size: Number of images in a batch. None means the size for evaluations.
            number: Number of images of the split, drawn by the seed. A larger number contains the images of a smaller
                one. None means all images.
        """
        source = self.sources[split]
        if number is not None:
            order = np.random.default_rng(derived_seed(self.seed, split)).permutation(len(source))
            source = Part(source, np.sort(order[:number]).tolist())
        share = Share(source, self._eval_transform, *self._rank_and_number())
        return DataLoader(share, batch_size or EVAL_BATCH, **self._workers)

    def calibration_for(self, num_validation: int | None) -> int | None:
        """Return the number of calibration images beside a number of validation images. None means all images."""
        if num_validation is None:
            return None
        share = num_validation / len(self.sources["val"])
        number = max(2, round(share * len(self.sources["calibration"])))
        # BatchNorm has no statistics of a last batch of one image.
        return number - (self.batch_size > 1 and number % self.batch_size == 1)

    def _finished_epochs(self) -> int:
        """Return the epoch at which a finished training is extended.

        Lightning restores a loader's position only in the middle of an epoch.
        """
        return 0 if self.trainer is None else self.trainer.current_epoch

    def _rank_and_number(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)


class Part:
    """The images of a source at some indices."""

    def __init__(self, source: Source, indices: Sequence[int]) -> None:
        self._source, self._indices = source, list(indices)
        self.labels = [source.labels[i] for i in self._indices]

    def __len__(self) -> int:
        return len(self._indices)

    def image(self, index: int) -> Any:
        """Return an image by its index in this part."""
        return self._source.image(self._indices[index])

    def name(self, index: int) -> str:
        """Return the name of an image in the source."""
        named = getattr(self._source, "name", str)
        return str(named(self._indices[index]))


def held_out(source: Source, num_val: int, num_calibration: int, seed: int) -> dict[str, Source]:
    """Split training images into ``train``, ``calibration`` and ``val``.

    Args:
        source: Training images.
        num_val: Number of images in ``val``.
        num_calibration: Number of images in ``calibration``.
        seed: Seed of the random split.

    Raises:
        UserError: No images would be left in ``train``.
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
