"""What trainings share: Lightning's trainer from a config, checkpoints, progress, going on after a kill."""

import os
import signal
import threading
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint
from pytorch_lightning.utilities.exceptions import SIGTERMException
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from seminas.errors import UserError, config_error
from seminas.processes import ranks_are_started, under_submitit
from seminas.training.classifier import Recipe
from seminas.training.images import Images

LAST, BEST = "last.ckpt", "best.ckpt"
REQUEUE_S = 10.0
"""Seconds that other ranks wait for the first to put the job back into the queue, which an ended rank could prevent."""
SAID_EVERY_S = 30.0
"""Seconds between lines of progress where there is no terminal to draw a bar on."""


@dataclass
class TrainerSettings:
    """The ``trainer`` section of the config; the names are those of Lightning's Trainer.

    Attributes:
        accelerator: ``auto``, ``cpu`` or ``gpu``.
        devices: Processes of this machine, each with a device; ``auto`` is every GPU, or one process without.
        num_nodes: Machines.
        strategy: ``auto``, ``ddp``, ``fsdp`` and others of Lightning's.
        precision: Such as ``32-true`` or ``bf16-mixed``.
        max_epochs: In place of the recipe's.
        max_steps: Ends training early; -1: never.
        accumulate_grad_batches: Batches to an optimizer step.
        sync_batchnorm: Whether BatchNorm's statistics are those of all processes (GPUs only).
        deterministic: Whether algorithms that differ from run to run are refused.
        checkpoint_every: Steps between checkpoints.
        check_val_every_n_epoch: Epochs between validations.
        profiler: Lightning's, such as ``simple``.
    """

    accelerator: str = "auto"
    devices: Any = "auto"
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    max_epochs: int | None = None
    max_steps: int = -1
    accumulate_grad_batches: int = 1
    sync_batchnorm: bool = False
    deterministic: bool = False
    checkpoint_every: int = 500
    check_val_every_n_epoch: int = 1
    profiler: str | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense, naming the key."""
        for name in ("num_nodes", "accumulate_grad_batches", "checkpoint_every", "check_val_every_n_epoch"):
            if getattr(self, name) < 1:
                raise config_error(f"trainer.{name}", getattr(self, name), "at least 1")
        if self.max_epochs is not None and self.max_epochs < 1 and self.max_epochs != -1:
            raise config_error("trainer.max_epochs", self.max_epochs, "at least 1, or -1 with max_steps")


def num_local_processes(settings: TrainerSettings) -> int:
    """Return the ranks that this process is to start: 1 where something else starts them."""
    if ranks_are_started():
        return 1
    devices = settings.devices
    if devices == "auto":
        cpu = settings.accelerator == "cpu" or not torch.cuda.is_available()
        return 1 if cpu else torch.cuda.device_count()
    if isinstance(devices, Sequence) and not isinstance(devices, str):
        return len(devices)
    if not str(devices).lstrip("-").isdigit() or int(devices) < 1:
        raise config_error("trainer.devices", devices, "auto, a number, or a list of GPUs")
    return int(devices)


def make_trainer(
    settings: TrainerSettings,
    folder: Path,
    recipe: Recipe,
    loggers: Sequence[Any],
    callbacks: Sequence[Callback] = (),
    strategy: Any = None,
    monitor: str | None = None,
    quiet: bool = False,
    **kwargs: Any,
) -> pl.Trainer:
    """Return a trainer that keeps its checkpoints in ``folder/checkpoints``.

    Args:
        settings: The config's.
        folder: Run folder.
        recipe: How to train.
        loggers: Lightning's.
        callbacks: Further ones.
        strategy: In place of the one of the settings, for several processes.
        monitor: Metric whose best checkpoint is kept as ``best.ckpt``.
        quiet: Whether to show nothing.
        kwargs: Of Lightning's Trainer, in place of the settings'.
    """
    share_cores()
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec.*")
    warnings.filterwarnings("ignore", "You passed in a `val_dataloader` but have no `validation_step`")
    warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
    warnings.filterwarnings("ignore", ".*number of training batches .* is smaller than the logging interval")
    place = folder / "checkpoints"
    # The mean of the weights is updated before a checkpoint is written.
    kept: list[Callback] = [EMAWeightAveraging(decay=recipe.ema)] if recipe.ema else []
    kept += [Keep(place / LAST, settings.checkpoint_every), Show(quiet)]
    if monitor is not None:
        best = ModelCheckpoint(
            place, "best", monitor=monitor, mode="max", save_top_k=1, enable_version_counter=False
        )
        kept.append(best)
    return _trainer(
        settings,
        folder,
        strategy,
        max_epochs=settings.max_epochs or recipe.epochs,
        max_steps=settings.max_steps,
        accumulate_grad_batches=settings.accumulate_grad_batches,
        gradient_clip_val=recipe.gradient_clip,
        sync_batchnorm=settings.sync_batchnorm,
        check_val_every_n_epoch=settings.check_val_every_n_epoch,
        profiler=settings.profiler,
        callbacks=[*kept, *callbacks],
        logger=list(loggers),
        log_every_n_steps=10,
        num_sanity_val_steps=0,
        **kwargs,
    )


def evaluating_trainer(settings: TrainerSettings, folder: Path) -> pl.Trainer:
    """Return a trainer that looks at a network on the same devices and keeps nothing."""
    return _trainer(settings, folder, None, logger=False)


def _trainer(settings: TrainerSettings, folder: Path, strategy: Any, **kwargs: Any) -> pl.Trainer:
    several = num_local_processes(settings) > 1 or ranks_are_started()
    auto = (strategy or "ddp") if several else "auto"
    try:
        return pl.Trainer(
            accelerator=settings.accelerator,
            devices=_devices(settings),
            num_nodes=settings.num_nodes,
            strategy=auto if settings.strategy in ("auto", "ddp") else settings.strategy,
            precision=settings.precision,  # type: ignore[arg-type]
            deterministic=settings.deterministic,
            use_distributed_sampler=False,
            enable_checkpointing="callbacks" in kwargs,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
            **kwargs,
        )
    except (ValueError, RuntimeError, pl.utilities.exceptions.MisconfigurationException) as error:
        raise UserError(f"trainer: {str(error).splitlines()[0]}") from error


def _devices(settings: TrainerSettings) -> Any:
    if "LOCAL_RANK" in os.environ and "WORLD_SIZE" in os.environ:
        return int(os.environ["WORLD_SIZE"]) // settings.num_nodes
    return 1 if settings.devices == "auto" and not torch.cuda.is_available() else settings.devices


def share_cores() -> None:
    """Give each of several processes of a machine its part of the cores."""
    processes = int(os.environ.get("WORLD_SIZE", 1))
    if processes > 1:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // processes))


def last_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint that a run folder's training goes on from, None where there is none yet."""
    path = folder / "checkpoints" / LAST
    return path if path.is_file() else None


