"""LightningModule of the controller, and batches for its fit."""

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
    """Architectures with their targets.

    Attributes:
        inputs: Architectures as tensors, n of them.
        targets: Targets of the architectures, ``[n]``: transformed accuracies or pseudo-labels.
    """

    inputs: Inputs
    targets: Tensor

    def select(self, rows: Tensor) -> "Labeled":
        """Return the architectures at ``rows``, integers ``[m]``."""
        return Labeled(self.inputs.select(rows), self.targets[rows])


class Batches(IterableDataset[Labeled]):
    """An endless sequence of batches. The generator gives their random order."""

    def __init__(
        self, data: Labeled, rows: Tensor, batch_size: int, generator: torch.Generator, whole: bool
    ) -> None:
        """Prepare batches of the given rows of ``data``.

        Args:
            data: Architectures with targets.
            rows: Rows of ``data`` in each pass, integers ``[m]``. A row may occur several times (up-sampling).
            batch_size: Number of rows in a batch. The last batch of a pass may be smaller.
            generator: Random generator for the order of the rows.
            whole: Whether to leave out the last batch of a pass if it is smaller.
        """
        self._data, self._rows, self._generator = data, rows, generator
        self._batch_size, self._whole = batch_size, whole

    def __iter__(self) -> Iterator[Labeled]:
        """Yield batches without end. Each pass over the rows has a new random order."""
        while True:
            order = self._rows[torch.randperm(len(self._rows), generator=self._generator)]
            for rows in order.split(self._batch_size):
                if len(rows) == self._batch_size or not self._whole:
                    yield self._data.select(rows)


class ControllerModule(pl.LightningModule):
    """Training of a controller's network.

    The loss is λ MSE + (1 - λ) NLL (Luo et al., NeurIPS 2020, equation 3). The MSE is the error of the predictions. The
    NLL is the error of the decoder. If the decoder does not learn, the loss is λ MSE.
    """

    def __init__(self, network: ControllerNetwork, settings: ControllerSettings, decode: bool = True) -> None:
        """Wrap a network. ``decode`` says whether its decoder learns."""
        super().__init__()
        self.network = network
        self.settings = settings
        self.decode = decode

    def training_step(self, batch: Labeled, batch_idx: int) -> Tensor:
        """Return the loss of a batch. The squared errors of the members are added."""
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
        """Log Kendall's τ on the held-out architectures. An undefined τ counts as 0."""
        predictions = self.network.predict(batch.inputs).mean(dim=0)
        tau = torch.as_tensor(kendall_rank_corrcoef(predictions, batch.targets))
        self.log("held_out_tau", tau.nan_to_num(0.0), batch_size=len(batch.targets))

    def configure_optimizers(self) -> Any:
        """Return the optimizer and its schedule. The schedule changes the learning rate after each batch."""
        settings = self.settings.optimisation
        kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
        optimizer = kind(
            self.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        if settings.schedule == "constant":
            return optimizer
        steps = int(self.trainer.max_steps)
        rise = 0.2 if steps == 10 else 0.1  # OneCycleLR divides by (rise * steps - 1), so avoid 0.
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings.learning_rate, total_steps=steps, pct_start=rise
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _squared_errors(predictions: Tensor, targets: Tensor) -> Tensor:
    """Return the sum of the members' mean squared errors, for predictions ``[E, n]`` and targets ``[n]``."""
    return (predictions - targets).square().mean(dim=1).sum()
