"""One fit of a controller's network: a short Lightning training on tensors in memory."""

import signal
import threading
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping
from torch.utils.data import DataLoader

from seminas.config.controller import ControllerSettings
from seminas.controller.models.network import ControllerNetwork
from seminas.controller.module import Batches, ControllerModule, Labeled
from seminas.execution.cancelling import check_cancelled
from seminas.execution.processes import raising_interrupts

CHECK_EVERY = 25
"""Number of steps between two checks on the held-out architectures."""


@dataclass(frozen=True)
class Schedule:
    """Length of a fit, and number of members in it.

    Attributes:
        steps: Number of optimizer steps.
        members: Number of members in the network. Their gradients are clipped together.
    """

    steps: int
    members: int

    @classmethod
    def of_teachers(cls, settings: ControllerSettings, num_rows: int) -> "Schedule":
        """Return the teachers' schedule for ``num_rows`` architectures."""
        teachers = settings.teachers
        steps = round(teachers.steps * max(1.0, num_rows / 100) ** 0.5)
        return cls(_steps(settings, num_rows, steps, teachers.epochs), teachers.members)

    @classmethod
    def of_student(cls, settings: ControllerSettings, num_rows: int) -> "Schedule":
        """Return the student's schedule for ``num_rows`` rows, with up-sampled rows counted several times."""
        return cls(_steps(settings, num_rows, settings.student.steps, settings.student.epochs), 1)


def _steps(settings: ControllerSettings, num_rows: int, steps: int, epochs: int | None) -> int:
    if epochs is not None:
        batch_size = _batch_size(settings, num_rows)
        whole = settings.optimisation.whole_batches
        steps = epochs * (num_rows // batch_size if whole else -(-num_rows // batch_size))
    return max(1, steps)


def _batch_size(settings: ControllerSettings, num_rows: int) -> int:
    return min(settings.optimisation.batch_size, num_rows)


def optimise(
    network: ControllerNetwork,
    settings: ControllerSettings,
    schedule: Schedule,
    data: Labeled,
    rows: torch.Tensor,
    generator: torch.Generator,
    held_out: Labeled | None = None,
    *,
    decode: bool,
    device: torch.device,
) -> None:
    """Fit a network in place.

    Args:
        network: Network of the teachers or of the student.
        settings: Settings of the controller. They define the optimizer, the batches and the loss.
        schedule: Number of steps and of members.
        data: Architectures with targets, n of them.
        rows: Rows of ``data`` to fit on, integers ``[m]``. A row may occur several times.
        generator: Random generator for the order of the rows.
        held_out: Held-out architectures. If their rank correlation stops rising, the fit ends early. None means no
            early stopping.
        decode: Whether the decoder learns.
        device: Device of the fit. Afterwards the network is on the CPU.
    """
    module = ControllerModule(network.train().requires_grad_(True), settings, decode)
    whole = settings.optimisation.whole_batches
    batches = Batches(data, rows, _batch_size(settings, len(rows)), generator, whole)
    stop = EarlyStopping("held_out_tau", mode="max", patience=settings.teachers.patience)
    trainer = pl.Trainer(
        max_steps=schedule.steps,
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=1,
        # The norm over all members is clipped. The factor makes it about the same as clipping each member alone.
        gradient_clip_val=settings.optimisation.gradient_clip * schedule.members**0.5,
        val_check_interval=min(CHECK_EVERY, schedule.steps) if held_out else None,
        callbacks=[SameSignals(), EndsIfCancelled(), *([stop] if held_out else [])],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    checks: Any = [held_out]
    with raising_interrupts():
        trainer.fit(
            module,
            DataLoader(batches, batch_size=None),
            DataLoader(checks, batch_size=None) if held_out else None,
        )


class SameSignals(pl.Callback):
    """Keeps the SIGTERM handler of the process. A fit takes seconds and has nothing to save."""

    def __init__(self) -> None:
        self._handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore the SIGTERM handler. Lightning has just replaced it.

        Lightning's own handler would end the fit with status 0, or forget the signal.
        """
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._handler)


class EndsIfCancelled(pl.Callback):
    """Ends the fit before a step if the computation of this thread was cancelled."""

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Raise ``CancelledError`` if nobody needs the fit any more."""
        check_cancelled()
