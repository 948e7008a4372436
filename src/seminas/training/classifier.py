"""LightningModule that trains one image classifier."""

from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy


@dataclass(frozen=True)
class Recipe:
    """How an architecture is trained.

    Attributes:
        epochs: Passes over the training images.
        learning_rate: Peak of a one-cycle schedule of SGD with Nesterov momentum 0.9.
        weight_decay: Applied to all parameters.
        networks: Skeletons by the space's name: what its ``build_network`` takes beside the architecture; the
            space's own defaults where there is none.
    """

    epochs: int
    learning_rate: float
    weight_decay: float
    networks: dict[str, dict[str, Any]] = field(default_factory=dict)


class Classifier(pl.LightningModule):
    """Cross-entropy, SGD on a one-cycle schedule, top-1 accuracy."""

    def __init__(self, network: nn.Module, num_classes: int, recipe: Recipe) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.accuracy = MulticlassAccuracy(num_classes, average="micro")

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch of images ``[n, c, h, w]`` and labels ``[n]``."""
        images, labels = batch
        return nn.functional.cross_entropy(self.network(images), labels)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Count the batch into ``val_accuracy``."""
        self._count(batch, "val_accuracy")

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Count the batch into ``test_accuracy``."""
        self._count(batch, "test_accuracy")

    def _count(self, batch: tuple[Tensor, Tensor], name: str) -> None:
        images, labels = batch
        self.accuracy(self.network(images), labels)
        self.log(name, self.accuracy, on_step=False, on_epoch=True)

    def configure_optimizers(self) -> Any:
        """Return SGD and its schedule, a step each batch."""
        recipe = self.recipe
        optimizer = torch.optim.SGD(
            self.parameters(),
            recipe.learning_rate,
            momentum=0.9,
            nesterov=True,
            weight_decay=recipe.weight_decay,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, recipe.learning_rate, total_steps=int(self.trainer.estimated_stepping_batches)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
