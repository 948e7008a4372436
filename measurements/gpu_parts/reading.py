"""Part 2: images a second that the loaders give, and decoding on the CPU against decoding on the GPU."""

import io
import os
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms import v2

from gpu_parts.clock import Numbers, Sizes, device, median, ratio, seconds_of
from seminas.config.data import FolderSettings, ShardSettings
from seminas.training.data.folder import image_folder
from seminas.training.data.shards import image_shards


def write(root: Path, number: int, size: tuple[int, int]) -> list[bytes]:
    """Write JPEGs of two classes into folders and into shards of eight images. Return their bytes."""
    random = np.random.default_rng(0)
    files = []
    for i in range(number):
        coarse = Image.fromarray(random.integers(0, 256, (24, 32, 3), np.uint8))
        file = io.BytesIO()
        coarse.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=92)
        files.append(file.getvalue())
        for split in ("train", "val"):
            path = root / "folder" / split / f"class{i % 2}" / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[-1])
    (root / "shards").mkdir()
    for shard in range(number // 8):
        with tarfile.open(root / "shards" / f"{shard:04d}.tar", "w") as archive:
            for i in range(8 * shard, 8 * shard + 8):
                for name, data in ((f"{i}.jpg", files[i]), (f"{i}.cls", b"%d" % (i % 2))):
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
    return files


def loaded(images: Any) -> int:
    """Read an epoch of training images, and return their number."""
    return sum(len(labels) for _, labels in images.train_dataloader())


def measure(sizes: Sizes) -> Numbers:
    """Measure both loaders with one process and with one for each core, and both ways to decode."""
    cores = len(os.sched_getaffinity(0))
    small: dict[str, Any] = {"batch_size": min(sizes.batch, 8), "resolution": sizes.side}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        files = write(root, sizes.images, (500, 375) if sizes.side > 64 else (48, 36))
        shards = f"{root}/shards/{{0000..{sizes.images // 8 - 1:04d}}}.tar"
        found: Numbers = {}
        for workers in sorted({1, cores}):
            folder = FolderSettings(
                root=f"{root}/folder", num_validation=0, num_calibration=0, num_workers=workers, **small
            )
            packed = ShardSettings(
                train=shards,
                test=f"{root}/shards/0000.tar",
                val_shards=0,
                calibration_shards=0,
                num_images=sizes.images,
                num_classes=2,
                num_workers=min(workers, sizes.images // 8),
                **small,
            )
            for kind, images in (
                ("folder", image_folder(folder, "paper", 0)),
                ("shards", image_shards(packed, "paper", 0)),
            ):
                speeds = []
                for _ in range(sizes.repeats):
                    number: list[int] = []
                    spent = seconds_of(lambda n=number, i=images: n.append(loaded(i)))  # type: ignore[misc]
                    speeds.append(number[0] / spent)
                found[f"{kind}_{workers}_workers_images_per_s"] = median(speeds)
        found["folder_per_core_images_per_s"] = found["folder_1_workers_images_per_s"]
        return found | decoding(files, sizes)


def decoding(files: list[bytes], sizes: Sizes) -> Numbers:
    """Compare decoding and augmenting on one core with the same on the GPU."""
    augment = v2.Compose(
        [
            v2.RandomResizedCrop(sizes.side, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )
    encoded = [torch.frombuffer(bytearray(data), dtype=torch.uint8) for data in files[: 8 * sizes.batch]]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def on_cpu() -> None:
        for data in encoded:
            augment(decode_jpeg(data, ImageReadMode.RGB))

    cpu = len(encoded) / median([seconds_of(on_cpu) for _ in range(sizes.repeats)])
    torch.set_num_threads(threads)
    gpu = None
    if device().type == "cuda":

        def on_gpu() -> None:
            for i in range(0, len(encoded), sizes.batch):
                decoded = decode_jpeg(encoded[i : i + sizes.batch], ImageReadMode.RGB, device="cuda")
                torch.stack([augment(image) for image in decoded])

        gpu = len(encoded) / median([seconds_of(on_gpu) for _ in range(sizes.repeats)])
    return {
        "decode_cpu_core_images_per_s": round(cpu, 1),
        "decode_gpu_images_per_s": gpu and round(gpu, 1),
        "decode_gpu_to_cpu_core": ratio(gpu, cpu),
    }
