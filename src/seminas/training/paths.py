"""A supernet trained a path at a time: which path, the LightningModule, and the exchange of its gradients."""

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
from seminas.training.optimiser import sgd


@dataclass(frozen=True)
class Paths:
    """Which architecture each batch trains: the same on every process, since it follows from the batch's number.

    Attributes:
        space: A ``SearchSpace`` that ``HasSupernet``; its architectures may be trained.
        seed: Of the draws.
        pool: Architectures to draw from, in place of the whole space.
        sandwich: With several batches to a step, the first trains the largest network and the second the smallest
            (the sandwich rule of Yu and Huang, ICCV 2019).
        batches: To a step.
    """

    space: Any
    seed: int
    pool: Sequence[Any] = ()
    sandwich: bool = False
    batches: int = 1

    def at(self, number: int) -> list[str]:
        """Return the operations that a batch trains."""
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
    """Trains one path a batch; only its parameters get gradients, and momentum and decay touch no others."""

    def __init__(self, network: nn.Module, paths: Paths, recipe: Recipe, seed: int) -> None:
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
        """Average the path's gradients over the processes."""
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
