"""LightningModules that train text-to-speech networks: a single one, and the paths of a supernet."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torchmetrics import MeanMetric

from seminas.config.recipe import Recipe
from seminas.config.speech import SpeechSettings
from seminas.spaces.tts.network import Spoken
from seminas.training.data.loading import derived_seed
from seminas.training.devices import keep_compiled
from seminas.training.optimiser import adam
from seminas.training.paths import Paths, average
from seminas.training.speech.batches import Batch
from seminas.training.speech.loss import guide, losses
from seminas.training.speech.rates import RATES, rates_of

LONGEST = 1.5
"""Largest number of decoded frames of a sentence in an evaluation, as a multiple of the true number."""
MEASURES = (*RATES, "mel_loss", "stop_loss", "length_error")
"""Names of the measures of an evaluation."""


def measures(network: Any, batch: Batch, settings: SpeechSettings, seed: int) -> dict[str, Tensor]:
    """Return the measures of each utterance of a batch by name, ``[n]``.

    The rates are of decoded sentences, in which each frame follows the predicted frames before it. The losses are of
    predictions from the true frames. ``length_error`` is the difference of the decoded and the true number of frames,
    as a fraction of the true number. The pre-net's dropout follows from the seed.

    Args:
        network: Network in evaluation mode, on the device of the batch.
        batch: Utterances.
        settings: Settings of the task.
        seed: Seed of the pre-net's dropout.
    """
    most = (batch.mel_lengths * LONGEST).long().clamp(max=settings.max_frames)
    with torch.random.fork_rng(devices=[batch.mel.device] if batch.mel.is_cuda else []), torch.no_grad():
        torch.manual_seed(seed)
        decoded: Spoken = network.decode(batch.phonemes, batch.lengths, most)
        predicted: Spoken = network(*batch[:4])
    found = rates_of(decoded, batch.lengths)
    values = {name: torch.tensor([rates[name] for rates in found]) for name in RATES}
    each = [
        losses(
            Spoken(
                predicted.mel[i : i + 1],
                predicted.stop[i : i + 1],
                [a[i : i + 1] for a in predicted.attention],
                most,
            ),
            Batch(*(part[i : i + 1] for part in batch)),
            settings.stop_weight,
        )
        for i in range(len(batch.counts))
    ]
    values["mel_loss"] = torch.stack([loss.mel for loss in each])
    values["stop_loss"] = torch.stack([loss.stop for loss in each])
    values["length_error"] = (decoded.lengths - batch.mel_lengths).abs() / batch.mel_lengths
    return values


class SpeechModule(pl.LightningModule):
    """Text-to-speech network with the losses of the task.

    The random numbers of a training step follow from ``seed``, the number of the batch, and the rank. So a run that
    continues from a checkpoint equals an uninterrupted run.
    """

    def __init__(self, network: Any, settings: SpeechSettings, recipe: Recipe, seed: int) -> None:
        super().__init__()
        self.network = network
        self.settings, self.recipe, self.seed = settings, recipe, seed
        self.means = torch.nn.ModuleDict({name: MeanMetric() for name in MEASURES})
        if recipe.compile:
            keep_compiled()
            self.network.compile()

    @property
    def monitor(self) -> str:
        """Name of the validation measure that a training maximizes."""
        return f"val_{self.settings.objective}"

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        number = self.trainer.fit_loop.epoch_loop.total_batch_idx
        torch.manual_seed(derived_seed(self.seed, "step", number, self.global_rank))
        spoken = self.predicted(batch, number)
        found = losses(spoken, batch, self.settings.stop_weight)
        loss = found.mel + found.stop
        if self.settings.guided_attention:
            loss = loss + self.settings.guided_attention * guide(spoken, batch)
        logged = {"train_loss": loss, "train_mel_loss": found.mel, "train_stop_loss": found.stop}
        self.log_dict(logged, on_step=True, on_epoch=False)
        return loss

    def predicted(self, batch: Batch, number: int) -> Spoken:
        """Return the predictions for the batch with this number."""
        spoken: Spoken = self.network(*batch[:4])
        return spoken

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add the batch to ``val_diagonal_focus_rate`` and the other measures."""
        self._measure(batch, "val", batch_idx)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Add the batch to ``test_diagonal_focus_rate`` and the other measures."""
        self._measure(batch, "test", batch_idx)

    def _measure(self, batch: Batch, split: str, number: int) -> None:
        seed = derived_seed(self.seed, split, number, self.global_rank)
        weights = batch.counts.to(self.device, torch.float32)
        for name, values in measures(self.network, batch, self.settings, seed).items():
            mean: Any = self.means[name]
            mean(values.to(self.device), weights)
            self.log(f"{split}_{name}", mean, on_step=False, on_epoch=True)

    def configure_optimizers(self) -> Any:
        """Return Adam and the schedule of the recipe."""
        return adam(self, self.recipe, self.network.width)


class SpeechSupernetModule(SpeechModule):
    """LightningModule that trains one path of a supernet with each batch."""

    def __init__(
        self, network: Any, paths: Paths, settings: SpeechSettings, recipe: Recipe, seed: int
    ) -> None:
        super().__init__(network, settings, recipe, seed)
        self.paths = paths

    def predicted(self, batch: Batch, number: int) -> Spoken:
        """See the base class. The batch's number determines the path."""
        spoken: Spoken = self.network(*batch[:4], self.paths.at(number))
        return spoken

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Average the gradients over the processes."""
        if self.trainer.world_size > 1:
            average([p.grad for p in self.network.parameters() if p.grad is not None])
