"""What tests of the loggers share: runs, also such that a kill ends, and what each logger's record holds of them."""

import csv
import os
import signal
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlflow.tracking import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from seminas.commands import predictor, search, supernet, train
from seminas.config.check import checked
from seminas.config.compose import compose
from seminas.execution.processes import spawning
from seminas.runs.archive import Archive
from seminas.runs.folder import RunFolder
from seminas.runs.wandb_file import item_values, read_records
from seminas.training.classifier import Classifier

RUNS = {"search": search.run, "train": train.run, "supernet": supernet.run, "predictor": predictor.run}
LOGGERS = ("csv", "wandb", "tensorboard", "mlflow")
ALL = f"logger=[{','.join(LOGGERS)}]"
Points = dict[str, list[tuple[int, float]]]
"""The steps and the values of each metric, in the order of the record."""


def run(command: str, folder: Path, overrides: Sequence[str]) -> None:
    """Run a command in this process."""
    RUNS[command](checked(compose(command, overrides), command), RunFolder(folder), True)


def run_and_kill(
    command: str, folder: Path, overrides: Sequence[str], step: int, shares_wandb: bool = False
) -> None:
    """Run a command in a process that SIGKILL ends at a step: an evaluation of a search, or a batch of a training.

    Two processes may share W&B's service, which then outlives the killed one.
    """
    arguments = (command, folder, overrides, step, shares_wandb)
    process = spawning().Process(target=_killed, args=arguments)
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


def _killed(command: str, folder: Path, overrides: Sequence[str], step: int, shares_wandb: bool) -> None:
    if not shares_wandb:
        os.environ.pop("WANDB_SERVICE", None)
    added, trained = Archive.add, Classifier.training_step

    def add(self: Archive, record: Any) -> Any:
        if record.index >= step:
            os.kill(os.getpid(), signal.SIGKILL)
        return added(self, record)

    def training_step(self: Classifier, batch: Any, batch_idx: int) -> Any:
        if self.trainer.global_step >= step:
            os.kill(os.getpid(), signal.SIGKILL)
        return trained(self, batch, batch_idx)

    Archive.add, Classifier.training_step = add, training_step  # type: ignore[method-assign]
    run(command, folder, overrides)


def points(logger: str, folder: Path) -> Points:
    """What a logger's record of a run folder holds."""
    found: Points = defaultdict(list)
    for step, row in _READERS[logger](folder):
        for name, value in row.items():
            found[name].append((step, value))
    return found


def _csv_rows(folder: Path) -> Iterator[tuple[int, dict[str, float]]]:
    with (folder / "metrics.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            yield int(row.pop("step")), {name: float(value) for name, value in row.items() if value}


def _wandb_rows(folder: Path) -> Iterator[tuple[int, dict[str, float]]]:
    for file in wandb_files(folder):
        for row in wandb_history(file):
            if "trainer/global_step" in row:
                yield (
                    int(row["trainer/global_step"]),
                    {name: value for name, value in row.items() if isinstance(value, int | float)},
                )


def _tensorboard_rows(folder: Path) -> Iterator[tuple[int, dict[str, float]]]:
    events = tensorboard(folder)
    for name in events.Tags()["scalars"]:
        for event in events.Scalars(name):
            yield event.step, {name: event.value}


def _mlflow_rows(folder: Path) -> Iterator[tuple[int, dict[str, float]]]:
    client = MlflowClient(database(folder))
    (run,) = mlflow_runs(folder)
    for name in run.data.metrics:
        for metric in client.get_metric_history(run.info.run_id, name):
            yield metric.step, {name: metric.value}


_READERS = {
    "csv": _csv_rows,
    "wandb": _wandb_rows,
    "tensorboard": _tensorboard_rows,
    "mlflow": _mlflow_rows,
}


def tensorboard(folder: Path) -> EventAccumulator:
    """The events of a run folder as TensorBoard reads them."""
    events = EventAccumulator(str(folder / "tensorboard"), {"scalars": 0, "images": 0})
    events.Reload()
    return events


def database(folder: Path) -> str:
    """The tracking URI of a run folder's own MLflow database."""
    return f"sqlite:///{folder / 'mlflow.db'}"


def mlflow_runs(folder: Path, experiment: str = "seminas") -> list[Any]:
    """The runs of an experiment in a folder's database, oldest first."""
    client = MlflowClient(database(folder))
    found = client.get_experiment_by_name(experiment)
    return list(client.search_runs([found.experiment_id], order_by=["attributes.start_time ASC"]))


def wandb_files(folder: Path) -> list[Path]:
    """The files of all processes that logged to W&B, oldest first."""
    return sorted(folder.glob("wandb/*run-*/run-*.wandb"), key=lambda file: file.parent.name)


def wandb_history(file: Path) -> list[dict[str, Any]]:
    """The rows of the history in a file of W&B."""
    found = [r.history.item for r in read_records(file) if r.WhichOneof("record_type") == "history"]
    return [item_values(row) for row in found]
