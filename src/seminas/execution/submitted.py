"""The Slurm jobs of a run: which ones were submitted, which are alive, and how they are cancelled."""

import contextlib
import pickle
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from seminas.errors import UserError
from seminas.execution.base import LostError, Raised
from seminas.storage.files import write_json
from seminas.storage.typed import read_typed

JOBS_FOLDER, SUBMITTED, CANCELLED, TARGET = "slurm", "submitted.json", "cancelled", "target.pkl"
NOT_ITS_FAULT = ("BOOT_FAIL", "LAUNCH_FAILED", "NODE_FAIL", "PREEMPTED", "RECONFIG_FAIL", "REVOKED")
"""Slurm's states of jobs that have ended without a fault of their calls."""
ENDED = (*NOT_ITS_FAULT, "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "OUT_OF_MEMORY", "TIMEOUT")
"""Slurm's states of jobs that run no more. A job that Slurm itself has requeued has none of them."""
NO_ANSWER = "scancel did not cancel the jobs; run the same command again, on a machine with Slurm"
_JOB_ID, _PLAIN_NAME = re.compile(r"\d+(_\d+)?"), re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")
UNKNOWN = "UNKNOWN"
"""State of a job that Slurm does not know, or does not know yet."""


@dataclass(frozen=True)
class SubmittedJob:
    """A job that was submitted.

    Attributes:
        id: Id of the job: Slurm's, with the index in its array, or the id of a process.
        folder: Name of submitit's folder in the folder of the jobs.
        executor: ``slurm`` or ``local``.
        call: Name of the call. A later process that makes a call of the same name waits for the job. None if calls
            have no names.
        settings: Digest of the settings of the job.
    """

    id: str
    folder: str
    executor: str
    call: str | None
    settings: str


@dataclass(frozen=True)
class Submitted:
    """The content of ``submitted.json``.

    Attributes:
        name: Name of all Slurm jobs of the run. No other run has it.
        unknown: Whether Slurm may have jobs of this name that are not in ``jobs``, because the process was killed while
            it submitted them, or because Slurm did not answer.
        jobs: Jobs that run, wait in the queue, or have a result that the run has not stored.
    """

    name: str
    unknown: bool = False
    jobs: list[SubmittedJob] = field(default_factory=list)


class Answer(NamedTuple):
    """What a job has written: the outcome of its call, or in one line why it could not make the call."""

    outcome: Any
    error: str | None = None


class JobsFolder:
    """The folder of a run with its Slurm jobs.

    Attributes:
        path: Path of the folder. The folder may not exist yet.
    """

    def __init__(self, run_folder: Path) -> None:
        self.path = (run_folder / JOBS_FOLDER).absolute()

    def read(self) -> Submitted | None:
        """Return the submitted jobs, or None if the run has submitted none.

        Raises:
            UserError: The file is no record of submitted jobs.
        """
        file = self.path / SUBMITTED
        submitted = read_typed(file, Submitted, "record of submitted jobs")
        # The names go to scancel and into paths. A record from elsewhere must not reach other jobs or files.
        for job in [] if submitted is None else submitted.jobs:
            if not (_JOB_ID.fullmatch(job.id) and _PLAIN_NAME.fullmatch(job.folder)):
                raise UserError(
                    f"{file}: names a job {job.id!r} in a folder {job.folder!r}, which is none of a run"
                )
        if submitted is not None and not _PLAIN_NAME.fullmatch(submitted.name):
            raise UserError(f"{file}: {submitted.name!r} is no name of jobs")
        return submitted

    def write(self, submitted: Submitted) -> None:
        """Write the submitted jobs.

        Raises:
            UserError: The file cannot be written.
        """
        write_json(self.path / SUBMITTED, asdict(submitted), indent=0)

    def files(self, job: SubmittedJob) -> Any:
        """Return submitit's paths of a job."""
        from submitit.core.utils import JobPaths

        return JobPaths(self.path / job.folder, job.id, 0)

    def answer(self, job: SubmittedJob) -> Answer | None:
        """Return what a job has written, or None if it has written nothing yet."""
        try:
            kind, value = pickle.loads(self.files(job).result_pickle.read_bytes())
        except (OSError, EOFError):
            return None
        if kind != "success":  # The value is a traceback. No code of the call has raised it.
            return Answer(None, str(value).strip().splitlines()[-1])
        try:
            return Answer(pickle.loads(value))
        except Exception as error:
            return Answer(Raised(error))

    def divided(self, submitted: Submitted, settings: str) -> tuple[list[SubmittedJob], list[SubmittedJob]]:
        """Return the jobs of an earlier process that are useful, and those of its jobs that must be cancelled.

        Args:
            submitted: Record of the earlier process.
            settings: Digest of the settings of this process. A job with other settings is useful only if it has a
                result. Even then, its call may now succeed if it took too long before.
        """
        states = slurm_states(job.id for job in submitted.jobs if job.executor == "slurm")
        useful: list[SubmittedJob] = []
        cancelled: list[SubmittedJob] = []
        for job in submitted.jobs:
            same, answer = job.settings == settings, self.answer(job)
            if answer is not None:
                fits = answer.error is None and (same or not isinstance(answer.outcome, LostError))
                if fits and job.call is not None:
                    useful.append(job)
            elif (
                states.get(job.id) not in ENDED
            ):  # Nobody knows whether a process of this machine still runs.
                alive = states.get(job.id, UNKNOWN) != UNKNOWN and not submitted.unknown
                (useful if alive and same and job.call is not None else cancelled).append(job)
        return useful, cancelled

    def remove_files(self, job: SubmittedJob) -> None:
        """Remove the files of a job."""
        paths = self.files(job)
        for file in (paths.submitted_pickle, paths.result_pickle, paths.stdout, paths.stderr):
            file.unlink(missing_ok=True)

    def remove_inputs(self) -> None:
        """Remove the files that no job needs any more. The logs of jobs that failed stay."""
        for pattern in (TARGET, ".submission_file_*", "*_submission.sh"):
            for file in self.path.glob(f"*/{pattern}"):
                file.unlink(missing_ok=True)
        for folder in self.path.glob("*/"):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def is_cancelled(self) -> bool:
        """Return whether ``seminas cancel`` has cancelled the jobs since the search began to submit them."""
        return (self.path / CANCELLED).exists()

    def allow(self) -> None:
        """Forget an earlier ``seminas cancel``."""
        (self.path / CANCELLED).unlink(missing_ok=True)

    def cancel_all(self) -> int:
        """Cancel all jobs of the run. A search that still runs ends soon. Return how many jobs had not ended.

        Raises:
            UserError: The record is invalid, or Slurm does not answer.
        """
        submitted = self.read()
        if submitted is None:
            return 0
        (self.path / CANCELLED).touch()
        states = slurm_states(job.id for job in submitted.jobs if job.executor == "slurm")
        # This reads no result. The folder may be somebody else's, and a result is a pickle.
        open_jobs = [job for job in submitted.jobs if not self.files(job).result_pickle.exists()]
        alive = [job for job in open_jobs if states.get(job.id) not in ENDED]
        self.cancel(alive)
        in_slurm = any(job.executor == "slurm" for job in submitted.jobs) or submitted.unknown
        if in_slurm and not scancel(f"--name={submitted.name}"):
            raise UserError(NO_ANSWER)
        return len(alive)

    def cancel(self, jobs: Sequence[SubmittedJob]) -> bool:
        """Cancel jobs. Jobs that have ended are no error. Return whether Slurm has taken the order."""
        for job in jobs:
            if job.executor == "local":
                with contextlib.suppress(OSError):
                    cancel_mark(self.path / job.folder, job.id).touch()
        ids = [job.id for job in jobs if job.executor == "slurm"]
        return scancel(*ids) if ids else True


def cancel_mark(folder: Path, job_id: str) -> Path:
    """Return the file that tells a process of submitit's local executor to end.

    Such processes outlive the search, and later processes may have their ids. So no signal ends them.
    """
    return folder / f"{job_id}_cancelled"


def cancel_sweep(submitted: Mapping[str, Sequence[str]]) -> int:
    """Cancel the Slurm jobs of a sweep. Return how many had not ended.

    Args:
        submitted: Submitit's folder and Slurm's job id for each submitted job, by the job's name.

    Raises:
        UserError: Slurm does not answer.
    """
    states = slurm_states(job_id for _, job_id in submitted.values())
    alive = [job_id for job_id, state in states.items() if state not in (UNKNOWN, *ENDED)]
    if alive and not scancel(*alive):
        raise UserError(NO_ANSWER)
    return len(alive)


def scancel(*arguments: str) -> bool:
    """Run ``scancel``. Return whether it succeeded."""
    try:
        return subprocess.run(["scancel", *arguments], capture_output=True).returncode == 0
    except OSError:
        return False


def slurm_states(ids: Iterable[str]) -> dict[str, str]:
    """Return Slurm's state of each job, by its id, with one request. ``UNKNOWN``: Slurm does not know the job."""
    from submitit.slurm.slurm import SlurmInfoWatcher

    watcher = SlurmInfoWatcher()
    ids = list(ids)
    for job_id in ids:
        watcher.register_job(job_id)
    if ids:
        watcher.update()
    # A state can have an addition, such as "CANCELLED by 1000".
    return {job_id: watcher.get_state(job_id, "cache").split()[0].rstrip("+") for job_id in ids}
