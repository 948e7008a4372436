"""Measurement of the costs of training.

python measurements/training.py step           Lightning's steps against a plain loop with the same model and batch
python measurements/training.py exchange       a supernet's steps on two processes, with and without DDP's graph search
python measurements/training.py cost           the numbers from which docs/imagenet.md derives times and memory
"""

import io
import json
import logging
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytorch_lightning as pl
import torch
import typer
from PIL import Image
from pytorch_lightning.strategies import DDPStrategy
from torch.utils.data import DataLoader

from seminas.config.recipe import Recipe
from seminas.config.spaces import MobileNetSettings
from seminas.execution.ranks import launch
from seminas.spaces.mobilenet import MobileNet
from seminas.spaces.mobilenet.network import SUPERNET
from seminas.spaces.nasbench101 import NASBench101
from seminas.training.classifier import Classifier
from seminas.training.data.transforms import train_transform
from seminas.training.paths import Paths, PathStrategy, SupernetModule

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
SEMINASNET = "6 5 1 7 4 2 5 3 5 2 5 3 3 5 7 3 1 6 3 3 6"
RECIPE = Recipe(
    epochs=1,
    learning_rate=0.1,
    weight_decay=4e-5,
    schedule="constant",
    decay_norms=False,
    label_smoothing=0.1,
    augmentation="flip",
)
KINDS = ("supernet", "standalone", "cell")
CELLS: dict[str, Any] = {"stem_channels": 16, "num_stacks": 3, "cells_per_stack": 1}
Side = Annotated[int, typer.Option(help="Of the images, in pixels.")]
Steps = Annotated[int, typer.Option(help="Of each fit.")]
Repeats = Annotated[int, typer.Option(help="Fits of each kind, in turns.")]


class Timer(pl.Callback):
    """Callback that records the time at which each step of a fit starts."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        """Record the time at which a step starts."""
        self.seconds.append(time.perf_counter())


class Batch(pl.LightningDataModule):
    """Data module that repeats one batch."""

    def __init__(self, batch: tuple[torch.Tensor, torch.Tensor], steps: int) -> None:
        super().__init__()
        self.batch, self.steps, self.batch_size = batch, steps, len(batch[0])

    def train_dataloader(self) -> Any:
        """Return a loader that gives the batch ``steps`` times."""
        return DataLoader([self.batch] * self.steps, batch_size=None)  # type: ignore[arg-type]


def bare_trainer(**kwargs: Any) -> pl.Trainer:
    """Return a trainer that writes and shows nothing."""
    return pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **kwargs,
    )


def lightning_steps(module: pl.LightningModule, batch: Any, steps: int) -> list[float]:
    """Return the seconds of each of Lightning's steps except the last step."""
    timer = Timer()
    trainer = bare_trainer(max_steps=steps, devices=1, gradient_clip_val=5.0, callbacks=[timer])
    trainer.fit(module, datamodule=Batch(batch, steps))
    return list(np.diff(timer.seconds))


