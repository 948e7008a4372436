"""LightningModule that trains one image classifier."""

from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LinearLR, OneCycleLR, SequentialLR
from torchmetrics.classification import MulticlassAccuracy
from torchvision.transforms import v2

from seminas.errors import config_error
from seminas.training.images import Images
from seminas.training.loading import IGNORED, derived_seed

SCHEDULES = ("one_cycle", "cosine", "exponential", "constant")


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: SGD on a schedule of learning rates.

    Attributes:
        epochs: Passes over the training images.
        learning_rate: Peak of the schedule.
        weight_decay: Of the parameters.
        networks: Skeletons by the space's name: what its ``build_network`` takes beside the architecture; the
            space's own defaults where there is none.
        per_batch: Global batch that ``learning_rate`` is for, with others it grows in proportion; null: any.
        schedule: ``one_cycle``, ``cosine`` to zero, ``exponential``, by ``gamma`` an epoch, or ``constant``.
        gamma: Factor of an exponential schedule.
        warmup_epochs: Linear rise before a cosine.
        momentum: Of SGD.
        nesterov: Whether it is Nesterov's.
        decay_norms: Whether BatchNorm's parameters and biases decay too.
        label_smoothing: Of the cross-entropy in training.
        mixup: α of the Beta distribution that pairs of images are mixed by (Zhang et al., ICLR 2018); 0 is none.
        ema: Decay of the running mean of weights that is evaluated and exported; 0 is none.
        gradient_clip: Norm at which gradients are clipped; null: none.
        augmentation: Of images in folders, see ``training.folder``.
        channels_last: Memory format of the images and the weights.
        compile: Whether the network is compiled by ``torch.compile``.
    """

    epochs: int
    learning_rate: float
    weight_decay: float
    networks: dict[str, dict[str, Any]] = field(default_factory=dict)
    per_batch: int | None = None
    schedule: str = "one_cycle"
    gamma: float = 0.97
    warmup_epochs: float = 0.0
    momentum: float = 0.9
    nesterov: bool = True
    decay_norms: bool = True
    label_smoothing: float = 0.0
    mixup: float = 0.0
    ema: float = 0.0
    gradient_clip: float | None = None
    augmentation: str = "paper"
    channels_last: bool = False
    compile: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with, naming the key."""
        if self.schedule not in SCHEDULES:
            raise config_error("recipe.schedule", self.schedule, f"one of {', '.join(SCHEDULES)}")
        if self.epochs < 1:
            raise config_error("recipe.epochs", self.epochs, "at least 1")
        for name in ("learning_rate", "gamma"):
            if getattr(self, name) <= 0:
                raise config_error(f"recipe.{name}", getattr(self, name), "above 0")
        for name in ("label_smoothing", "ema", "momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise config_error(f"recipe.{name}", getattr(self, name), "from 0 to below 1")
        for name in ("weight_decay", "warmup_epochs", "mixup"):
            if getattr(self, name) < 0:
                raise config_error(f"recipe.{name}", getattr(self, name), "at least 0")


class Classifier(pl.LightningModule):
    """Cross-entropy, top-1 and top-5 accuracy, over all processes.

    The random numbers of a training step follow from ``seed``, the step and the process, so that a run that goes on
    from a checkpoint is the same as one that was not interrupted; with None they are torch's.
    """

    def __init__(self, network: nn.Module, num_classes: int, recipe: Recipe, seed: int | None = None) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last) if recipe.channels_last else network
        self.recipe = recipe
        self.seed = seed
        self.accuracy = MulticlassAccuracy(num_classes, average="micro", ignore_index=IGNORED)
        self.top5 = (
            MulticlassAccuracy(num_classes, average="micro", top_k=5, ignore_index=IGNORED)
            if num_classes > 5
            else None
        )
        self._mixup = v2.MixUp(alpha=recipe.mixup, num_classes=num_classes) if recipe.mixup else None
        if recipe.compile:
            self.network.compile()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seed what is random in a step."""
        if self.seed is not None:
            step = self.trainer.fit_loop.epoch_loop.total_batch_idx
            torch.manual_seed(derived_seed(self.seed, "step", step, self.global_rank))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch of images ``[n, c, h, w]`` and labels ``[n]``."""
        images, labels = batch
        if self._mixup is not None:
            images, labels = self._mixup(images, labels)
        loss = nn.functional.cross_entropy(
            self._logits(images), labels, label_smoothing=self.recipe.label_smoothing
        )
        if self.seed is not None:
            self.log("train_loss", loss, on_step=True, on_epoch=False)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Count the batch into ``val_accuracy``."""
        self._count(batch, "val")

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Count the batch into ``test_accuracy``."""
        self._count(batch, "test")

    def _count(self, batch: tuple[Tensor, Tensor], split: str) -> None:
        images, labels = batch
        logits = self._logits(images)
        self.accuracy(logits, labels)
        self.log(f"{split}_accuracy", self.accuracy, on_step=False, on_epoch=True)
        if self.top5 is not None:
            self.top5(logits, labels)
            self.log(f"{split}_top5", self.top5, on_step=False, on_epoch=True)

    def _logits(self, images: Tensor) -> Tensor:
        if self.recipe.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        return self.network(images)

    def configure_optimizers(self) -> Any:
        """Return SGD and its schedule, a step each batch."""
        return sgd(self, self.recipe)


