"""Read and write the folder of a sweep: its config, its jobs and their states."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from seminas.config.names import SWEEP_FILE
from seminas.errors import UserError, first_line
from seminas.runs.folder import RESULT_FILE, RunFolder, State, run_folders
from seminas.storage.files import write_file, write_json
from seminas.storage.folder import Folder
from seminas.storage.lock import held
from seminas.storage.typed import read_typed

JOBS_FILE, SUBMITTED_FILE, STOP_FILE = "jobs.json", "submitted.json", "stopped"


@dataclass(frozen=True)
class Job:
    """A job of a sweep.

    Attributes:
        name: Path of the job's folder, relative to the sweep's folder.
        folder: Run folder of the job.
        state: State of the job.
    """

    name: str
    folder: RunFolder
    state: State


class SweepFolder(Folder):
    """The folder of one sweep."""

    @contextlib.contextmanager
    def claim(self, config_yaml: str) -> Iterator[None]:
        """Hold the folder's lock during the block, and write the sweep's config into the folder.

        Raises:
            UserError: Another process holds the lock, or the folder cannot be written.
        """
        with held(self.path, f"is running this sweep; seminas sweep status {self.path} shows its jobs"):
            write_file(self.path / SWEEP_FILE, config_yaml.encode())
            (self.path / STOP_FILE).unlink(missing_ok=True)
            yield

    def config(self) -> Any:
        """Return the sweep's config, in the form that Hydra composed.

        Raises:
            UserError: The folder holds no sweep, or its config cannot be read.
        """
        file = self.path / SWEEP_FILE
        try:
            return OmegaConf.load(file)
        except FileNotFoundError as error:
            raise UserError(f"{self}: holds no sweep ({SWEEP_FILE})") from error
        except (OSError, OmegaConfBaseException, YAMLError) as error:
            raise UserError(f"{file}: is no config of a sweep ({first_line(error)})") from error

    def planned(self) -> list[str]:
        """Return the names of the planned jobs. The list is empty for a study by Optuna.

        Raises:
            UserError: The file is no list of jobs.
        """
        return read_typed(self.path / JOBS_FILE, list[str], "list of jobs") or []

    def write_planned(self, names: Sequence[str]) -> None:
        """Write the names of the planned jobs.

        Raises:
            UserError: The file cannot be written.
        """
        write_json(self.path / JOBS_FILE, list(names), indent=0)

    def job(self, name: str) -> Job:
        """Return a job with its current state."""
        folder = RunFolder(self.path / name)
        return Job(name, folder, folder.state())

    def jobs(self) -> list[Job]:
        """Return the jobs with their current states. The sweep may be running.

        Of a study by Optuna, return only the jobs that have begun.

        Raises:
            UserError: The folder holds no sweep, or its list of jobs is invalid.
        """
        if not (self.path / SWEEP_FILE).is_file():
            self.config()
        names = self.planned() or [
            str(folder.path.relative_to(self.path)) for folder in run_folders(self.path)
        ]
        return [self.job(name) for name in names]

    def num_done(self) -> int:
        """Return the number of jobs that have a result. This reads no other state."""
        names = self.planned()
        if names:
            return sum((self.path / name / RESULT_FILE).exists() for name in names)
        return sum(1 for _ in self.path.glob(f"*/{RESULT_FILE}"))

    def submitted(self) -> dict[str, list[str]]:
        """Return submitit's folder and Slurm's job id for each submitted job, by the job's name.

        Raises:
            UserError: The file is no list of submitted jobs.
        """
        file = self.path / SUBMITTED_FILE
        return read_typed(file, dict[str, list[str]], "list of submitted jobs") or {}

    def write_submitted(self, submitted: dict[str, list[str]]) -> None:
        """Write submitit's folder and Slurm's job id for each submitted job.

        Raises:
            UserError: The file cannot be written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.path / SUBMITTED_FILE, submitted, indent=0)

    def stop(self) -> None:
        """Ask the sweep to begin no other job."""
        with contextlib.suppress(OSError):
            (self.path / STOP_FILE).touch()

    def is_stopped(self) -> bool:
        """Return whether the sweep must begin no other job."""
        return (self.path / STOP_FILE).exists()
