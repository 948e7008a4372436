"""Exponential moving average of a network's weights, on the device of the training."""

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging


class MeanWeights(EMAWeightAveraging):
    """Callback that keeps the mean where the weights are.

    Lightning's class would copy all weights to the CPU at each step. The number of updates stays on the CPU, since each
    update reads it.
    """

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Make the mean at the start of a fit."""
        self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)
        if stage == "fit" and self._average_model is not None:
            counter = self._average_model.n_averaged
            self._average_model.n_averaged = torch.zeros_like(counter, device="cpu")
