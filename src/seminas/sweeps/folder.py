"""The folder of a sweep: which jobs it has, and how each stands."""

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
from seminas.storage.files import parse_json, write_file, write_json
from seminas.storage.folder import Folder
from seminas.storage.lock import held

JOBS_FILE, SUBMITTED_FILE, STOP_FILE = "jobs.json", "submitted.json", "stopped"


@dataclass(frozen=True)
class Job:
    """A job of a sweep.

    Attributes:
        name: Its folder, relative to the sweep's.
        folder: The same, whole.
        state: How it stands.
    """

    name: str
    folder: RunFolder
    state: State


class SweepFolder(Folder):
    """One sweep's folder."""

    @contextlib.contextmanager
    def claim(self, config_yaml: str) -> Iterator[None]:
        """Hold the folder for a sweep, whose config is written into it.

        Raises:
            UserError: Another process holds it, or it cannot be written.
        """
        with held(self.path, "is running this sweep"):
            write_file(self.path / SWEEP_FILE, config_yaml.encode())
            (self.path / STOP_FILE).unlink(missing_ok=True)
            yield

    def config(self) -> Any:
        """Return the sweep's config, as Hydra composed it.

        Raises:
            UserError: There is no sweep in the folder.
        """
        file = self.path / SWEEP_FILE
        try:
            return OmegaConf.load(file)
        except FileNotFoundError as error:
            raise UserError(f"{self}: holds no sweep ({SWEEP_FILE})") from error
        except (OSError, OmegaConfBaseException, YAMLError) as error:
            raise UserError(f"{file}: is no config of a sweep ({first_line(error)})") from error

    def planned(self) -> list[str]:
        """Return the names of the jobs, as far as they are known before they begin."""
        file = self.path / JOBS_FILE
        try:
            return [str(name) for name in parse_json(file.read_bytes())]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{file}: is no list of jobs ({error})") from error

    def write_planned(self, names: Sequence[str]) -> None:
        """Write down the names of the jobs."""
        write_json(self.path / JOBS_FILE, list(names), indent=0)

    def job(self, name: str) -> Job:
        """Return how a job stands."""
        folder = RunFolder(self.path / name)
        return Job(name, folder, folder.state())

    def jobs(self) -> list[Job]:
        """Return the jobs, also while the sweep is running; of a study by Optuna those that have begun.

        Raises:
            UserError: There is no sweep in the folder.
        """
        if not (self.path / SWEEP_FILE).is_file():
            self.config()
        names = self.planned() or [
            str(folder.path.relative_to(self.path)) for folder in run_folders(self.path)
        ]
        return [self.job(name) for name in names]

    def num_done(self) -> int:
        """Return the number of jobs that are done, without looking at the others."""
        names = self.planned()
        if names:
            return sum((self.path / name / RESULT_FILE).exists() for name in names)
        return sum(1 for _ in self.path.glob(f"*/{RESULT_FILE}"))

    def submitted(self) -> dict[str, list[str]]:
        """Return submitit's folder and number of each job that is in Slurm's queue, by the job's name."""
        file = self.path / SUBMITTED_FILE
        try:
            submitted: dict[str, list[str]] = parse_json(file.read_bytes())
            return submitted
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise UserError(f"{file}: is no list of submitted jobs ({error})") from error

    def write_submitted(self, submitted: dict[str, list[str]]) -> None:
        """Write down which jobs are in Slurm's queue."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.path / SUBMITTED_FILE, submitted, indent=0)

    def stop(self) -> None:
        """Let no further job begin."""
        with contextlib.suppress(OSError):
            (self.path / STOP_FILE).touch()

    def is_stopped(self) -> bool:
        """Return whether no further job shall begin."""
        return (self.path / STOP_FILE).exists()
