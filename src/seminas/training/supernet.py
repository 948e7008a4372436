"""A weight-sharing supernet: trained a path at a time, asked what each of its networks is worth."""

import copy
import hashlib
import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, nn

from seminas.app import closing_loggers
from seminas.errors import UserError
from seminas.files import write_file
from seminas.processes import number_of_ranks, rank_of_all
from seminas.training.classifier import Recipe, sgd
from seminas.training.data import seeded
from seminas.training.images import Images
from seminas.training.launch import launch
from seminas.training.loading import IGNORED, derived_seed
from seminas.training.run import TrainerSettings, last_checkpoint, make_trainer, num_local_processes

if TYPE_CHECKING:
    from seminas.networks.mobilenet import Supernet
    from seminas.spaces.base import SearchSpace


@dataclass(frozen=True)
class Paths:
    """Which architecture each batch trains: the same on every process, since it follows from the batch's number.

    Attributes:
        space: What they are drawn from,
        pool: or, where there are some, these.
        seed: Of the draws.
        sandwich: With several batches to a step, the first trains the largest network and the second the smallest
            (the sandwich rule of Yu and Huang, ICCV 2019).
        batches: To a step.
    """

    space: "SearchSpace[Any]"
    seed: int
    pool: Sequence[Any] = ()
    sandwich: bool = False
    batches: int = 1

    def at(self, number: int) -> list[str]:
        """Return the operations that a batch trains."""
        rng = np.random.default_rng([self.seed, number])
        place = number % self.batches
        if self.sandwich and place < 2:
            chosen = self.space.extremes()[place]
        elif self.pool:
            chosen = self.pool[int(rng.integers(len(self.pool)))]
        else:
            chosen = self.space.sample(1, rng)[0]
        return self.space.path(chosen)


class SupernetModule(pl.LightningModule):
    """Trains one path a batch; only its parameters get gradients, and momentum and decay touch no others."""

    def __init__(self, network: "Supernet", paths: Paths, recipe: Recipe, seed: int) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last) if recipe.channels_last else network
        self.paths, self.recipe, self.seed = paths, recipe, seed

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of one path on images ``[n, c, h, w]`` with labels ``[n]``."""
        images, labels = batch
        number = self.trainer.fit_loop.epoch_loop.total_batch_idx
        torch.manual_seed(derived_seed(self.seed, "step", number, self.global_rank))
        logits = self.network(images, self.paths.at(number))
        loss = nn.functional.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)
        self.log("train_loss", loss, on_step=True, on_epoch=False)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Average the gradients that there are over the processes."""
        if self.trainer.world_size > 1:
            average([p.grad for p in self.network.parameters() if p.grad is not None])

    def configure_optimizers(self) -> Any:
        """Return the recipe's optimizer and schedule."""
        return sgd(self, self.recipe)


def average(gradients: Sequence[Tensor]) -> None:
    """Average tensors over the processes, in one exchange."""
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    torch.distributed.all_reduce(flat)
    flat /= torch.distributed.get_world_size()
    parts = flat.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


class PathStrategy(DDPStrategy):
    """Data-parallel training of a module that averages its gradients itself.

    ``DistributedDataParallel`` either insists on a gradient for every parameter, or searches the graph for those
    without one at every step and exchanges zeros for them: here that is most of the network.
    """

    def _setup_model(self, model: nn.Module) -> Any:
        for value in (*model.parameters(), *model.buffers()):
            torch.distributed.broadcast(value.data, 0)
        return model

    def _register_ddp_hooks(self) -> None:
        """Nothing is wrapped, so there is nothing to hook into."""


