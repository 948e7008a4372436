"""Optimizer and learning-rate schedule of a recipe."""

import math
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LinearLR, OneCycleLR, SequentialLR

from seminas.config.recipe import INVERSE_SQRT, STABLE, Recipe

SECOND_BETA = 0.98
"""Decay of Adam's mean of squared gradients in the training of Transformers."""


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
    return _scheduled(optimizer, rate, recipe, *_steps(trainer))


def adam(module: pl.LightningModule, recipe: Recipe, width: int) -> dict[str, Any]:
    """Return Adam and a schedule by the recipe, in the form that ``configure_optimizers`` returns.

    The first beta is ``recipe.momentum``, the second one is 0.98 (Vaswani et al., NeurIPS 2017, section 5.3). With the
    schedule ``inverse_sqrt`` the rate is divided by the square root of the width.

    Args:
        module: Module whose trainer's data module knows its ``batches_per_epoch``.
        recipe: Recipe of the training.
        width: Number of channels of the network.
    """
    trainer: Any = module.trainer
    rate = recipe.learning_rate / (width**0.5 if recipe.schedule == INVERSE_SQRT else 1.0)
    optimizer = torch.optim.Adam(
        _groups(module, recipe), rate, betas=(recipe.momentum, SECOND_BETA), weight_decay=recipe.weight_decay
    )
    return _scheduled(optimizer, rate, recipe, *_steps(trainer))


def _scheduled(
    optimizer: torch.optim.Optimizer, rate: float, recipe: Recipe, steps_per_epoch: int, steps: int
) -> dict[str, Any]:
    """Return an optimizer with the schedule of a recipe, which changes the learning rate after each step."""
    schedule: torch.optim.lr_scheduler.LRScheduler
    if recipe.schedule == "one_cycle":
        schedule = OneCycleLR(optimizer, rate, total_steps=steps)
    elif recipe.schedule in ("exponential", "constant"):
        gamma = recipe.gamma if recipe.schedule == "exponential" else 1.0
        schedule = LambdaLR(optimizer, lambda step: gamma ** (step // steps_per_epoch))
    elif recipe.schedule == INVERSE_SQRT:
        rise = recipe.warmup_steps**-1.5
        schedule = LambdaLR(optimizer, lambda step: min((step + 1) ** -0.5, (step + 1) * rise))
    elif recipe.schedule == STABLE:
        schedule = LambdaLR(optimizer, _stable(recipe, steps_per_epoch, steps))
    else:
        warmup = min(round(recipe.warmup_epochs * steps_per_epoch), steps - 1)
        schedule = CosineAnnealingLR(optimizer, steps - warmup)
        if warmup:
            rise = LinearLR(optimizer, 1 / warmup, 1.0, warmup)
            schedule = SequentialLR(optimizer, [rise, schedule], [warmup])
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _stable(recipe: Recipe, steps_per_epoch: int, steps: int) -> Callable[[int], float]:
    """Return the factor of the rate for each step, with warm-up, a stable phase and a decay to zero.

    The decay is 1 - sqrt(x), where x is the finished part of the decay (Hägele et al., NeurIPS 2024, equation 2). It
    fills the last whole epochs. So a training of fewer epochs has the same rates before its own decay begins.
    """
    warmup = recipe.warmup_epochs * steps_per_epoch
    decay = min(steps, recipe.decay_epochs(max(1, round(steps / steps_per_epoch))) * steps_per_epoch)

    def factor(step: int) -> float:
        finished = min(1.0, max(0, step - (steps - decay)) / decay)
        risen = min(1.0, (step + 1) / warmup) if warmup else 1.0
        return risen * (1.0 - math.sqrt(finished))

    return factor


def _steps(trainer: pl.Trainer) -> tuple[int, int]:
    """Return the number of optimizer steps in an epoch and in the whole training."""
    data = trainer.datamodule  # type: ignore[attr-defined]
    epochs = max(1, trainer.max_epochs or 1)
    if hasattr(data, "batches_per_epoch"):
        # Trainer.estimated_stepping_batches would create the loader before the checkpoint restores its position.
        steps_per_epoch = -(-data.batches_per_epoch // trainer.accumulate_grad_batches)
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
