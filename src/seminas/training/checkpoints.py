"""Checkpoints: written while training goes on and when a signal ends it, and found again."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.exceptions import SIGTERMException

from seminas.errors import UserError, first_line
from seminas.execution.processes import under_submitit

LAST, BEST = "last.ckpt", "best.ckpt"
REQUEUE_S = 10.0
"""Seconds that other ranks wait for the first to put the job back into the queue, which an ended rank could prevent."""


def checkpoint_folder(folder: Path) -> Path:
    """Return the folder of a run's checkpoints."""
    return folder / "checkpoints"


def last_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint that a run folder's training goes on from, None where there is none yet."""
    path = checkpoint_folder(folder) / LAST
    return path if path.is_file() else None


def trained_steps(folder: Path) -> int:
    """Return the steps of the checkpoint that a run folder's training goes on from, 0 where there is none yet."""
    checkpoint = last_checkpoint(folder)
    return 0 if checkpoint is None else int(read_checkpoint(checkpoint)["global_step"])


def read_checkpoint(path: Path, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Return what a checkpoint holds; only tensors and plain values are read.

    Raises:
        UserError: It is no checkpoint, or is torn.
    """
    try:
        # Mapped: what is not looked at is not read.
        checkpoint = torch.load(path, device, weights_only=True, mmap=True)
        checkpoint["state_dict"], checkpoint["global_step"]
    except Exception as error:  # Whatever torch raises for bytes that are no checkpoint.
        raise UserError(f"{path}: cannot be read as a checkpoint ({first_line(error)})") from error
    return dict(checkpoint)


class ResumableCheckpoint(Callback):
    """Writes the checkpoint that training goes on from, in the middle of an epoch too.

    It is written every so many steps, at the end, and at SIGTERM, which ends the training. If submitit started the
    job, submitit's own signal ends the training, and the job goes back into the queue. SIGTERM, which may come before
    that, then writes a checkpoint only.
    """

    def __init__(self, path: Path, every: int) -> None:
        self._path, self._every = path, every
        self._saved = 0
        self._asked = 0
        self._before: dict[int, Any] = {}

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save after every so many steps; end, on all ranks at once, if the first was asked to."""
        asked = self._asked_of_first(trainer) if self._before else 0
        if asked == signal.SIGTERM and under_submitit():
            if self._asked == asked:  # Submitit's own may have come meanwhile.
                self._asked = 0
            trainer.save_checkpoint(self._path)
        elif asked:
            raise SIGTERMException
        if trainer.global_step >= self._saved + self._every and not trainer.fit_loop._should_accumulate():
            self._saved = trainer.global_step
            trainer.save_checkpoint(self._path)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count from where training stands, and listen to SIGTERM, and to submitit's signal in its place."""
        self._saved = trainer.global_step
        self._asked = 0
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, *((_submitit_signal(),) if under_submitit() else ())):
            self._before[number] = signal.signal(number, self._ask)

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """End in the middle of a validation too, where no other rank is in it."""
        if self._asked and trainer.world_size == 1 and trainer.state.fn == "fit" and not under_submitit():
            raise SIGTERMException

    def _ask(self, number: int, frame: Any) -> None:
        self._asked = number

    def _asked_of_first(self, trainer: pl.Trainer) -> int:
        """The signal that the first rank was sent."""
        if trainer.world_size == 1:
            return self._asked
        asked = torch.tensor(self._asked, device=trainer.strategy.root_device)
        torch.distributed.broadcast(asked, src=0)
        return int(asked)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save what training ends with."""
        self._stop_listening()
        trainer.save_checkpoint(self._path)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Save, if being asked is why training ends."""
        requeue = self._stop_listening().get(self._asked)
        if isinstance(exception, SIGTERMException):
            trainer.save_checkpoint(self._path)
            if self._asked != signal.SIGTERM and callable(requeue):
                requeue(_submitit_signal(), None)  # On the first rank, this ends the process.
                time.sleep(REQUEUE_S)

    def _stop_listening(self) -> dict[int, Any]:
        """Give the signals back; returns what is done at each."""
        before, self._before = self._before, {}
        for number, handler in before.items():
            signal.signal(number, handler)
        return before


def _submitit_signal() -> signal.Signals:
    return signal.Signals[f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}"]