@torch.no_grad()
def calibrated(network: nn.Module, batches: Sequence[Tensor]) -> nn.Module:
    """Return a copy of a network whose BatchNorm statistics are those of some batches ``[n, c, h, w]``.

    A supernet's own statistics are of all paths mixed, which are no path's.
    """
    alone = copy.deepcopy(network).eval()
    norms = [m for m in alone.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # The mean over all batches.
        norm.train()
    for images in batches:
        alone(images)
    return alone.eval()


@torch.no_grad()
def accuracy(network: nn.Module, batches: Sequence[tuple[Tensor, Tensor]]) -> float:
    """Return the top-1 accuracy of a network on batches of images and labels, a fraction."""
    right = total = 0
    for images, labels in batches:
        right += int((network(images).argmax(dim=1) == labels).sum())  # Never of a label that is ignored.
        total += int((labels != IGNORED).sum())
    return right / total


@dataclass
class SupernetJob:
    """A supernet in a folder, trained in parts: what each process that works on it needs to know.

    Attributes:
        space: Builds it.
        images: Makes the images, for a seed.
        recipe: How it is trained.
        trainer: Where.
        folder: Its checkpoints, and what it measured.
        seed: Of everything.
        sandwich: See ``Paths``.
        calibrate: Whether BatchNorm statistics are estimated for each architecture.
        start_from: A checkpoint to begin with.
        pool: Architectures to train; all of the space where there are none.
    """

    space: "SearchSpace[Any]"
    images: Any
    recipe: Recipe
    trainer: TrainerSettings
    folder: Path
    seed: int
    sandwich: bool = False
    calibrate: bool = True
    start_from: Path | None = None
    pool: list[Any] = field(default_factory=list)

    def make_images(self) -> Images:
        """Return the images in an order that follows from the seed."""
        return seeded(self.images, self.seed, self.recipe.augmentation)

    def module(self, images: Images) -> SupernetModule:
        """Return the module with the weights of the folder's checkpoint, of ``start_from``, or untrained.

        Raises:
            UserError: The space has no supernet, or a checkpoint is of another one.
        """
        torch.manual_seed(derived_seed(self.seed, "supernet"))
        try:
            network: Any = self.space.build_supernet(images.num_classes, images.in_channels)
        except NotImplementedError as error:
            raise UserError(f"space={self.space.name}: has no supernet") from error
        found = last_checkpoint(self.folder) or self.start_from
        if found is not None:
            load_supernet(network, found)
        paths = Paths(self.space, self.seed, self.pool, self.sandwich, self.trainer.accumulate_grad_batches)
        return SupernetModule(network, paths, self.recipe, self.seed)

    def stands(self) -> int:
        """Return the steps that the folder's supernet has been trained for."""
        found = last_checkpoint(self.folder)
        return 0 if found is None else int(torch.load(found, "cpu", weights_only=True)["global_step"])

    def train(self, steps: int, quiet: bool = True, loggers: Sequence[Any] = ()) -> None:
        """Train until so many steps have been made in all, from where the folder's checkpoint stands.

        Raises:
            UserError: It ended before.
        """
        images = self.make_images()
        module = self.module(images)
        settings = replace(self.trainer, max_steps=steps, max_epochs=-1)
        trainer = make_trainer(
            settings,
            self.folder,
            self.recipe,
            loggers,
            strategy=PathStrategy(),
            quiet=quiet,
            limit_val_batches=0,
        )
        number = os.environ.get("WORLD_SIZE")
        with closing_loggers(loggers):
            trainer.fit(module, datamodule=images, ckpt_path=last_checkpoint(self.folder), weights_only=True)
            if trainer.global_step < steps:
                raise UserError(f"{self.folder}: training ended before its {steps} steps")
        if number is not None:
            os.environ["WORLD_SIZE"] = number  # Lightning takes it away.

    def measured(self, architectures: Sequence[Any]) -> list[float]:
        """Return the validation accuracies of architectures, which the ranks share; fractions.

        Of ranks on several machines, each calls this, and only the first gets an answer.
        """
        asked = json.dumps([self.stands(), *(self.space.to_json(a) for a in architectures)])
        place = self.folder / "measured" / hashlib.sha256(asked.encode()).hexdigest()[:16]
        self.on_all_processes("measure", list(architectures), place)
        if rank_of_all():
            return []
        while (
            len(files := list(place.glob("*.json"))) < number_of_ranks()
        ):  # Other machines' may take longer.
            time.sleep(0.2)
        values = {int(i): v for file in files for i, v in json.loads(file.read_text()).items()}
        shutil.rmtree(place)
        return [values[i] for i in range(len(architectures))]

    def measure(self, architectures: Sequence[Any], place: Path) -> None:
        """Write the validation accuracies of this rank's share of architectures into ``RANK.json`` in a folder."""
        rank = rank_of_all()
        mine = list(range(len(architectures)))[rank :: number_of_ranks()]
        gpu = int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", 0)))
        values = self.accuracies([architectures[i] for i in mine], gpu)
        data = json.dumps(dict(zip(map(str, mine), values, strict=True))).encode()
        place.mkdir(parents=True, exist_ok=True)
        write_file(place / f"{rank}.json", data)

    def accuracies(self, architectures: Sequence[Any], gpu: int = 0) -> list[float]:
        """Return the validation accuracies of architectures by the supernet's weights, fractions.

        All are measured on the same images; BatchNorm statistics are estimated for each, on images held out for that.
        """
        on_gpu = self.trainer.accelerator != "cpu" and torch.cuda.is_available()
        device = torch.device("cuda", gpu) if on_gpu else torch.device("cpu")
        images = self.make_images()
        network = self.module(images).network.to(device)
        validation = [(x.to(device), y.to(device)) for x, y in images.share("val")]
        calibration = [x.to(device) for x, _ in images.share("calibration", images.batch_size)]
        values = []
        for architecture in architectures:
            alone = network.standalone(self.space.path(architecture))
            alone = calibrated(alone, calibration) if self.calibrate else alone.eval()
            values.append(accuracy(alone, validation))
        return values

    def on_all_processes(self, method: str, *arguments: Any) -> None:
        """Call a method on each process that the trainer's settings ask for."""
        number = num_local_processes(self.trainer)
        if number > 1:
            launch(_call, (self, method, arguments), number, self.folder / "logs")
        else:
            getattr(self, method)(*arguments)


def _call(job: SupernetJob, method: str, arguments: tuple[Any, ...]) -> None:
    getattr(job, method)(*arguments)


def load_supernet(network: nn.Module, checkpoint: Path) -> None:
    """Load a supernet's weights from a checkpoint.

    Raises:
        UserError: It is no checkpoint, or one of another space.
    """
    try:
        state = torch.load(checkpoint, "cpu", weights_only=True)["state_dict"]
        network.load_state_dict({name.removeprefix("network."): value for name, value in state.items()})
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(":")
        raise UserError(f"{checkpoint}: is no checkpoint of this space's supernet ({reason})") from error
