"""``seminas-supernet``: the weight-sharing supernet of a space."""

import contextlib
import time
from typing import Any

import numpy as np

from seminas.commands.job import command_line
from seminas.config.build import build, read
from seminas.config.recipe import Recipe
from seminas.config.trainer import TrainerSettings
from seminas.execution.processes import is_first_rank
from seminas.runs.folder import RunFolder
from seminas.runs.results import SupernetResult


def run(config: dict[str, Any], folder: RunFolder, quiet: bool = False) -> float:
    """Train the supernet of a config in a folder, or go on with the one there, and measure architectures by it.

    Args:
        config: Checked, see ``seminas.config.check``.
        folder: Of the run.
        quiet: Whether to show nothing.

    Returns:
        The mean validation accuracy of the architectures measured, a fraction. 0 on every rank but the first.

    Raises:
        UserError: The config or the folder will not do, or a process failed.
    """
    result = folder.finished(config)
    if result is None:
        result = train_supernet(config, folder, quiet)
    if result is None:
        return 0.0
    assert isinstance(result, SupernetResult)
    if not quiet:
        mean = 100 * result.mean_val_accuracy
        print(f"{len(result.measured)} architectures: mean validation accuracy {mean:.2f}%; {folder}")
    return result.mean_val_accuracy


def train_supernet(config: dict[str, Any], folder: RunFolder, quiet: bool) -> SupernetResult | None:
    """Check everything, train, measure, and write the result; returns None on every rank but the first."""
    from seminas.runs.loggers import build_loggers
    from seminas.spaces.base import SearchSpace
    from seminas.spaces.capabilities import HasSupernet, require
    from seminas.training.devices import check_devices, num_local_processes
    from seminas.training.supernet import SupernetJob

    started = time.perf_counter()
    trainer: TrainerSettings = read(config["trainer"], "trainer", TrainerSettings)
    recipe: Recipe = read(config["recipe"], "recipe", Recipe)
    space: SearchSpace[Any] = build(config["space"], "space", SearchSpace)
    require(space, HasSupernet, "seminas-supernet")
    check_devices(trainer)
    job = SupernetJob(
        space,
        config["data"]["images"],
        recipe,
        trainer,
        folder.path,
        config["seed"],
        config["sandwich"],
        config["calibrate"],
    )
    images = job.make_images()
    images.check_batches(num_local_processes(trainer))
    steps = trainer.max_steps
    if steps < 0:
        steps_per_epoch = -(-images.batches_per_epoch // trainer.accumulate_grad_batches)
        steps = (trainer.max_epochs or recipe.epochs) * steps_per_epoch
    job.module(images)
    # Of ranks that Slurm or torchrun started, one holds the folder for all.
    with folder.claim(config) if is_first_rank() else contextlib.nullcontext():
        loggers = build_loggers(config["logger"], folder.path)
        job.on_all_processes("train", steps, quiet=quiet, loggers=loggers)
        architectures = space.sample(config["num_measured"], np.random.default_rng(config["seed"]))
        accuracies = job.measured(architectures)
        if not is_first_rank():
            return None
        measured = [
            {"key": space.key(a), "architecture": space.to_json(a), "val_accuracy": accuracy}
            for a, accuracy in zip(architectures, accuracies, strict=True)
        ]
        result = SupernetResult(
            space=space.name,
            seed=config["seed"],
            mean_val_accuracy=float(np.mean(accuracies)),
            measured=measured,
            wall_s=time.perf_counter() - started,
            config=config,
        )
        folder.write_result(result)
    return result


main = command_line("supernet", run)
