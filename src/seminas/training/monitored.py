"""The best epoch of a user's own training, the checkpoints, and the end of a training that stands still."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint

from seminas.errors import MissingMetricError
from seminas.training.epoch_checkpoints import EpochCheckpoints

HYPERPARAMETERS = ("hyper_parameters", "hparams_name", "hparams_type", "datamodule_hyper_parameters")
"""Keys of a checkpoint with the arguments of the user's classes, which may be of any type."""


class MonitoredEpochs(EpochCheckpoints, Checkpoint):
    """Callback that keeps the metrics of the best epoch, and writes the checkpoints of ``EpochCheckpoints``.

    Lightning calls a ``Checkpoint`` after all other callbacks and after the module. So the callback sees all metrics.

    Attributes:
        best: Metrics of the epoch with the best finite value of the monitored metric. Empty before such an epoch.
        last: Value of the monitored metric in the last epoch. None before the first epoch that logged it.
        number: Number of epochs that this process has trained.
    """

    def __init__(
        self,
        folder: Path,
        every_s: float,
        names: Sequence[str],
        maximizes: bool,
        patience: int | None,
    ) -> None:
        """Initialize the callback.

        Args:
            folder: Folder of this training. It exists only while the training is not finished.
            every_s: Smallest time between two checkpoints, in seconds.
            names: Names of the metrics to keep. The first one is monitored.
            maximizes: Whether higher values of the monitored metric are better.
            patience: Number of epochs without a better value after which the training ends. None means no end.
        """
        super().__init__(folder, every_s)
        self._names, self._maximizes, self._patience = tuple(names), maximizes, patience
        self.best: dict[str, float] = {}
        self.last: float | None = None
        self.number = 0
        self._epochs_since = 0

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Read the metrics of the epoch, end a training that stands still, and write a checkpoint.

        Raises:
            MissingMetricError: The module does not log the monitored metric.
        """
        self.number += 1
        logged = dict(trainer.callback_metrics)
        monitor = self._names[0]
        if monitor not in logged and not _validates(trainer):
            super().on_train_epoch_end(trainer, pl_module)
            return
        if monitor not in logged:
            found = (
                f"one of the logged metrics {', '.join(sorted(logged))}" if logged else "logged by the module"
            )
            raise MissingMetricError(f"evaluator.monitor={monitor}: must be {found}")
        # All ranks decide alike, also if the module logs a metric without sync_dist.
        values = {name: _mean_of_ranks(trainer, logged[name]) for name in self._names if name in logged}
        self.last = values[monitor]
        self._epochs_since += 1
        if self._is_better(self.last):
            self.best, self._epochs_since = values, 0
        if self._patience is not None and self._epochs_since >= self._patience:
            trainer.should_stop = True
        if not trainer.should_stop:
            super().on_train_epoch_end(trainer, pl_module)

    def _is_better(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        best = self.best.get(self._names[0])
        return best is None or (value > best if self._maximizes else value < best)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Leave the arguments of the user's classes out. A checkpoint has only tensors and plain values."""
        for name in HYPERPARAMETERS:
            checkpoint.pop(name, None)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of ``EpochCheckpoints`` and the best epoch so far."""
        return {**super().state_dict(), "best": self.best, "epochs_since": self._epochs_since}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state."""
        super().load_state_dict(state_dict)
        self.best, self._epochs_since = dict(state_dict["best"]), int(state_dict["epochs_since"])


def _validates(trainer: pl.Trainer) -> bool:
    """Return whether each validation is at the end of an epoch, and one was at the end of this epoch."""
    every = trainer.check_val_every_n_epoch
    return every is not None and (trainer.current_epoch + 1) % every == 0


def _mean_of_ranks(trainer: pl.Trainer, value: Any) -> float:
    """Return the mean of a metric over all ranks."""
    if trainer.world_size == 1:
        return float(value)
    tensor = torch.as_tensor(value, dtype=torch.float32, device=trainer.strategy.root_device)
    return float(trainer.strategy.reduce(tensor, reduce_op="mean"))
