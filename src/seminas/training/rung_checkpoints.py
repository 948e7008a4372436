"""A training that stops at a number of epochs, and leaves a checkpoint for a longer training."""

import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from seminas.config.recipe import STABLE, Recipe
from seminas.errors import UserError
from seminas.training.checkpoints import read_checkpoint
from seminas.training.epoch_checkpoints import EpochCheckpoints
from seminas.training.kept_checkpoints import KeptCheckpoints

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RungPlan:
    """How a training is measured after a number of epochs.

    Attributes:
        epochs: Number of epochs after which it stops and is measured.
        schedule: Number of epochs for which its schedule is made.
        kept: Number of epochs after which its checkpoint is kept for a longer training. 0 means that none is kept.
        latest_start: Largest number of epochs of a shorter training's checkpoint from which it can go on.
    """

    epochs: int
    schedule: int
    kept: int
    latest_start: int

    @classmethod
    def of(cls, epochs: int, recipe: Recipe, cooldown: bool) -> "RungPlan":
        """Return the plan for a number of epochs.

        A training with a cooldown has the schedule of a training of so many epochs. Its checkpoint is of the end of the
        stable phase, where the schedules of all numbers of epochs are equal. Without one it stops in the middle of the
        full schedule. A full training keeps no checkpoint at its end.

        Args:
            epochs: Number of epochs of the rung.
            recipe: Recipe of a full training.
            cooldown: Whether a training with the schedule ``warmup_stable_decay`` has a cooldown.
        """
        if recipe.schedule == STABLE and cooldown:
            stable = epochs - recipe.decay_epochs(epochs)
            return cls(epochs, epochs, stable, stable)
        is_full = epochs == recipe.epochs
        return cls(epochs, recipe.epochs, 0 if is_full else epochs, epochs - is_full)


class RungCheckpoints(EpochCheckpoints):
    """Callback of a training that starts at a shorter training's checkpoint, stops, and leaves a checkpoint itself.

    Attributes:
        began: Number of epochs from which this evaluation went on. They are paid for already.
        finished: Whether the checkpoint of ``start_from`` is of the last epoch, so that nothing is left to train.
    """

    def __init__(
        self,
        folder: Path | None,
        every_s: float,
        key: str,
        plan: RungPlan,
        kept: KeptCheckpoints | None,
        paid: int,
    ) -> None:
        """Initialize the callback.

        Args:
            folder: Folder of this training while it is not finished. None means no checkpoints.
            every_s: Smallest time between two checkpoints of a training that is not finished, in seconds.
            key: Name of the architecture in its space.
            plan: Plan of this training.
            kept: Checkpoints of shorter trainings. None means no checkpoints.
            paid: Number of epochs after which the shorter training that was evaluated before kept its checkpoint. A
                checkpoint of more epochs is of this training.
        """
        super().__init__(folder or Path(), every_s)
        self._has_folder = folder is not None
        self._key, self._plan, self._kept, self._paid = key, plan, kept, paid
        self._resumes = False
        self.began = 0
        self.finished = False

    def start_from(self) -> Path | None:
        """Return the checkpoint from which the training goes on: of itself, or of a shorter training. None without one.

        Raises:
            UserError: All checkpoints of this training are damaged.
        """
        own = super().start_from() if self._has_folder else None
        if own is not None:
            self._resumes = True
            return own
        epochs = 0 if self._kept is None else self._kept.newest(self._key, self._plan.latest_start)
        if self._kept is None or not epochs:
            return None
        path = self._kept.path(self._key, epochs)
        try:
            state = read_checkpoint(path)["callbacks"][self.state_key]
        except (UserError, KeyError) as error:
            log.warning("%s: the training begins again", error)
            self._kept.remove(self._key)
            return None
        self._resumes = epochs > self._paid
        self.began = int(state["began"]) if self._resumes else epochs
        self.earlier_s = float(state["spent_s"]) if self._resumes else 0.0
        self.finished = epochs == self._plan.epochs
        return path

    def remove(self) -> None:
        """Remove the checkpoints of this training. The one for a longer training stays."""
        if self._has_folder:
            super().remove()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the checkpoint for a longer training, or one of this training, and stop at the last epoch."""
        done = trainer.current_epoch + 1
        if self._kept is not None and done == self._plan.kept:
            path = self._kept.path(self._key, done)
            path.parent.mkdir(parents=True, exist_ok=True)
            trainer.save_checkpoint(path)
            self._saved = time.monotonic()
            if trainer.is_global_zero:
                self._kept.remove(self._key, below=done)
                shutil.rmtree(self._folder, ignore_errors=True)
        elif done < self._plan.epochs and self._has_folder:
            super().on_train_epoch_end(trainer, pl_module)
        if done >= self._plan.epochs:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the base class, and the number of epochs from which this evaluation went on."""
        return {**super().state_dict(), "began": self.began}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the random generators. The seconds of a shorter training are no seconds of this one."""
        super().load_state_dict(state_dict)
        if self._resumes:
            self.began = int(state_dict["began"])
        else:
            self.earlier_s = 0.0
