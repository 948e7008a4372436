"""Images in WebDataset shards: tar files that are read sequentially, for many machines and network disks."""

import io
import random
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from seminas.config.data import ShardSettings
from seminas.errors import UserError, config_error
from seminas.training.data.images import Images
from seminas.training.data.loading import BROKEN, TrainLoader, derived_seed
from seminas.training.data.transforms import Transforms, read_image

ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
"""Endings of the names of image files."""


class Shards:
    """The images of some tar files by index. ``KEY.jpg`` is an image, and ``KEY.cls`` holds the number of its class."""

    def __init__(self, files: Sequence[str], channels: int) -> None:
        """Read the position of each image in the files.

        Args:
            files: Paths of the tar files.
            channels: Number of image channels, 1 or 3.

        Raises:
            UserError: A file is missing or not a tar file, or an image has no class.
        """
        self._channels = channels
        self.labels: list[int] = []
        self._members: list[tuple[str, int, int, str]] = []
        for file in files:
            try:
                with tarfile.open(file) as tar:
                    self._add(file, tar)
            except (OSError, tarfile.TarError) as error:
                raise UserError(f"{file}: cannot be read ({str(error).splitlines()[0]})") from error

    def _add(self, file: str, tar: tarfile.TarFile) -> None:
        images: dict[str, tarfile.TarInfo] = {}
        classes: dict[str, int] = {}
        for member in tar:
            stem, _, ending = member.name.rpartition(".")
            if f".{ending.lower()}" in ENDINGS:
                images[stem] = member
            elif ending == "cls":
                content = tar.extractfile(member)
                assert content is not None
                classes[stem] = _label(content.read(), f"{file}: {member.name}")
        for stem, member in images.items():
            if stem not in classes:
                raise UserError(f"{file}: {member.name} has no class ({stem}.cls)")
            self.labels.append(classes[stem])
            self._members.append((file, member.offset_data, member.size, member.name))

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, index: int) -> str:
        """Return the path of the tar file and the name of the image in it."""
        file, _, _, name = self._members[index]
        return f"{file}:{name}"

    def image(self, index: int) -> Image.Image:
        """Read an image, and convert it to gray or RGB.

        Raises:
            OSError: The file is not an image.
        """
        file, offset, size, _ = self._members[index]
        with open(file, "rb") as opened:
            opened.seek(offset)
            return read_image(io.BytesIO(opened.read(size)), self._channels)


def _label(data: bytes, name: str) -> int:
    try:
        return int(data)
    except ValueError as error:
        raise UserError(f"{name}: is no number of a class") from error


class Stream(IterableDataset[tuple[Tensor, Tensor]]):
    """Training batches of one process, read from shards.

    Each epoch shuffles the shards and distributes them over the processes and their workers. A worker reads its shards
    until it has produced its share of the batches. If it has too few images, it reads its shards again. It draws the
    images from a shuffle buffer. Images that cannot be read are left out. For the same seed, number of processes and
    number of workers, the batches are the same.

    Attributes:
        epoch: Number of finished epochs.
        done: Number of finished batches in the current epoch.
        unreadable: Number of images left out, a tensor ``[1]`` in shared memory.
    """

    def __init__(
        self,
        files: Sequence[str],
        num_batches: int,
        batch_size: int,
        transform: Callable[[Any], Tensor],
        channels: int,
        buffer: int,
        seed: int,
        rank_and_number: tuple[int, int],
    ) -> None:
        self._files, self._num_batches, self._batch_size = list(files), num_batches, batch_size
        self._transform, self._channels, self._buffer = transform, channels, buffer
        self._seed, self._rank_and_number = seed, rank_and_number
        self.epoch = self.done = 0
        self.unreadable = torch.zeros(1, dtype=torch.long).share_memory_()

    def __len__(self) -> int:
        return self._num_batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the remaining batches of a worker's share of the epoch."""
        info = get_worker_info()
        first, workers = (0, 1) if info is None else (info.id, info.num_workers)
        # The loader always takes the first batch from its worker 0, also in the middle of an epoch. So after a
        # restart each worker takes over the share of another one.
        worker = (self.done + first) % workers
        samples = self._samples(worker, workers)
        for number in range(worker, self._num_batches, workers):
            if number >= self.done:
                yield self._batch(samples)
            else:
                for _ in range(self._batch_size):
                    next(samples)

    def _batch(self, samples: Iterator[dict[str, Any]]) -> tuple[Tensor, Tensor]:
        images: list[Tensor] = []
        labels: list[int] = []
        for _ in range(self._batch_size):
            sample = next(samples)
            try:
                images.append(self._image(sample))
                labels.append(_label(sample["cls"], sample["__key__"]))
            except BROKEN:
                self.unreadable += 1
        if not images:
            raise OSError(f"not one image of a batch can be read, such as {sample['__key__']}")
        return torch.stack(images), torch.tensor(labels)

    def _image(self, sample: dict[str, Any]) -> Tensor:
        data = next(value for name, value in sample.items() if f".{name.lower()}" in ENDINGS)
        image = read_image(io.BytesIO(data), self._channels)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(self._seed, self.epoch, sample["__key__"]))
            return self._transform(image)

    def _samples(self, worker: int, workers: int) -> Iterator[dict[str, Any]]:
        import webdataset as wds

        rank, world_size = self._rank_and_number
        order = random.Random(derived_seed(self._seed, "shards", self.epoch))
        files = order.sample(self._files, len(self._files))[rank * workers + worker :: world_size * workers]
        draws = random.Random(derived_seed(self._seed, "buffer", self.epoch, rank, worker))
        while True:
            yield from wds.DataPipeline(
                wds.SimpleShardList(files),
                wds.tarfile_to_samples(),
                wds.shuffle(self._buffer, initial=self._buffer, rng=draws),
            )


