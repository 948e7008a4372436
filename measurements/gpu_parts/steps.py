"""Part 1: steps of the standalone trainer against a plain loop, and against timm's network in a plain loop."""

import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from training import SEMINASNET, Batch, plain_optimizer

from gpu_parts.clock import Numbers, Sizes, busy_fraction, device, median, peak_mib, ratio, wait
from seminas.config.recipe import Recipe
from seminas.config.spaces import MobileNetSettings
from seminas.config.trainer import TrainerSettings
from seminas.spaces.cost import count_macs
from seminas.spaces.mobilenet import MobileNet
from seminas.training.classifier import Classifier
from seminas.training.devices import lightning_precision, mixed_precision, uses_channels_last
from seminas.training.trainer import make_trainer

PEERS = (
    "mobilenetv3_large_100",
    "mobilenetv3_large_150d",
    "mnasnet_100",
    "efficientnet_b0",
    "mobilenetv4_conv_medium",
)
"""Networks of timm. The one whose number of multiply-adds is nearest to ours is the peer."""
SETTINGS = TrainerSettings(precision="auto", log_every_n_steps=1_000, checkpoint_every=1_000_000)
Pair = tuple[Tensor, Tensor]


class Times(pl.Callback):
    """The time at the start and the end of each step, after the GPU's work if it is the last one."""

    def __init__(self, skipped: int) -> None:
        self.skipped = skipped
        self.begun = self.ended = self.data_s = 0.0

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Add the time since the last step, in which the data came."""
        if trainer.global_step == self.skipped:
            wait()
            self.begun = self.ended = time.perf_counter()
        self.data_s += time.perf_counter() - self.ended if self.ended else 0.0

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Keep the time."""
        if trainer.global_step == trainer.max_steps:
            wait()
        self.ended = time.perf_counter()


def recipe(is_compiled: bool) -> Recipe:
    """Return the recipe of all loops."""
    constant: dict[str, Any] = {"schedule": "constant", "decay_norms": False, "label_smoothing": 0.1}
    return Recipe(1, learning_rate=0.1, weight_decay=4e-5, gradient_clip=5.0, compile=is_compiled, **constant)


def ours(network: nn.Module, batch: Pair, is_compiled: bool, sizes: Sizes) -> Numbers:
    """Return images a second, the share of waiting for data, and the synchronisations in a step of our trainer."""
    skipped = min(sizes.steps // 2, 10)
    times = Times(skipped)
    module = Classifier(network, 1000, recipe(is_compiled), 0)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        trainer = make_trainer(
            SETTINGS, Path(folder), module.recipe, [], [times], max_steps=sizes.steps, quiet=True
        )
        if torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode("warn")
        trainer.fit(module, datamodule=Batch(batch, sizes.steps))
        if torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode("default")
    spent = times.ended - times.begun
    steps = sizes.steps - skipped
    waits = sum("synchronizing CUDA operation" in str(warning.message) for warning in said)
    return {
        "images_per_s": len(batch[0]) * steps / spent,
        "data_share": round(times.data_s / spent, 4),
        "waits_per_step": round(waits / sizes.steps, 2) if torch.cuda.is_available() else None,
    }


def plain(
    network: nn.Module, batch: Pair, is_compiled: bool, sizes: Sizes
) -> tuple[float, Callable[[], None]]:
    """Return images a second of a plain PyTorch loop, and its step."""
    layout = torch.channels_last if uses_channels_last(recipe(False), device()) else torch.contiguous_format
    network = network.to(device(), memory_format=layout).train()  # type: ignore[call-overload]
    if is_compiled:
        network.compile()
    optimizer = plain_optimizer(network, device().type == "cuda")

    def step() -> None:
        images = batch[0].to(device(), non_blocking=True, memory_format=layout)
        labels = batch[1].to(device(), non_blocking=True)
        optimizer.zero_grad()
        with mixed_precision(SETTINGS, device()):
            loss = nn.functional.cross_entropy(network(images), labels, label_smoothing=0.1)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()

    skipped = min(sizes.steps // 2, 10)
    for _ in range(skipped):
        step()
    wait()
    start = time.perf_counter()
    for _ in range(sizes.steps - skipped):
        step()
    wait()
    return len(batch[0]) * (sizes.steps - skipped) / (time.perf_counter() - start), step


def peer(macs: int, side: int) -> str | None:
    """Return the name of timm's network with the nearest number of multiply-adds. None without timm."""
    try:
        import timm
    except ImportError:
        return None
    counts = {name: count_macs(timm.create_model(name), (3, side, side)) for name in PEERS}
    return min(counts, key=lambda name: abs(counts[name] - macs))


def measure(sizes: Sizes) -> Numbers:
    """Compare the loops, in turns, with and without ``torch.compile``."""
    space = MobileNet(MobileNetSettings(image=[3, sizes.side, sizes.side], num_classes=1000))
    architecture = space.parse(SEMINASNET)
    on_gpu = device().type == "cuda"
    images = torch.randn(sizes.batch, 3, sizes.side, sizes.side)
    labels = torch.randint(0, 1000, (sizes.batch,))
    batch = (images.pin_memory(), labels.pin_memory()) if on_gpu else (images, labels)
    peer_name = peer(space.macs(architecture), sizes.side) if on_gpu else None
    found: Numbers = {
        "precision": lightning_precision(SETTINGS),
        "channels_last": uses_channels_last(recipe(False), device()),
        "peer": peer_name,
    }
    for is_compiled in (False, True) if on_gpu else (False,):
        kind = "compiled" if is_compiled else "eager"
        speeds: dict[str, list[float]] = {"ours": [], "plain": [], "peer": []}
        last: Numbers = {}
        for _ in range(sizes.repeats):
            torch.manual_seed(0)
            speed, step = plain(space.build_network(architecture, 1000, 3), batch, is_compiled, sizes)
            speeds["plain"].append(speed)
            last["busy_plain"], last["memory_plain_mib"] = busy_fraction(step, 5), peak_mib()
            last |= ours(space.build_network(architecture, 1000, 3), batch, is_compiled, sizes)
            speeds["ours"].append(last.pop("images_per_s"))
            last["memory_ours_mib"] = peak_mib()
            if peer_name is not None:
                import timm

                speeds["peer"].append(plain(timm.create_model(peer_name), batch, is_compiled, sizes)[0])
        medians = {f"{name}_images_per_s": median(v) for name, v in speeds.items() if v}
        found[kind] = medians | last
        found[kind]["ours_to_plain"] = ratio(medians["ours_images_per_s"], medians["plain_images_per_s"])
        found[kind]["ours_to_peer"] = ratio(medians["ours_images_per_s"], medians.get("peer_images_per_s"))
    return found
