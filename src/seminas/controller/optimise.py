"""One fit of a controller's network: a short Lightning training on tensors in memory."""

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping
from torch.utils.data import DataLoader

from seminas.config.controller import ControllerSettings
from seminas.controller.models.network import ControllerNetwork
from seminas.controller.module import Batches, ControllerModule, Labeled

CHECK_EVERY = 25
"""Steps between two looks at the architectures held out."""


@dataclass(frozen=True)
class Schedule:
    """How long a fit is.

    Attributes:
        steps: Optimizer steps.
        members: Members that are clipped together.
    """

    steps: int
    members: int

    @classmethod
    def of_teachers(cls, settings: ControllerSettings, num_rows: int) -> "Schedule":
        """Return the teachers' schedule on so many rows."""
        teachers = settings.teachers
        steps = round(teachers.steps * max(1.0, num_rows / 100) ** 0.5)
        return cls(_steps(settings, num_rows, steps, teachers.epochs), teachers.members)

    @classmethod
    def of_student(cls, settings: ControllerSettings, num_rows: int) -> "Schedule":
        """Return the student's schedule on so many rows."""
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
) -> None:
    """Fit a network in place.

    Args:
        network: Teachers or a student.
        settings: Optimizer, batches and losses.
        schedule: Steps.
        data: n architectures with targets.
        rows: Rows of ``data`` to fit on, integers ``[m]``; a row may stand several times.
        generator: Of the order of the batches.
        held_out: Architectures whose rank correlation ends the fit early; None: no early end.
        decode: Whether the decoder learns.
    """
    module = ControllerModule(network.train().requires_grad_(True), settings, decode)
    whole = settings.optimisation.whole_batches
    batches = Batches(data, rows, _batch_size(settings, len(rows)), generator, whole)
    stop = EarlyStopping("held_out_tau", mode="max", patience=settings.teachers.patience)
    trainer = pl.Trainer(
        max_steps=schedule.steps,
        accelerator="cpu",
        devices=1,
        # Members are clipped together, each about where it would be alone.
        gradient_clip_val=settings.optimisation.gradient_clip * schedule.members**0.5,
        val_check_interval=min(CHECK_EVERY, schedule.steps) if held_out else None,
        callbacks=[SameSignals(), *([stop] if held_out else [])],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    checks: Any = [held_out]
    trainer.fit(
        module,
        DataLoader(batches, batch_size=None),
        DataLoader(checks, batch_size=None) if held_out else None,
    )


class SameSignals(pl.Callback):
    """Leaves SIGTERM as it is: a fit takes seconds, and there is nothing to save."""

    def __init__(self) -> None:
        self._handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the handler back that Lightning has just replaced by its own.

        Lightning's would end the fit with status 0, or forget the signal.
        """
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._handler)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's remarks on hardware and data loaders from the screen."""
    logger = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
