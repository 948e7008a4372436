"""LightningModule that trains an image classifier."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy
from torchvision.transforms import v2

from seminas.config.recipe import Recipe
from seminas.training.data.loading import IGNORED, derived_seed
from seminas.training.devices import keep_compiled, uses_channels_last
from seminas.training.optimiser import sgd


class Classifier(pl.LightningModule):
    """Classifier with cross-entropy, top-1 accuracy and top-5 accuracy. Accuracies are over all processes.

    The random numbers of a training step follow from ``seed``, the number of the batch, and the rank. So a run that
    continues from a checkpoint equals an uninterrupted run. If ``seed`` is None, PyTorch's global generator is used.
    """

    def __init__(self, network: nn.Module, num_classes: int, recipe: Recipe, seed: int | None = None) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.seed = seed
        self.accuracy = MulticlassAccuracy(num_classes, average="micro", ignore_index=IGNORED)
        self.top5 = (
            MulticlassAccuracy(num_classes, average="micro", top_k=5, ignore_index=IGNORED)
            if num_classes > 5
            else None
        )
        self._mixup = v2.MixUp(alpha=recipe.mixup, num_classes=num_classes) if recipe.mixup else None
        self._channels_last = False
        if recipe.compile:
            keep_compiled()
            self.network.compile()

    def setup(self, stage: str) -> None:
        """Choose the memory format of the device."""
        self._channels_last = uses_channels_last(self.recipe, self.trainer.strategy.root_device)
        if self._channels_last:
            self.network.to(memory_format=torch.channels_last)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seed the random numbers of the step."""
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
        """Add the batch to ``val_accuracy`` and ``val_top5``."""
        self._count(batch, "val")

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Add the batch to ``test_accuracy`` and ``test_top5``."""
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
        if self._channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.network(images)
        return logits

    def configure_optimizers(self) -> Any:
        """Return the optimizer and the schedule of the recipe."""
        return sgd(self, self.recipe)
