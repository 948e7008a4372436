"""LightningModule of the controller, and the batches that it is fitted on."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import IterableDataset
from torchmetrics.functional.regression import kendall_rank_corrcoef

from seminas.controller.model import ControllerModel, Inputs


class Labeled(NamedTuple):
    """Architectures with their standardised accuracies.

    Attributes:
        inputs: n architectures.
        targets: ``[n]``.
    """

    inputs: Inputs
    targets: Tensor


class Batches(IterableDataset[Labeled]):
    """Endless batches of whole tensors, in an order of the generator's."""

    def __init__(self, data: Labeled, rows: Tensor, batch_size: int, generator: torch.Generator) -> None:
        """Draw from ``data``'s rows ``rows``, which may name a row several times (up-sampling)."""
        self._data, self._rows, self._generator = data, rows, generator
        self._batch_size = min(batch_size, len(rows))

    def __iter__(self) -> Iterator[Labeled]:
        """Yield batches, each pass over the rows in another order."""
        while True:
            order = self._rows[torch.randperm(len(self._rows), generator=self._generator)]
            for rows in order.split(self._batch_size):
                if len(rows) == self._batch_size:
                    yield Labeled(self._data.inputs.select(rows), self._data.targets[rows])


class ControllerModule(pl.LightningModule):
    """Encoder, predictor and decoder, trained together on λ MSE + (1 - λ) NLL (Luo et al., equation 3)."""

    def __init__(
        self,
        model: ControllerModel,
        tradeoff: float,
        learning_rate: float,
        weight_decay: float,
        decoder_batch_size: int,
    ) -> None:
        """Wrap a model.

        Args:
            model: What is trained.
            tradeoff: λ, the weight of the predictor's loss.
            learning_rate: Peak of a one-cycle schedule over all steps.
            weight_decay: Of AdamW.
            decoder_batch_size: Architectures of a batch, from its first, that the decoder learns from.
        """
        super().__init__()
        self.model = model
        self.tradeoff = tradeoff
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.decoder_batch_size = decoder_batch_size

    def training_step(self, batch: Labeled, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        inputs, targets = batch
        predictions, logits = self.model(inputs, self.decoder_batch_size)
        mse = nn.functional.mse_loss(predictions, targets)
        tokens = inputs.tokens[: self.decoder_batch_size]
        nll = nn.functional.cross_entropy(logits.flatten(0, 1), tokens.flatten(), ignore_index=0)
        return self.tradeoff * mse + (1 - self.tradeoff) * nll

    def validation_step(self, batch: Labeled, batch_idx: int) -> None:
        """Log Kendall's τ of the architectures held out."""
        tau = torch.as_tensor(kendall_rank_corrcoef(self.model.predict(batch.inputs), batch.targets))
        self.log("held_out_tau", tau.nan_to_num(0.0), batch_size=len(batch.targets))

    def configure_optimizers(self) -> Any:
        """Return AdamW and its one-cycle schedule, a step each batch."""
        optimizer = torch.optim.AdamW(
            self.parameters(), self.learning_rate, weight_decay=self.weight_decay, fused=True
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.learning_rate, total_steps=int(self.trainer.max_steps), pct_start=0.1
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
