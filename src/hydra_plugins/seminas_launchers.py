"""Submitit launchers that continue when the process of one job dies. Hydra finds launchers only in hydra_plugins."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from hydra_plugins.seminas_optional import optional_base
from seminas.config.names import pinned_name
from seminas.sweeps.folder import SweepFolder

BaseSubmititLauncher = optional_base(
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher", "BaseSubmititLauncher"
)


class SubmititLauncher(BaseSubmititLauncher):  # type: ignore[misc, valid-type]
    """The launcher of hydra-submitit-launcher, with two differences.

    First, it waits for all jobs, even if the process of one job dies. Second, it records the submitted jobs. So a
    resumed sweep waits for its jobs that are still in Slurm's queue.
    """

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Submit the jobs as one array, and wait until all have ended.

        Args:
            job_overrides: Overrides of each job, including its folder.
            initial_job_idx: Number of the first job.

        Returns:
            The outcome of each job, in the same order.
        """
        assert self.config is not None
        names = [pinned_name(overrides) for overrides in job_overrides]
        folder = SweepFolder(Path(self.config.hydra.sweep.dir))
        jobs = _alive({name: at for name, at in self.submitted(folder).items() if name in names})
        # A job may have ended after the sweeper read its state. It is not submitted again.
        ended = {name for name in names if folder.job(name).state.name == "done"} - jobs.keys()
        new = [i for i, name in enumerate(names) if name not in jobs and name not in ended]
        if new:
            submitted = self._submit({initial_job_idx + i: job_overrides[i] for i in new})
            jobs |= {names[i]: job for i, job in zip(new, submitted, strict=True)}
            ids = {name: [str(job.paths.folder), job.job_id] for name, job in jobs.items()}
            folder.write_submitted(ids)
        return [_outcome(jobs[name]) if name in jobs else _done() for name in names]

    def submitted(self, folder: SweepFolder) -> dict[str, list[str]]:
        """Return submitit's folder and the job id of each job that may outlive the sweep, by the job's name."""
        return {}

    def _submit(self, jobs: Mapping[int, Sequence[str]]) -> list[Any]:
        """Submit jobs, given as overrides by number, as one array. Return submitit's jobs."""
        parameters = [
            (list(overrides), "hydra.sweep.dir", number, f"job_id_for_{number}", Singleton.get_state())
            for number, overrides in jobs.items()
        ]
        submitted: list[Any] = self._executor().map_array(self, *zip(*parameters, strict=True))
        return submitted

    def _executor(self) -> Any:
        import submitit
        from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf

        params = {name: value for name, value in self.params.items() if value is not None}
        first = {"folder": params.pop("submitit_folder")}
        if "max_num_timeout" in params:
            first[f"{self._EXECUTOR}_max_num_timeout"] = params.pop("max_num_timeout")
        executor = submitit.AutoExecutor(cluster=self._EXECUTOR, **first)
        common = set(OmegaConf.structured(BaseQueueConf).keys())
        executor.update_parameters(
            **{name if name in common else f"{self._EXECUTOR}_{name}": v for name, v in params.items()}
        )
        return executor


class AppSubmititLauncher(SubmititLauncher):
    """The launcher of hydra-submitit-launcher for the app of a user. It waits for all jobs, even if one dies."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Submit the jobs as one array, wait until all have ended, and return their outcomes."""
        jobs = self._submit({initial_job_idx + i: job for i, job in enumerate(job_overrides)})
        return [_outcome(job) for job in jobs]


def outlasting(launcher: Any) -> Any:
    """Return a launcher with the same settings that waits for all jobs, even if the process of one job dies.

    This replaces submitit's launchers. Others already wait, or end all their processes.
    """
    if BaseSubmititLauncher is object or not isinstance(launcher, BaseSubmititLauncher):
        return launcher
    patient = AppSubmititLauncher(**launcher.params)
    patient._EXECUTOR = launcher._EXECUTOR
    patient.setup(
        hydra_context=launcher.hydra_context, task_function=launcher.task_function, config=launcher.config
    )
    return patient


class LocalLauncher(SubmititLauncher):
    """A launcher that starts all jobs at once, as processes of this machine."""

    _EXECUTOR = "local"


class SlurmLauncher(SubmititLauncher):
    """A launcher that submits the jobs to Slurm's queue."""

    _EXECUTOR = "slurm"

    def submitted(self, folder: SweepFolder) -> dict[str, list[str]]:
        """Return submitit's folder and Slurm's job id of each submitted job, by the job's name."""
        return folder.submitted()


def _alive(submitted: dict[str, list[str]]) -> dict[str, Any]:
    """Return the Slurm jobs that are still queued or running, by the job's name."""
    if not submitted:
        return {}
    from submitit import SlurmJob

    jobs: dict[str, Any] = {name: SlurmJob(folder, i) for name, (folder, i) in submitted.items()}
    SlurmJob.watcher.update()  # One request to Slurm covers all jobs.
    return {name: job for name, job in jobs.items() if not job.done()}


def _done() -> JobReturn:
    """Return the outcome of a job that ended before it was submitted. Its folder holds the result."""
    outcome = JobReturn()
    outcome.status = JobStatus.COMPLETED
    return outcome


def _outcome(job: Any) -> JobReturn:
    """Return the outcome of a submitted job. If its process died, the outcome is a failure."""
    from submitit.core.utils import FailedJobError, UncompletedJobError

    try:
        outcome: JobReturn = job.results()[0]
    except (FailedJobError, UncompletedJobError) as error:
        outcome = JobReturn()
        outcome.status = JobStatus.FAILED
        outcome.return_value = error
    return outcome
