"""``seminas-supernet``: train the weight-sharing supernet of a space."""

from pathlib import Path

import numpy as np

from seminas.commands.job import command_line, run_once
from seminas.commands.training import claimed_by_first_rank, learns_speech, training_parts
from seminas.errors import UserError
from seminas.execution.processes import is_first_rank
from seminas.runs.folder import RunFolder
from seminas.runs.results import Measured, SupernetResult
from seminas.spaces.capabilities import HasSupernet
from seminas.storage.values import Config


def run(config: Config, folder: RunFolder, quiet: bool = False) -> float:
    """Train a supernet in a folder, or resume its training, and measure architectures with its weights.

    Args:
        config, folder, quiet: The same arguments as of ``seminas-train``.

    Returns:
        The mean validation accuracy of the measured architectures, a fraction. 0 on every rank but the first.

    Raises:
        UserError: The config or the folder is not valid, or a process failed.
    """
    result = run_once(config, folder, quiet, train_supernet, print_result)
    return 0.0 if result is None else result.mean_val_accuracy


def train_supernet(config: Config, folder: RunFolder, quiet: bool) -> SupernetResult | None:
    """Check the config, train the supernet, measure architectures, and write the result.

    Returns:
        The result, or None on every rank but the first.

    Raises:
        UserError: The config or the folder is not valid, or a process failed.
    """
    from seminas.runs.loggers import build_loggers, closing_loggers, log_numbers
    from seminas.training.devices import num_local_processes
    from seminas.training.supernet import SupernetJob

    if learns_speech(config["data"]):
        raise UserError(
            "seminas-supernet: trains on images; with data.speech use seminas-search evaluator=supernet"
        )
    space, recipe, trainer = training_parts(config, "seminas-supernet", HasSupernet)
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
    images = job.data()
    images.check_batches(num_local_processes(trainer))
    steps = trainer.max_steps
    if steps < 0:
        steps_per_epoch = -(-images.batches_per_epoch // trainer.accumulate_grad_batches)
        steps = (trainer.max_epochs or recipe.epochs) * steps_per_epoch
    job.module(images)
    with claimed_by_first_rank(folder, config):
        loggers = build_loggers(config["logger"], folder.path, job.step)
        with closing_loggers(loggers):
            job.on_all_processes("train", steps, quiet=quiet, loggers=loggers, config=config)
            architectures = space.sample(config["num_measured"], np.random.default_rng(config["seed"]))
            accuracies = job.measured(architectures)
            if is_first_rank():
                log_numbers(loggers, {"final/mean_val_accuracy": float(np.mean(accuracies))}, steps)
        if not is_first_rank():
            return None
        measured = [
            Measured(key=space.key(a), architecture=space.to_json(a), val_accuracy=accuracy)
            for a, accuracy in zip(architectures, accuracies, strict=True)
        ]
        result = SupernetResult(
            space=space.name,
            seed=config["seed"],
            mean_val_accuracy=float(np.mean(accuracies)),
            measured=measured,
            config=config,
            **folder.timing(),
        )
        folder.write_result(result)
    return result


def print_result(result: SupernetResult, folder: Path) -> None:
    """Print the mean accuracy, and name the folder."""
    mean = 100 * result.mean_val_accuracy
    print(f"{len(result.measured)} architectures: mean validation accuracy {mean:.2f}%; {folder}")


main = command_line("supernet", run)
