"""``seminas-supernet``: train the weight-sharing supernet of a space."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from seminas.commands.job import command_line, run_once
from seminas.commands.training import claimed_by_first_rank, learns_speech, training_parts
from seminas.errors import UserError
from seminas.execution.processes import is_first_rank
from seminas.runs.folder import RunFolder
from seminas.runs.results import Measured, Result, SupernetResult
from seminas.runs.speech_results import MeasuredSpeech, SpeechSupernetResult
from seminas.spaces.capabilities import HasSpeechSupernet, HasSupernet
from seminas.storage.values import Config


def run(config: Config, folder: RunFolder, quiet: bool = False) -> float:
    """Train a supernet in a folder, or resume its training, and measure architectures with its weights.

    Args:
        config, folder, quiet: The same arguments as of ``seminas-train``.

    Returns:
        The mean validation accuracy of the measured architectures, a fraction. Of speech, it is the mean of the measure
        that ``data.speech.objective`` names. 0 on every rank but the first.

    Raises:
        UserError: The config or the folder is not valid, or a process failed.
    """
    result = run_once(config, folder, quiet, train_supernet, print_result)
    if result is None:
        return 0.0
    if isinstance(result, SpeechSupernetResult):
        return result.value
    assert isinstance(result, SupernetResult)
    return result.mean_val_accuracy


def train_supernet(config: Config, folder: RunFolder, quiet: bool) -> Result | None:
    """Check the config, train the supernet, measure architectures, and write the result.

    Returns:
        The result, or None on every rank but the first.

    Raises:
        UserError: The config or the folder is not valid, a process failed, or the supernet has diverged.
    """
    from seminas.runs.loggers import build_loggers, closing_loggers, log_numbers
    from seminas.training.devices import num_local_processes
    from seminas.training.speech.supernet import SpeechSupernetJob
    from seminas.training.supernet import SupernetJob

    speech = learns_speech(config["data"])
    capability: type[Any] = HasSpeechSupernet if speech else HasSupernet
    space, recipe, trainer = training_parts(config, "seminas-supernet", capability)
    job = (SpeechSupernetJob if speech else SupernetJob)(
        space,
        config["data"]["speech" if speech else "images"],
        recipe,
        trainer,
        folder.path,
        config["seed"],
        config["sandwich"],
        config["calibrate"],
    )
    data = job.data()
    data.check_batches(num_local_processes(trainer))
    steps = trainer.max_steps
    if steps < 0:
        steps_per_epoch = -(-data.batches_per_epoch // trainer.accumulate_grad_batches)
        steps = (trainer.max_epochs or recipe.epochs) * steps_per_epoch
    job.module(data)
    with claimed_by_first_rank(folder, config):
        loggers = build_loggers(config["logger"], folder.path, job.step)
        with closing_loggers(loggers):
            job.on_all_processes("train", steps, quiet=quiet, loggers=loggers, config=config)
            architectures = space.sample(config["num_measured"], np.random.default_rng(config["seed"]))
            values = job.measured_values(architectures)
            if not is_first_rank():
                return None
            mean = {name: float(np.mean([of_one[name] for of_one in values])) for name in values[0]}
            if not math.isfinite(mean[job.metric.name]):
                raise UserError(f"{folder}: the supernet has diverged; choose a lower recipe.learning_rate")
            log_numbers(loggers, {f"final/mean_{name}": value for name, value in mean.items()}, steps)
        about = {"space": space.name, "seed": config["seed"], "config": config, **folder.timing()}
        names = [(space.key(a), space.to_json(a)) for a in architectures]
        pairs = list(zip(names, values, strict=True))
        result: Result
        if speech:
            spoken = [MeasuredSpeech(key=k, architecture=a, values=v) for (k, a), v in pairs]
            result = SpeechSupernetResult(**about, metric_name=job.metric.name, mean=mean, measured=spoken)
        else:
            name = job.metric.name
            seen = [Measured(key=k, architecture=a, val_accuracy=v[name]) for (k, a), v in pairs]
            result = SupernetResult(**about, mean_val_accuracy=mean[name], measured=seen)
        folder.write_result(result)
    return result


def print_result(result: Result, folder: Path) -> None:
    """Print the mean accuracy or the mean measures, and name the folder."""
    if isinstance(result, SpeechSupernetResult):
        values = ", ".join(
            f"{name.removeprefix('val_').replace('_', ' ')} {v:.4f}" for name, v in result.mean.items()
        )
        print(f"{len(result.measured)} architectures: mean {values}; {folder}")
        return
    assert isinstance(result, SupernetResult)
    mean = 100 * result.mean_val_accuracy
    print(f"{len(result.measured)} architectures: mean validation accuracy {mean:.2f}%; {folder}")


main = command_line("supernet", run)
