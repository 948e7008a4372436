"""Construction of Lightning's trainer from the settings, with checkpoints and progress."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.strategies import DDPStrategy

from seminas.config.recipe import Recipe
from seminas.config.trainer import TrainerSettings
from seminas.errors import UserError
from seminas.execution.processes import ranks_are_started
from seminas.training.averaging import MeanWeights
from seminas.training.checkpoints import LAST, ResumableCheckpoint, SafeCheckpoints, checkpoint_folder
from seminas.training.devices import (
    leave_group_at_exit,
    lightning_devices,
    lightning_precision,
    num_local_processes,
    share_cores,
)
from seminas.training.progress import ProgressDisplay


def make_trainer(
    settings: TrainerSettings,
    folder: Path,
    recipe: Recipe,
    loggers: Sequence[Any],
    callbacks: Sequence[Callback] = (),
    strategy: Any = None,
    monitor: str | None = None,
    max_steps: int | None = None,
    quiet: bool = False,
    **kwargs: Any,
) -> pl.Trainer:
    """Return a trainer that writes its checkpoints into ``folder/checkpoints``.

    Args:
        settings: Trainer section of the config.
        folder: Run folder.
        recipe: Recipe of the training.
        loggers: Lightning's loggers.
        callbacks: Callbacks in addition to checkpoints and progress.
        strategy: Strategy for several processes, used if the settings name ``auto`` or ``ddp``.
        monitor: Metric to maximize. The checkpoint with its highest value is kept as ``best.ckpt``.
        max_steps: Total number of steps. It replaces the steps and epochs of the settings.
        quiet: Whether to show no progress.
        kwargs: Further arguments of Lightning's Trainer.

    Raises:
        UserError: Lightning refuses the settings.
    """
    share_cores()
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec.*")
    warnings.filterwarnings("ignore", "You passed in a `val_dataloader` but have no `validation_step`")
    warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
    warnings.filterwarnings("ignore", ".*number of training batches .* is smaller than the logging interval")
    warnings.filterwarnings("ignore", ".*could not find the monitored key")
    checkpoints = checkpoint_folder(folder)
    # This callback must come first: it updates the mean of the weights before a checkpoint is written.
    ours: list[Callback] = [MeanWeights(decay=recipe.ema)] if recipe.ema else []
    ours += [ResumableCheckpoint(checkpoints / LAST, settings.checkpoint_every), ProgressDisplay(quiet)]
    if monitor is not None:
        best = ModelCheckpoint(
            checkpoints, "best", monitor=monitor, mode="max", save_top_k=1, enable_version_counter=False
        )
        ours.append(best)
    return _trainer(
        settings,
        folder,
        strategy,
        max_epochs=(settings.max_epochs or recipe.epochs) if max_steps is None else -1,
        max_steps=settings.max_steps if max_steps is None else max_steps,
        accumulate_grad_batches=settings.accumulate_grad_batches,
        gradient_clip_val=recipe.gradient_clip,
        sync_batchnorm=settings.sync_batchnorm,
        check_val_every_n_epoch=settings.check_val_every_n_epoch,
        profiler=settings.profiler,
        callbacks=[*ours, *callbacks],
        logger=list(loggers),
        log_every_n_steps=settings.log_every_n_steps,
        num_sanity_val_steps=0,
        **kwargs,
    )


def evaluating_trainer(settings: TrainerSettings, folder: Path) -> pl.Trainer:
    """Return a trainer that evaluates a network on the same devices and writes nothing.

    Raises:
        UserError: Lightning refuses the settings.
    """
    return _trainer(settings, folder, None, logger=False)


def _trainer(settings: TrainerSettings, folder: Path, strategy: Any, **kwargs: Any) -> pl.Trainer:
    parallel = num_local_processes(settings) > 1 or ranks_are_started()
    if parallel:
        leave_group_at_exit()
    # Without a second copy of the gradients, a step needs less memory and no copying.
    auto = (strategy or DDPStrategy(gradient_as_bucket_view=True)) if parallel else "auto"
    try:
        return pl.Trainer(
            accelerator=settings.accelerator,
            devices=lightning_devices(settings),
            num_nodes=settings.num_nodes,
            strategy=auto if settings.strategy in ("auto", "ddp") else settings.strategy,
            precision=lightning_precision(settings),  # type: ignore[arg-type]
            deterministic=settings.deterministic,
            use_distributed_sampler=False,
            # Without a ModelCheckpoint of ours, Lightning would add one that writes all weights after each epoch.
            enable_checkpointing=any(isinstance(c, ModelCheckpoint) for c in kwargs.get("callbacks", ())),
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
            plugins=[SafeCheckpoints()],
            **kwargs,
        )
    except (ValueError, RuntimeError, pl.utilities.exceptions.MisconfigurationException) as error:
        raise UserError(f"trainer: {str(error).splitlines()[0]}") from error
