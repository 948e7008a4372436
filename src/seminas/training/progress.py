"""Display of a training's progress on the screen and in the loggers."""

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from seminas.training.data.images import Images

PRINT_EVERY_S = 30.0
"""Seconds between two lines of progress if the output is not a terminal."""


class ProgressDisplay(Callback):
    """Callback that shows steps, images per second of all processes, the last validation accuracy and the time left.

    A data module may name its items otherwise (``unit``), and a module its validation measure (``monitor``).
    It logs ``images_per_s``. If images cannot be read, it also logs their number as ``skipped_images``.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: Progress | None = None
        self._seen, self._since, self._printed = 0, 0.0, 0.0
        self._validated = ""
        self._unit = "images"

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the progress bar at the current step."""
        self._seen, self._since = 0, time.perf_counter()
        self._printed = self._since
        self._unit = getattr(trainer.datamodule, "unit", self._unit)  # type: ignore[attr-defined]
        if self._quiet or not trainer.is_global_zero:
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} steps"),
        )
        more = (
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        console = Console(stderr=True)
        self._bar = Progress(*columns, *more, console=console, disable=not console.is_terminal)
        total = int(trainer.estimated_stepping_batches)
        self._bar.add_task("training", total=total, completed=trainer.global_step, text="")
        self._bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update the progress bar, or print a line if the output is not a terminal."""
        self._seen += len(batch[0]) * trainer.world_size
        if (trainer.global_step + 1) % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            pl_module.log(f"{self._unit}_per_s", self._rate())
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=trainer.global_step, text=self._words())
            now = time.perf_counter()
            if self._bar.disable and now - self._printed > PRINT_EVERY_S:
                self._printed = now
                task = self._bar.tasks[0]
                left = (now - self._since) / self._seen * len(batch[0]) * trainer.world_size
                minutes = left * ((task.total or 0) - task.completed) / 60
                text = f"step {int(task.completed)} of {int(task.total or 0)}, {self._words()}"
                self._bar.console.print(f"{text}, {minutes:.0f} min left")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Read the accuracy once. To read it at each step, the processor would wait for the GPU."""
        accuracy = trainer.callback_metrics.get(getattr(pl_module, "monitor", "val_accuracy"))
        self._validated = "" if accuracy is None else f", val {float(accuracy):.4f}"

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report the images that could not be read."""
        images = trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(images, Images) and images.num_skipped:
            pl_module.log("skipped_images", float(images.num_skipped))
            if self._bar is not None:
                names = images.unreadable()
                self._bar.console.print(
                    f"{len(names)} images cannot be read and are skipped, such as {names[0]}"
                )

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remove the progress bar."""
        self._stop()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Remove the progress bar."""
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _rate(self) -> float:
        return self._seen / max(1e-9, time.perf_counter() - self._since)

    def _words(self) -> str:
        return f"{self._rate():,.0f} {self._unit}/s{self._validated}"
