"""Optimizer and learning-rate schedule of a recipe."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LinearLR, OneCycleLR, SequentialLR

from seminas.config.recipe import Recipe
from seminas.training.data.images import Images


def sgd(module: pl.LightningModule, recipe: Recipe) -> dict[str, Any]:
    """Return SGD and a schedule by the recipe, in the form that ``configure_optimizers`` returns.

    The schedule changes the learning rate after each optimizer step.
    """
    trainer: Any = module.trainer
    rate = recipe.learning_rate
    if recipe.per_batch is not None:
        batch = trainer.datamodule.batch_size * trainer.world_size * trainer.accumulate_grad_batches
        rate *= batch / recipe.per_batch
    # The fused optimizer makes one GPU kernel of a step. Gradients scaled for 16 bits cannot be clipped with it.
    on_gpu = trainer.strategy.root_device.type == "cuda"
    optimizer = torch.optim.SGD(
        _groups(module, recipe),
        rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        fused=True if on_gpu and trainer.precision != "16-mixed" else None,
    )
    steps_per_epoch, steps = _steps(trainer)
    schedule: torch.optim.lr_scheduler.LRScheduler
    if recipe.schedule == "one_cycle":
        schedule = OneCycleLR(optimizer, rate, total_steps=steps)
    elif recipe.schedule in ("exponential", "constant"):
        gamma = recipe.gamma if recipe.schedule == "exponential" else 1.0
        schedule = LambdaLR(optimizer, lambda step: gamma ** (step // steps_per_epoch))
    else:
        warmup = min(round(recipe.warmup_epochs * steps_per_epoch), steps - 1)
        schedule = CosineAnnealingLR(optimizer, steps - warmup)
        if warmup:
            rise = LinearLR(optimizer, 1 / warmup, 1.0, warmup)
            schedule = SequentialLR(optimizer, [rise, schedule], [warmup])
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _steps(trainer: pl.Trainer) -> tuple[int, int]:
    """Return the number of optimizer steps in an epoch and in the whole training."""
    images = trainer.datamodule  # type: ignore[attr-defined]
    epochs = max(1, trainer.max_epochs or 1)
    if isinstance(images, Images):
        # Trainer.estimated_stepping_batches would create the loader before the checkpoint restores its position.
        steps_per_epoch = -(-images.batches_per_epoch // trainer.accumulate_grad_batches)
        ends = [epochs * steps_per_epoch] if (trainer.max_epochs or 0) > 0 else []
        return steps_per_epoch, min([*ends, trainer.max_steps] if trainer.max_steps > 0 else ends)
    steps = int(trainer.estimated_stepping_batches)
    return max(1, round(steps / epochs)), steps


def _groups(module: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Return the parameter groups. Without ``decay_norms``, biases and BatchNorm parameters have no weight decay."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    if recipe.decay_norms:
        return [{"params": parameters}]
    return [
        {"params": [p for p in parameters if p.ndim > 1]},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
