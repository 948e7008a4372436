"""LightningModule of the controller, and the batches that it is fitted on."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import IterableDataset
from torchmetrics.functional.regression import kendall_rank_corrcoef

from seminas.config.controller import ControllerSettings
from seminas.controller.models.inputs import Inputs
from seminas.controller.models.network import ControllerNetwork


class Labeled(NamedTuple):
    """Architectures with their standardised accuracies.

    Attributes:
        inputs: n architectures.
        targets: ``[n]``.
    """

    inputs: Inputs
    targets: Tensor

    def select(self, rows: Tensor) -> "Labeled":
        """Return the architectures at ``rows``, integers ``[m]``."""
        return Labeled(self.inputs.select(rows), self.targets[rows])


class Batches(IterableDataset[Labeled]):
    """Endless batches of whole tensors, in an order of the generator's."""

    def __init__(
        self, data: Labeled, rows: Tensor, batch_size: int, generator: torch.Generator, whole: bool
    ) -> None:
        """Draw from ``data``'s rows ``rows``, which may name a row several times (up-sampling).

        A pass ends with a smaller batch where the rows do not divide evenly, or without it if ``whole``.
        """
        self._data, self._rows, self._generator = data, rows, generator
        self._batch_size, self._whole = batch_size, whole

    def __iter__(self) -> Iterator[Labeled]:
        """Yield batches, each pass over the rows in another order."""
        while True:
            order = self._rows[torch.randperm(len(self._rows), generator=self._generator)]
            for rows in order.split(self._batch_size):
                if len(rows) == self._batch_size or not self._whole:
                    yield self._data.select(rows)


class ControllerModule(pl.LightningModule):
    """A controller's network, trained on λ MSE + (1 - λ) NLL (Luo et al., equation 3), or without the decoder."""

    def __init__(self, network: ControllerNetwork, settings: ControllerSettings, decode: bool = True) -> None:
        """Wrap a network; without ``decode`` its decoder does not learn."""
        super().__init__()
        self.network = network
        self.settings = settings
        self.decode = decode

    def training_step(self, batch: Labeled, batch_idx: int) -> Tensor:
        """Return the loss of a batch: the sum over the members."""
        inputs, targets = batch
        tradeoff = self.settings.targets.tradeoff
        number = self.settings.optimisation.decoder_batch_size
        if not self.decode:
            return tradeoff * _squared_errors(self.network.predict(inputs), targets)
        predictions, logits = self.network(inputs, number)
        nll = nn.functional.cross_entropy(
            logits.flatten(0, 1), inputs.tokens[:number].flatten(), ignore_index=0
        )
        return tradeoff * _squared_errors(predictions, targets) + (1 - tradeoff) * nll

    def validation_step(self, batch: Labeled, batch_idx: int) -> None:
        """Log Kendall's τ of the architectures held out."""
        predictions = self.network.predict(batch.inputs).mean(dim=0)
        tau = torch.as_tensor(kendall_rank_corrcoef(predictions, batch.targets))
        self.log("held_out_tau", tau.nan_to_num(0.0), batch_size=len(batch.targets))

    def configure_optimizers(self) -> Any:
        """Return the optimizer and its schedule, a step each batch."""
        settings = self.settings.optimisation
        kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
        optimizer = kind(
            self.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        if settings.schedule == "constant":
            return optimizer
        steps = int(self.trainer.max_steps)
        rise = 0.2 if steps == 10 else 0.1  # OneCycleLR divides by (rise * steps - 1).
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings.learning_rate, total_steps=steps, pct_start=rise
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _squared_errors(predictions: Tensor, targets: Tensor) -> Tensor:
    """Return the mean squared error of ``[E, n]`` against ``[n]``, summed over the members."""
    return (predictions - targets).square().mean(dim=1).sum()
