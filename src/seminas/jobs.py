"""The jobs of a sweep: which there are, how each stands, and running those that are missing."""

import contextlib
import fcntl
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from seminas.app import CONFIG_FILE, ERROR_FILE, RESULT_FILE, is_open, run_name
from seminas.errors import UserError

JOBS_FILE, SWEEP_FILE, SUBMITTED_FILE = "jobs.json", "multirun.yaml", "submitted.json"
STATES = ("done", "running", "failed", "stopped", "missing")


@dataclass(frozen=True)
class Job:
    """A job of a sweep.

    Attributes:
        name: Of its folder.
        state: ``done``; ``running``, held by a process; ``failed``, with an error; ``stopped``, ended before its
            result, as one that was killed; or ``missing``, not begun.
        error: Why it failed.
    """

    name: str
    state: str
    error: str | None = None


def jobs(folder: Path) -> list[Job]:
    """Return the jobs of a sweep's folder, also while it is running.

    Of a sweep by Optuna and the like, whose jobs are not known before, those that there are.

    Raises:
        UserError: There is no sweep in the folder.
    """
    if not (folder / SWEEP_FILE).is_file():
        raise UserError(f"{folder}: holds no sweep ({SWEEP_FILE})")
    names = planned(folder) or sorted(path.parent.name for path in folder.glob(f"*/{CONFIG_FILE}"))
    return [job_in(folder / name) for name in names]


def job_in(folder: Path) -> Job:
    """Return how the job of a folder stands."""
    if (folder / RESULT_FILE).exists():
        return Job(folder.name, "done")
    if is_open(folder):
        return Job(folder.name, "running")
    with contextlib.suppress(FileNotFoundError, ValueError):
        return Job(folder.name, "failed", json.loads((folder / ERROR_FILE).read_text())["error"])
    return Job(folder.name, "stopped" if (folder / CONFIG_FILE).exists() else "missing")


def planned(folder: Path) -> list[str]:
    """Return the names of the jobs that a sweep is of, as far as they are known."""
    try:
        return list(json.loads((folder / JOBS_FILE).read_text()))
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise UserError(f"{folder / JOBS_FILE}: is no list of jobs ({error})") from error


def resume(folder: Path) -> None:
    """Become the command that a sweep was made with, which runs what is not done; returns where all is done.

    Raises:
        UserError: There is no sweep in the folder.
    """
    if all(job.state == "done" for job in jobs(folder)):
        return
    config: Any = OmegaConf.load(folder / SWEEP_FILE)
    given = [o for o in config.hydra.overrides.hydra if not o.startswith(("hydra.sweep.dir=", "hydra.mode="))]
    program = Path(sys.argv[0]).with_name(f"seminas-{config.hydra.job.name}")
    command = [
        str(program),
        "-m",
        *config.hydra.overrides.task,
        *given,
        "hydra.sweep.dir='{}'".format(str(folder.resolve()).replace("'", "\\'")),
    ]
    sys.stdout.flush()
    os.chdir(config.hydra.runtime.cwd)
    os.execv(program, command)


def is_held(folder: Path) -> bool:
    """Return whether a process is running the sweep of a folder."""
    try:
        with held(folder):
            return False
    except FileNotFoundError:
        return False
    except UserError:
        return True


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a sweep's folder.

    Raises:
        UserError: Another process holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"{folder}: another process is running this sweep") from error
        yield
    finally:
        os.close(descriptor)


def job_name(config: Any, parser: OverridesParser, job: Sequence[str]) -> str:
    """Return the name of a job's folder, as ``hydra.sweep.subdir`` makes it."""
    form = config.hydra.job.config.override_dirname
    given = parser.parse_overrides([o for o in job if not o.startswith(("hydra.", "hydra/"))])
    return run_name(get_overrides_dirname(given, list(form.exclude_keys), form.item_sep, form.kv_sep))
