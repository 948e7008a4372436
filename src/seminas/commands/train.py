"""``seminas-train``: train one network to the end."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seminas.commands.architecture import exists, read_architecture
from seminas.commands.job import command_line, run_once
from seminas.commands.training import claimed_by_first_rank, learns_speech, training_parts
from seminas.config.recipe import ENDLESS_SCHEDULES
from seminas.errors import UserError, config_error, first_line
from seminas.execution.processes import is_first_rank
from seminas.runs.folder import RunFolder
from seminas.runs.results import Result, TrainingResult
from seminas.runs.speech_results import SpeechResult
from seminas.spaces.base import SearchSpace
from seminas.spaces.capabilities import BuildsNetworks, BuildsSpeechNetworks
from seminas.storage.values import Config

if TYPE_CHECKING:
    from rich.table import Table

    from seminas.training.standalone import StandaloneJob


def run(config: Config, folder: RunFolder, quiet: bool = False) -> float:
    """Train the network of a checked config in a folder, or resume its training.

    Args:
        config: Checked config.
        folder: Run folder.
        quiet: Whether to hide the progress and the result.

    Returns:
        The validation accuracy of the weights that are kept, a fraction. Without validation images it is their test
        accuracy. Of speech, it is the objective. 0 on every rank but the first.

    Raises:
        UserError: The config or the folder is not valid, or a process failed.
    """
    result = run_once(config, folder, quiet, train_network, print_result)
    if result is None:
        return 0.0
    if isinstance(result, SpeechResult):
        return result.value
    assert isinstance(result, TrainingResult)
    return result.test_accuracy if result.val_accuracy is None else result.val_accuracy


def train_network(config: Config, folder: RunFolder, quiet: bool) -> Result | None:
    """Check the config, and train on all processes.

    Returns:
        The result, or None on every rank but the first.

    Raises:
        UserError: The config or the folder is not valid, or a process failed.
    """
    from seminas.execution.ranks import launch
    from seminas.training.standalone import train

    job, num_processes = _checked_job(config, folder, quiet)
    with claimed_by_first_rank(folder, config):
        if num_processes > 1:
            launch(train, (job,), num_processes, folder.path / "logs")
        else:
            train(job)
    if not is_first_rank():
        return None
    result = folder.result()
    if result is None:
        raise UserError(f"{folder}: training ended before its end; the same command goes on")
    assert isinstance(result, TrainingResult | SpeechResult)
    return result


def _checked_job(config: Config, folder: RunFolder, quiet: bool) -> tuple["StandaloneJob", int]:
    """Check the config before anything changes. Return the training and its number of processes on this machine.

    Raises:
        UserError: The config or the folder is not valid.
    """
    from seminas.training.checkpoints import last_checkpoint
    from seminas.training.devices import num_local_processes
    from seminas.training.export import check_exports
    from seminas.training.speech.standalone import SpeechJob
    from seminas.training.standalone import StandaloneJob

    speech = learns_speech(config["data"])
    capability = BuildsSpeechNetworks if speech else BuildsNetworks
    space, recipe, trainer = training_parts(config, "seminas-train", capability)
    architecture = _architecture(space, config)
    if speech and set(config["export"]) - {"safetensors"}:
        raise config_error("export", ",".join(config["export"]), "safetensors with data.speech")
    check_exports(config["export"])
    for key in folder.extensions(config):
        if recipe.schedule not in ENDLESS_SCHEDULES:
            raise UserError(
                f"{key}: cannot grow: recipe.schedule={recipe.schedule} ends where the training ended; "
                f"{', '.join(ENDLESS_SCHEDULES)} go on"
            )
    last_checkpoint(folder.path)  # One that cannot be read ends the command here.
    kind = SpeechJob if speech else StandaloneJob
    job = kind(space, architecture, recipe, trainer, folder.path, config, quiet)
    data = job.data()
    num_processes = num_local_processes(trainer)
    data.check_batches(num_processes)
    try:
        job.network(data)
    except Exception as error:  # A network may raise any exception for wrong arguments.
        raise UserError(
            f"recipe.networks.{space.name}: {type(error).__name__}: {first_line(error)}"
        ) from error
    return job, num_processes


def _architecture(space: SearchSpace, config: Config) -> Any:
    """Return the architecture that the config names, or a random one if it names none.

    Raises:
        UserError: The config names two architectures, or an architecture that the space does not have.
    """
    written, source = config["architecture"], config["architecture_from"]
    if written is not None and source is not None:
        raise UserError("architecture_from: architecture is set as well, one of them will do")
    if written is None and source is None:
        return space.sample(1, np.random.default_rng(config["seed"]))[0]
    key, value = ("architecture", written) if source is None else ("architecture_from", source)
    try:
        if source is not None and not exists(Path(source)):
            raise ValueError("there is no such run folder or file")
        if isinstance(value, str):
            return read_architecture(value, space)
        # Hydra has turned the architecture's text into a number, a list or a dictionary.
        return space.from_json(value) if isinstance(value, dict | list) else space.parse(str(value))
    except (ValueError, TypeError, LookupError) as error:
        raise UserError(f"{key}={value}: {error}") from error


def print_result(result: Result, folder: Path) -> None:
    """Print the result as a table."""
    from rich.console import Console
    from rich.table import Table

    assert isinstance(result, TrainingResult | SpeechResult)
    table = Table(title=f"{result.space} {result.key}", show_header=False)
    skipped: tuple[str, int]
    if isinstance(result, SpeechResult):
        for split, values in (("validation", result.val), ("test", result.test)):
            for name, value in values.items():
                table.add_row(f"{split} {name.replace('_', ' ')}", f"{value:.4f}")
        skipped = ("skipped utterances", sum(result.skipped.values()))
    else:
        _add_accuracies(table, result)
        skipped = ("skipped images", result.skipped_images)
    table.add_row("parameters", f"{result.parameters:,}")
    table.add_row("MACs", f"{result.macs:,}")
    table.add_row(skipped[0], str(skipped[1]))
    table.add_row("epochs", str(result.epochs))
    table.add_row("folder", str(folder))
    Console().print(table)


def _add_accuracies(table: "Table", result: TrainingResult) -> None:
    accuracies = {
        "validation accuracy": result.val_accuracy,
        "test accuracy": result.test_accuracy,
        "test accuracy, top 5": result.test_top5,
    }
    for title, value in accuracies.items():
        if value is not None:
            table.add_row(title, f"{100 * value:.2f}%")


main = command_line("train", run)