def plain_optimizer(network: torch.nn.Module, is_fused: bool = False) -> torch.optim.Optimizer:
    """Return the optimizer of ``RECIPE``. ``is_fused`` makes one GPU kernel of a step."""
    groups = [
        {"params": [p for p in network.parameters() if p.ndim > 1]},
        {"params": [p for p in network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = True if is_fused else None
    return torch.optim.SGD(groups, 0.1, momentum=0.9, nesterov=True, weight_decay=4e-5, fused=fused)


def plain_steps(network: Any, forward: Any, batch: Any, steps: int) -> list[float]:
    """Return the seconds of each step of a plain loop except the last step."""
    images, labels = batch
    optimizer = plain_optimizer(network)
    seconds = []
    for step in range(steps):
        seconds.append(time.perf_counter())
        optimizer.zero_grad()
        logits = forward(images, step)
        torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
    return list(np.diff(seconds))


@app.command()
def step(
    side: Side = 64,
    batch_size: Annotated[int, typer.Option(help="Images a step.")] = 32,
    steps: Steps = 12,
    repeats: Repeats = 5,
    threads: Annotated[int, typer.Option(help="Of the computation.")] = 1,
) -> None:
    """Compare the median seconds of a step of Lightning and of a plain loop, in alternating fits."""
    torch.set_num_threads(threads)
    seconds: dict[str, list[float]] = {}
    for _ in range(repeats):
        for name in KINDS:
            for kind in ("plain", "lightning"):
                torch.manual_seed(0)
                module, forward, batch = trained(name, side, batch_size)
                if kind == "plain":
                    spent = plain_steps(module.network.train(), forward, batch, steps)
                else:
                    spent = lightning_steps(module, batch, steps)
                seconds.setdefault(f"{name} {kind}", []).extend(spent[1:])
    for name in KINDS:
        plain, ours = (np.median(seconds[f"{name} {kind}"]) for kind in ("plain", "lightning"))
        print(
            f"{name}: plain {1000 * plain:.1f} ms, lightning {1000 * ours:.1f} ms, ratio {ours / plain:.3f}"
        )


def trained(name: str, side: int, batch_size: int) -> tuple[Any, Any, Any]:
    """Return the module of a kind of training, the network's forward pass in a step, and a batch."""
    if name == "cell":  # As in make search: a small cell on digits, without a seed for each step.
        cells = NASBench101()
        network = cells.build_network(cells.sample(1, np.random.default_rng(0))[0], 10, 1, **CELLS)
        module: Any = Classifier(network, 10, RECIPE)
        batch = (torch.randn(64, 1, 8, 8), torch.randint(0, 10, (64,)))
        return module, lambda x, k: module.network(x), batch
    space = MobileNet(MobileNetSettings(image=[3, side, side], num_classes=100))
    batch = (torch.randn(batch_size, 3, side, side), torch.randint(0, 100, (batch_size,)))
    pool = [space.parse(SEMINASNET)]
    if name == "supernet":
        module = SupernetModule(space.build_supernet(100, 3), Paths(space, 0, pool), RECIPE, 0)
        return module, lambda x, k: module.network(x, module.paths.at(k)), batch
    module = Classifier(space.build_network(pool[0], 100, 3), 100, RECIPE, 0)
    return module, lambda x, k: module.network(x), batch


class Searching(SupernetModule):
    """Supernet module that leaves the exchange of gradients to ``DistributedDataParallel``."""

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Do nothing, because the gradients are averaged already."""


def exchanged_steps(kind: str, side: int, batch_size: int, steps: int, processes: int, out: Path) -> None:
    """Train on a rank, and write the seconds of its steps and the final sum of the magnitudes of its parameters."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    space = MobileNet(MobileNetSettings(image=[3, side, side], num_classes=100))
    module_class = SupernetModule if kind == "path" else Searching
    module = module_class(space.build_supernet(100, 3), Paths(space, 0), RECIPE, 0)
    strategy = PathStrategy() if kind == "path" else DDPStrategy(find_unused_parameters=True)
    timer = Timer()
    trainer = bare_trainer(
        max_steps=steps, devices=processes, strategy=strategy, gradient_clip_val=5.0, callbacks=[timer]
    )
    rank = int(os.environ["LOCAL_RANK"])
    torch.manual_seed(rank)
    batch = (torch.randn(batch_size, 3, side, side), torch.randint(0, 100, (batch_size,)))
    trainer.fit(module, datamodule=Batch(batch, steps))
    size = sum(float(p.detach().double().abs().sum()) for p in module.network.parameters())
    (out / f"{rank}.json").write_text(json.dumps([list(np.diff(timer.seconds)), size]))


@app.command()
def exchange(
    processes: Annotated[int, typer.Option(help="With gloo, on this machine.")] = 2,
    batch_size: Annotated[int, typer.Option(help="Images a step, of each process.")] = 16,
    side: Side = 64,
    repeats: Repeats = 5,
    steps: Steps = 12,
) -> None:
    """Compare the median seconds of a supernet's step between two ways to exchange gradients on several processes."""
    seconds: dict[str, list[float]] = {"path": [], "find_unused_parameters": []}
    sizes = set()
    for _ in range(repeats):
        for kind in seconds:
            with tempfile.TemporaryDirectory() as folder:
                arguments = (kind, side, batch_size, steps, processes, Path(folder))
                launch(exchanged_steps, arguments, processes, Path(folder) / "logs")
                for file in Path(folder).glob("*.json"):
                    spent, size = json.loads(file.read_text())
                    seconds[kind].extend(spent[2:])
                    sizes.add(float(f"{size:.8g}"))
    ours, ddp = (np.median(seconds[kind]) for kind in seconds)
    print(
        f"the path's gradients {1000 * ours:.0f} ms, find_unused_parameters {1000 * ddp:.0f} ms: {ddp / ours:.2f}"
    )
    print(f"sum of the parameters' magnitudes at the end, of every rank and fit: {sorted(sizes)}")


@app.command()
def cost() -> None:
    """Print the numbers from which times and memory on ImageNet are derived."""
    from seminas.spaces.cost import count_macs, count_parameters

    torch.set_num_threads(1)
    space = MobileNet()
    architecture = space.parse(SEMINASNET)
    network = space.build_network(architecture, 1000, 3)
    supernet = space.build_supernet(1000, 3)
    path = supernet.standalone(space.path(architecture))
    for name, module in (("standalone", network), ("path of the supernet", path)):
        macs = count_macs(module, (3, 224, 224))
        kept = 0
        seen: set[int] = set()

        def pack(value: torch.Tensor, seen: set[int] = seen) -> torch.Tensor:
            nonlocal kept
            if value.data_ptr() not in seen and not isinstance(value, torch.nn.Parameter):
                seen.add(value.data_ptr())
                kept += value.untyped_storage().nbytes()
            return value

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
            module.train()(torch.randn(2, 3, 224, 224)).sum()
        print(
            f"{name}: {count_parameters(module):,} parameters, {macs:,} MACs, "
            f"{kept / 2 / 2**20:.0f} MiB an image kept for the backward pass in 32 bits"
        )
    print(f"supernet: {count_parameters(supernet):,} parameters, widths {SUPERNET.stages}")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8))
    file = io.BytesIO()
    picture.resize((500, 375), Image.Resampling.BICUBIC).save(file, "JPEG", quality=92)
    for name in ("flip", "paper", "randaugment"):
        transform = train_transform(224, 3, name)
        spent = []
        for _ in range(60):
            start = time.perf_counter()
            transform(Image.open(io.BytesIO(file.getvalue())).convert("RGB"))
            spent.append(time.perf_counter() - start)
        size = len(file.getvalue()) / 1024
        print(f"{name}: {1 / np.median(spent):.0f} images/s a core, 500 x 375 JPEG of {size:.0f} KiB")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    app()
