"""Checkpoints of the trainings of a search, so that a training continues after a kill or a preemption.

They are written at the end of an epoch, with the state of the random generators. So the continued training computes
what the undisturbed one would have computed.
"""

import shutil
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from seminas.training.checkpoints import LAST, checkpoint_folder, last_checkpoint


class EpochCheckpoints(Callback):
    """Callback that writes a checkpoint at the end of an epoch, at most once every ``every_s`` seconds.

    Attributes:
        earlier_s: Duration of the training before this process continued it, in seconds.
    """

    def __init__(self, folder: Path, every_s: float) -> None:
        """Initialize the callback.

        Args:
            folder: Folder of this training. It exists only while the training is not finished.
            every_s: Smallest time between two checkpoints, in seconds.
        """
        self._folder, self._every_s = folder, every_s
        self._start = self._saved = time.monotonic()
        self.earlier_s = 0.0

    def start_from(self) -> Path | None:
        """Return the checkpoint from which the training continues, or None if there is none.

        Raises:
            UserError: All checkpoints are damaged.
        """
        return last_checkpoint(self._folder)

    def remove(self) -> None:
        """Remove the checkpoints of a finished training."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write a checkpoint if the time has come and this is not the last epoch."""
        is_last = trainer.max_epochs is not None and trainer.current_epoch + 1 >= trainer.max_epochs
        if not is_last and time.monotonic() - self._saved >= self._every_s:
            path = checkpoint_folder(self._folder) / LAST
            path.parent.mkdir(parents=True, exist_ok=True)
            trainer.save_checkpoint(path)
            self._saved = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """Return the time so far in seconds, and the states of the random generators."""
        return {
            "spent_s": self.earlier_s + time.monotonic() - self._start,
            "cpu": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the random generators. Lightning calls this before it makes the iterator of the images."""
        self.earlier_s = float(state_dict["spent_s"])
        torch.set_rng_state(state_dict["cpu"])
        if state_dict["cuda"]:
            torch.cuda.set_rng_state_all(state_dict["cuda"])