class ShardImages(Images):
    """Images whose training split is streamed from shards. The other splits are small, and are read by index."""

    def __init__(
        self,
        files: Sequence[str],
        sources: dict[str, Any],
        settings: ShardSettings,
        transforms: Transforms,
        seed: int,
    ) -> None:
        super().__init__(sources, settings.num_classes, settings, transforms, seed)
        self._files, self._num_images, self._buffer = list(files), settings.num_images, settings.buffer
        self._stream: Stream | None = None

    @property
    def batches_per_epoch(self) -> int:
        """Number of training batches of each process in an epoch."""
        return self._num_images // (self.batch_size * self._rank_and_number()[1])

    @property
    def num_train(self) -> int:
        """Number of training images, without the shards held out."""
        return self._num_images

    @property
    def num_skipped(self) -> int:
        """Number of training images that could not be read so far."""
        return 0 if self._stream is None else int(self._stream.unreadable)

    def unreadable(self) -> list[str]:
        """Return one text for each unreadable image. A stream counts these images but does not know their names."""
        return [f"in {self._files[0]} and others"] * self.num_skipped

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the training batches of this process. After a restart they continue at the checkpoint's position.

        Raises:
            UserError: The readers outnumber the shards, or the global batch is larger than the number of images.
        """
        readers = self._rank_and_number()[1] * max(1, self._workers["num_workers"])
        if len(self._files) < readers:
            raise UserError(
                f"data.images.train: {len(self._files)} files are too few for {readers} readers "
                "(data.images.num_workers of each process)"
            )
        self.check_batches(self._rank_and_number()[1])
        self._stream = Stream(
            self._files,
            self.batches_per_epoch,
            self.batch_size,
            self._train_transform,
            self.in_channels,
            self._buffer,
            self.seed,
            self._rank_and_number(),
        )
        self._stream.epoch = self._finished_epochs()
        return TrainLoader(self._stream, self._stream, batch_size=None, **self._workers)


def image_shards(settings: ShardSettings, augmentation: str, seed: int) -> ShardImages:
    """Return the images of shards. ``image_folder`` explains the arguments.

    Raises:
        UserError: A file is missing, no shard is left to train on, or webdataset is not installed.
    """
    try:
        import braceexpand
        import webdataset  # noqa: F401
    except ImportError as error:
        raise UserError("data=imagenet_wds: needs webdataset (pip install 'seminas[webdataset]')") from error
    files = list(braceexpand.braceexpand(settings.train))
    held_out = settings.val_shards + settings.calibration_shards
    num_train = len(files) - held_out
    if num_train < 1:
        raise config_error("data.images.train", settings.train, f"more than {held_out} files")
    for file in files[:num_train]:
        if not Path(file).is_file():
            raise UserError(f"data.images.train: {file}: there is no such file")
    first_val = num_train + settings.calibration_shards
    split = {
        "calibration": files[num_train:first_val],
        "val": files[first_val:],
        "test": list(braceexpand.braceexpand(settings.test)),
    }
    sources: dict[str, Any] = {name: Shards(part, settings.channels) for name, part in split.items()}
    transforms = Transforms.of(settings, augmentation)
    return ShardImages(
        files[:num_train], {**sources, "train": sources["calibration"]}, settings, transforms, seed
    )
