"""Training of a supernet, one path for each batch: choice of paths, LightningModule, exchange of gradients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, nn

from seminas.config.recipe import Recipe
from seminas.training.data.loading import derived_seed
from seminas.training.devices import uses_channels_last
from seminas.training.optimiser import sgd


@dataclass(frozen=True)
class Paths:
    """Choice of the path that each batch trains. It depends on the batch's number only, so all processes agree.

    Attributes:
        space: ``SearchSpace`` with a supernet (``HasSupernet``).
        seed: Seed of the random choices.
        pool: Architectures to choose from. If empty, choose from the whole space.
        sandwich: Whether the first batch of a step trains the largest network and the second batch the smallest one
            (sandwich rule of Yu and Huang, ICCV 2019).
        batches: Number of batches in an optimizer step.
    """

    space: Any
    seed: int
    pool: Sequence[Any] = ()
    sandwich: bool = False
    batches: int = 1

    def at(self, number: int) -> list[str]:
        """Return the operations of the path that the batch with this number trains, one for each block."""
        rng = np.random.default_rng([self.seed, number])
        batch_of_step = number % self.batches
        if self.sandwich and batch_of_step < 2:
            chosen = self.space.extremes()[batch_of_step]
        elif self.pool:
            chosen = self.pool[int(rng.integers(len(self.pool)))]
        else:
            chosen = self.space.sample(1, rng)[0]
        path: list[str] = self.space.path(chosen)
        return path


class SupernetModule(pl.LightningModule):
    """LightningModule that trains one path of a supernet with each batch.

    Only the parameters of the paths in a step have gradients. The optimizer changes no other parameters.
    """

    def __init__(self, network: nn.Module, paths: Paths, recipe: Recipe, seed: int) -> None:
        super().__init__()
        self.network = network
        self.paths, self.recipe, self.seed = paths, recipe, seed

    def setup(self, stage: str) -> None:
        """Choose the memory format of the device."""
        if uses_channels_last(self.recipe, self.trainer.strategy.root_device):
            self.network.to(memory_format=torch.channels_last)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a path for images ``[n, c, h, w]`` and labels ``[n]``."""
        images, labels = batch
        number = self.trainer.fit_loop.epoch_loop.total_batch_idx
        torch.manual_seed(derived_seed(self.seed, "step", number, self.global_rank))
        logits = self.network(images, self.paths.at(number))
        loss = nn.functional.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)
        self.log("train_loss", loss, on_step=True, on_epoch=False)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Average the gradients over the processes."""
        if self.trainer.world_size > 1:
            average([p.grad for p in self.network.parameters() if p.grad is not None])

    def configure_optimizers(self) -> Any:
        """Return the optimizer and the schedule of the recipe."""
        return sgd(self, self.recipe)


def average(gradients: Sequence[Tensor]) -> None:
    """Average tensors over the processes in place, with one exchange."""
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    torch.distributed.all_reduce(flat)
    flat /= torch.distributed.get_world_size()
    parts = flat.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


class PathStrategy(DDPStrategy):
    """Data-parallel training of a module that averages its gradients itself.

    ``DistributedDataParallel`` needs a gradient for every parameter. With ``find_unused_parameters`` it searches the
    graph for parameters without a gradient at every step, and exchanges zeros for them. Most parameters of a supernet
    have no gradient.
    """

    def _setup_model(self, model: nn.Module) -> Any:
        """Copy the parameters and buffers of the first rank to all ranks."""
        for value in (*model.parameters(), *model.buffers()):
            torch.distributed.broadcast(value.data, 0)
        return model

    def _register_ddp_hooks(self) -> None:
        """Register no hooks, because no module is wrapped."""
