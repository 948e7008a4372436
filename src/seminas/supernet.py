"""The weight-sharing supernet of a space: ``seminas-supernet``."""

import contextlib
import time
from pathlib import Path
from typing import Any

import hydra
import numpy as np
from omegaconf import DictConfig

from seminas.app import (
    CONFIG_DIR,
    build,
    build_loggers,
    claim,
    lock,
    read_result,
    run_job,
    settings,
    side_by_side,
    start,
    write_result,
)
from seminas.errors import config_error
from seminas.processes import is_first_rank
from seminas.sweep import register_resolvers


def run(config: DictConfig, folder: Path) -> float:
    """Train the supernet of a config in a folder, or go on with the one there, and measure architectures by it.

    Returns:
        The mean validation accuracy of the architectures measured, a fraction.

    Raises:
        UserError: The config or the folder will not do, or a process failed.
    """
    from seminas.training.data import images_of
    from seminas.training.run import TrainerSettings
    from seminas.training.supernet import SupernetJob

    started = time.perf_counter()
    finished = read_result(folder)
    if finished is None:
        if config.num_measured < 1:
            raise config_error("num_measured", config.num_measured, "at least 1")
        trainer = settings(config, "trainer", TrainerSettings)
        space, recipe = build(config, "space"), build(config, "recipe")
        images = images_of(config)
        job = SupernetJob(
            space, images, recipe, trainer, folder, config.seed, config.sandwich, config.calibrate
        )
        made = job.make_images()
        steps = trainer.max_steps
        if steps < 0:
            an_epoch = -(-made.batches_per_epoch // trainer.accumulate_grad_batches)
            steps = (trainer.max_epochs or recipe.epochs) * an_epoch
        job.module(made)
        resolved = claim(folder, config)
        # Of ranks that Slurm or torchrun started, one holds the folder for all.
        with lock(folder) if is_first_rank() else contextlib.nullcontext():
            job.on_all_processes("train", steps, side_by_side(), build_loggers(config, folder))
            architectures = space.sample(config.num_measured, np.random.default_rng(config.seed))
            values = job.measured(architectures)
            if not is_first_rank():
                return 0.0
            finished = _result(resolved, space, architectures, values)
            finished["wall_s"] = time.perf_counter() - started
            write_result(folder, finished)
    else:
        claim(folder, config)
    if not side_by_side():
        mean = 100 * finished["mean_val_accuracy"]
        print(
            f"{len(finished['measured'])} architectures: {mean:.2f}% validation accuracy in the mean; {folder}"
        )
    return float(finished["mean_val_accuracy"])


def _result(
    resolved: dict[str, Any], space: Any, architectures: list[Any], values: list[float]
) -> dict[str, Any]:
    return {
        "kind": "supernet",
        "space": space.name,
        "seed": resolved["seed"],
        "mean_val_accuracy": float(np.mean(values)),
        "measured": [
            {"key": space.key(a), "architecture": space.to_json(a), "val_accuracy": value}
            for a, value in zip(architectures, values, strict=True)
        ],
        "config": resolved,
    }


register_resolvers()


@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="supernet")
def _entry(config: DictConfig) -> float:
    return run_job(run, config)


def main() -> None:
    """Entry point of ``seminas-supernet``."""
    start(_entry)