def sgd(module: pl.LightningModule, recipe: Recipe) -> dict[str, Any]:
    """Return a recipe's optimizer and schedule for a LightningModule, as its ``configure_optimizers`` does."""
    trainer: Any = module.trainer
    rate = recipe.learning_rate
    if recipe.per_batch is not None:
        batch = trainer.datamodule.batch_size * trainer.world_size * trainer.accumulate_grad_batches
        rate *= batch / recipe.per_batch
    optimizer = torch.optim.SGD(
        _groups(module, recipe),
        rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
    )
    an_epoch, steps = _steps(trainer)
    schedule: torch.optim.lr_scheduler.LRScheduler
    if recipe.schedule == "one_cycle":
        schedule = OneCycleLR(optimizer, rate, total_steps=steps)
    elif recipe.schedule in ("exponential", "constant"):
        gamma = recipe.gamma if recipe.schedule == "exponential" else 1.0
        schedule = LambdaLR(optimizer, lambda step: gamma ** (step // an_epoch))
    else:
        warmup = min(round(recipe.warmup_epochs * an_epoch), steps - 1)
        schedule = CosineAnnealingLR(optimizer, steps - warmup)
        if warmup:
            rise = LinearLR(optimizer, 1 / warmup, 1.0, warmup)
            schedule = SequentialLR(optimizer, [rise, schedule], [warmup])
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _steps(trainer: pl.Trainer) -> tuple[int, int]:
    """Return the optimizer steps of an epoch and of the whole training."""
    images = trainer.datamodule  # type: ignore[attr-defined]
    epochs = max(1, trainer.max_epochs or 1)
    if isinstance(images, Images):
        # Trainer.estimated_stepping_batches would set up the loader before a checkpoint can say where it stands.
        an_epoch = -(-images.batches_per_epoch // trainer.accumulate_grad_batches)
        ends = [epochs * an_epoch] if (trainer.max_epochs or 0) > 0 else []
        return an_epoch, min([*ends, trainer.max_steps] if trainer.max_steps > 0 else ends)
    steps = int(trainer.estimated_stepping_batches)
    return max(1, round(steps / epochs)), steps


def _groups(module: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Return the parameters, those of one dimension (BatchNorm's, biases) apart where they do not decay."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    if recipe.decay_norms:
        return [{"params": parameters}]
    return [
        {"params": [p for p in parameters if p.ndim > 1]},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
