"""Submission of jobs by the library submitit."""

import contextlib
import hashlib
import importlib.util
import io
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from seminas.config.evaluators import SlurmSettings
from seminas.errors import UserError
from seminas.storage.files import as_json

LARGEST_ARRAY = 500
"""Largest number of jobs in an array. Slurm's own limit is 1000, unless the site has changed it."""
COMMANDS = ("sbatch", "srun", "sacct", "scancel")


def check_installed(settings: SlurmSettings) -> None:
    """Check that jobs can be submitted from this machine.

    Raises:
        UserError: Submitit or a command of Slurm is not installed.
    """
    if importlib.util.find_spec("submitit") is None:
        raise UserError("evaluator.engine=slurm: needs submitit (pip install 'seminas[slurm]')")
    missing = [c for c in COMMANDS if settings.executor == "slurm" and shutil.which(c) is None]
    if missing:
        raise UserError(f"evaluator.engine=slurm: this machine has no {missing[0]}, a command of Slurm")


def digest(settings: SlurmSettings, timeout_s: float | None) -> str:
    """Return a digest of all settings that a job keeps from its submission to its end."""
    kept = asdict(replace(settings, max_jobs=1)) | {"timeout_s": timeout_s}
    return hashlib.sha256(as_json(kept)).hexdigest()[:12]


def make_executor(settings: SlurmSettings, folder: Path, name: str) -> Any:
    """Return an executor of submitit.

    Args:
        settings: What a job needs.
        folder: Folder of submitit's files.
        name: Name of the jobs in Slurm.

    Raises:
        UserError: Slurm does not tell the states of jobs.
    """
    import submitit

    if (
        settings.executor == "slurm"
    ):  # Without the states, the search would wait forever for a job that has died.
        asked = subprocess.run(["sacct", "-n", "-X", "-j", "1"], capture_output=True, text=True)
        if asked.returncode:
            raise UserError(f"evaluator.engine=slurm: sacct does not answer ({refusal(asked.stderr)})")
    executor = submitit.AutoExecutor(folder, cluster=settings.executor)
    needs: dict[str, Any] = {
        "timeout_min": settings.timeout_min,
        "cpus_per_task": settings.cpus_per_task,
        "gpus_per_node": settings.gpus_per_node or None,
        "mem_gb": settings.mem_gb,
        "nodes": 1,
        "tasks_per_node": 1,
        f"{settings.executor}_setup": settings.setup or None,
    }
    if settings.executor == "slurm":
        needs |= {
            "name": name,
            "slurm_partition": settings.partition,
            "slurm_account": settings.account,
            "slurm_additional_parameters": settings.additional or None,
            "slurm_array_parallelism": LARGEST_ARRAY,
        }
    executor.update_parameters(**{key: value for key, value in needs.items() if value is not None})
    return executor


@contextlib.contextmanager
def submission() -> Iterator[None]:
    """Prepare this process for the submission of jobs in the block.

    Ctrl-C waits until the block ends, and processes that start in the block never get it. The environment loses the
    variables of a Slurm job that runs this process. Submitit prints no errors, but raises them.
    """
    import submitit

    in_job = "SLURM_JOB_ID" in os.environ or "SUBMITIT_EXECUTOR" in os.environ
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        clean = submitit.helpers.clean_env() if in_job else contextlib.nullcontext()
        with clean, contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def refusal(said: str) -> str:
    """Return in one line why a command of Slurm has failed, from its error output."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("sbatch: error: ") for line in lines if "error" in line.lower()]
    return "; ".join(errors or lines[:1]) or "it does not say why"
