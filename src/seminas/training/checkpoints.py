"""Writing of checkpoints during training and after a signal, and reading of checkpoints."""

import logging
import os
import signal
import threading
import time
import zipfile
from pathlib import Path
from typing import Any, NoReturn

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.exceptions import SIGTERMException

from seminas.errors import UserError, first_line
from seminas.execution.processes import under_submitit
from seminas.storage.files import atomic_write, remove_leftovers

log = logging.getLogger(__name__)
LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"
REQUEUE_S = 10.0
"""Seconds that other ranks wait while the first rank requeues the job. The end of a rank could prevent requeuing."""


def checkpoint_folder(folder: Path) -> Path:
    """Return the folder of checkpoints in a run folder."""
    return folder / "checkpoints"


def last_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint from which a run folder's training continues, or None if the folder has no checkpoint.

    This is the last checkpoint. If the last checkpoint is damaged, log a warning and return the previous checkpoint.

    Raises:
        UserError: The folder has checkpoints, but all are damaged.
    """
    readable = _last_readable(folder)
    return None if readable is None else readable[0]


def trained_steps(folder: Path) -> int:
    """Return the number of steps of ``last_checkpoint``, 0 if the folder has no checkpoint."""
    readable = _last_readable(folder)
    return 0 if readable is None else int(readable[1]["global_step"])


def _last_readable(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """Return the path and the contents of ``last_checkpoint``."""
    paths = [path for name in (LAST, PREVIOUS) if (path := checkpoint_folder(folder) / name).is_file()]
    for number, path in enumerate(paths, start=1):
        try:
            return path, read_checkpoint(path)
        except UserError as error:
            if number == len(paths):
                raise
            log.warning("%s: training goes on from %s", error, paths[number])
    return None


def read_checkpoint(path: Path, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Return the contents of a checkpoint. Only tensors and plain values are loaded.

    Raises:
        UserError: The file is not a checkpoint, or is incomplete.
    """
    try:
        # With a memory map, PyTorch reads only the tensors in use.
        checkpoint = torch.load(path, device, weights_only=True, mmap=True)
        checkpoint["state_dict"], checkpoint["global_step"]
    except Exception as error:  # For other files, PyTorch raises exceptions of many types.
        raise UserError(f"{path}: cannot be read as a checkpoint ({first_line(error)})") from error
    return dict(checkpoint)


class SafeCheckpoints(TorchCheckpointIO):
    """Checkpoint writer that writes a temporary file in the same folder, syncs it, and then renames it.

    So a kill or a full disk never leaves an incomplete checkpoint. Lightning's own class writes the file to the folder
    of temporary files and copies it. ``previous.ckpt`` is the checkpoint before ``last.ckpt``.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            UserError: The checkpoint cannot be written, for example on a full disk. The earlier checkpoint is kept.
        """
        target = Path(path)
        remove_leftovers(target.parent)
        try:
            with atomic_write(target) as file:
                torch.save(checkpoint, file)
                file.flush()
                if target.name == LAST and zipfile.is_zipfile(target):
                    os.fsync(file.fileno())
                    target.replace(target.with_name(PREVIOUS))
        except (OSError, RuntimeError) as error:  # PyTorch raises RuntimeError on a full disk.
            reason = getattr(error, "strerror", None) or first_line(error)
            raise UserError(f"{target}: cannot be written ({reason})") from error


class ResumableCheckpoint(Callback):
    """Callback that writes the checkpoint from which a training continues, also in the middle of an epoch.

    It writes the checkpoint after every ``every`` steps, at the end of the training, and after SIGTERM, Ctrl-C or
    SIGHUP, which also end the training. A second Ctrl-C ends it at once. If submitit started the job, submitit's own
    signal ends the training and requeues the job. Then SIGTERM, which may come before this signal, only writes a
    checkpoint.
    """

    def __init__(self, path: Path, every: int) -> None:
        self._path, self._every = path, every
        self._saved = 0
        self._asked = 0
        self._before: dict[int, Any] = {}
        self._ends = False

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write a checkpoint after every ``every`` steps, and handle a signal that the first rank received.

        All ranks handle the signal after the same step.

        Raises:
            SIGTERMException: The signal ends the training.
            KeyboardInterrupt: The same, after Ctrl-C.
            SystemExit: The same, after SIGHUP.
        """
        if trainer.fit_loop._should_accumulate():
            return  # A checkpoint has no accumulated gradients, so write it only after a complete step.
        asked = self._asked_of_first(trainer) if self._before else 0
        if asked == signal.SIGTERM and under_submitit():
            if self._asked == asked:  # Keep submitit's signal if it arrived since then.
                self._asked = 0
            trainer.save_checkpoint(self._path)
        elif asked:
            self._end(asked)
        # From a checkpoint of an epoch's last batch, Lightning would continue without the epoch's validation.
        waits = trainer.is_last_batch and trainer.num_training_batches > 1
        if trainer.global_step >= self._saved + self._every and not waits:
            self._saved = trainer.global_step
            trainer.save_checkpoint(self._path)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start to count steps, and handle the signals, unless one of them is ignored, as by ``nohup``."""
        self._saved = trainer.global_step
        self._asked, self._ends = 0, False
        if threading.current_thread() is not threading.main_thread():
            return
        heard = [n for n in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
        for number in (signal.SIGTERM, *heard, *((_submitit_signal(),) if under_submitit() else ())):
            self._before[number] = signal.signal(number, self._ask)

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """End the training after a signal during a validation, if this is the only rank and submitit did not start it.

        Raises:
            SIGTERMException: The signal ends the training.
            KeyboardInterrupt: The same, after Ctrl-C.
            SystemExit: The same, after SIGHUP.
        """
        if self._asked and trainer.world_size == 1 and trainer.state.fn == "fit" and not under_submitit():
            self._end(self._asked)

    def _ask(self, number: int, frame: Any) -> None:
        if number == self._asked == signal.SIGINT:
            raise KeyboardInterrupt
        self._asked = number

    def _end(self, asked: int) -> NoReturn:
        """Raise the exception that ends the training after a signal."""
        self._ends = True
        if asked == signal.SIGINT:
            raise KeyboardInterrupt
        if asked == signal.SIGHUP:
            raise SystemExit(128 + asked)
        raise SIGTERMException

    def _asked_of_first(self, trainer: pl.Trainer) -> int:
        """Return the number of the signal that the first rank received, or 0 without a signal."""
        if trainer.world_size == 1:
            return self._asked
        asked = torch.tensor(self._asked, device=trainer.strategy.root_device)
        torch.distributed.broadcast(asked, src=0)
        return int(asked)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the checkpoint at the end of the training."""
        self._stop_listening()
        trainer.save_checkpoint(self._path)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Write a checkpoint if a signal ended the training. After submitit's signal, requeue the job."""
        requeue = self._stop_listening().get(self._asked)
        if self._ends:
            trainer.save_checkpoint(self._path)
            if under_submitit() and self._asked == _submitit_signal() and callable(requeue):
                requeue(_submitit_signal(), None)  # On the first rank, this ends the process.
                time.sleep(REQUEUE_S)

    def _stop_listening(self) -> dict[int, Any]:
        """Restore the previous signal handlers, and return them by signal number."""
        handlers, self._before = self._before, {}
        for number, handler in handlers.items():
            signal.signal(number, handler)
        return handlers


def _submitit_signal() -> signal.Signals:
    return signal.Signals[f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}"]