class Keep(Callback):
    """Writes the checkpoint that training goes on from, in the middle of an epoch too.

    It is written every so many steps, at the end, and when the process is told to end, by SIGTERM. Where submitit
    started the job, training ends with submitit's own signal, and the job goes back into the queue; SIGTERM, which may
    come before that, writes a checkpoint alone.
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


class Show(Callback):
    """Shows progress: steps, images a second over all processes, the last validation accuracy, the time left.

    Logs ``images_per_s`` and, where images could not be read, ``skipped_images``.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: Progress | None = None
        self._seen, self._since, self._said = 0, 0.0, 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the bar where training stands."""
        self._seen, self._since = 0, time.perf_counter()
        self._said = self._since
        if self._quiet or not trainer.is_global_zero:
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} steps"),
        )
        more = (
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        console = Console(stderr=True)
        self._bar = Progress(*columns, *more, console=console, disable=not console.is_terminal)
        total = int(trainer.estimated_stepping_batches)
        self._bar.add_task("training", total=total, completed=trainer.global_step, said="")
        self._bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar."""
        self._seen += len(batch[0]) * trainer.world_size
        if (trainer.global_step + 1) % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            pl_module.log("images_per_s", self._rate())
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=trainer.global_step, said=self._words(trainer))
            now = time.perf_counter()
            if self._bar.disable and now - self._said > SAID_EVERY_S:
                self._said = now
                task = self._bar.tasks[0]
                left = (now - self._since) / self._seen * len(batch[0]) * trainer.world_size
                minutes = left * ((task.total or 0) - task.completed) / 60
                text = f"step {int(task.completed)} of {int(task.total or 0)}, {self._words(trainer)}"
                self._bar.console.print(f"{text}, {minutes:.0f} min left")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say what could not be read."""
        images = trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(images, Images) and images.num_skipped:
            pl_module.log("skipped_images", float(images.num_skipped))
            if self._bar is not None:
                names = images.unreadable()
                self._bar.console.print(
                    f"{len(names)} images cannot be read and are skipped, such as {names[0]}"
                )

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the bar away."""
        self._stop()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Take the bar away."""
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _rate(self) -> float:
        return self._seen / max(1e-9, time.perf_counter() - self._since)

    def _words(self, trainer: pl.Trainer) -> str:
        accuracy = trainer.callback_metrics.get("val_accuracy")
        shown = "" if accuracy is None else f", val {float(accuracy):.4f}"
        return f"{self._rate():,.0f} images/s{shown}"
