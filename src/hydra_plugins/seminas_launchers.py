"""Launchers of Slurm jobs that no single job can end. Hydra looks for launchers in the package hydra_plugins alone."""

from collections.abc import Sequence
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

    It waits for all jobs, also where the process of one died, and it writes down what it submitted: a sweep that is
    resumed waits for those of its jobs that are still in Slurm's queue.
    """

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Submit the jobs as one array; returns when all have ended."""
        assert self.config is not None
        names = [pinned_name(overrides) for overrides in job_overrides]
        folder = SweepFolder(Path(self.config.hydra.sweep.dir))
        jobs = _alive({name: at for name, at in self.submitted(folder).items() if name in names})
        # One that ended since the sweep looked has nothing left to do.
        ended = {name for name in names if folder.job(name).state.name == "done"} - jobs.keys()
        new = [i for i, name in enumerate(names) if name not in jobs and name not in ended]
        if new:
            parameters = [
                (
                    list(job_overrides[i]),
                    "hydra.sweep.dir",
                    initial_job_idx + i,
                    f"job_id_for_{initial_job_idx + i}",
                    Singleton.get_state(),
                )
                for i in new
            ]
            submitted = self._executor().map_array(self, *zip(*parameters, strict=True))
            jobs |= {names[i]: job for i, job in zip(new, submitted, strict=True)}
            ids = {name: [str(job.paths.folder), job.job_id] for name, job in jobs.items()}
            folder.write_submitted(ids)
        return [_outcome(jobs[name]) if name in jobs else _done() for name in names]

    def submitted(self, folder: SweepFolder) -> dict[str, list[str]]:
        """Return submitit's folder and number of each job that may outlive the sweep's process, by its name."""
        return {}

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


class LocalLauncher(SubmititLauncher):
    """Processes of this machine, all at once."""

    _EXECUTOR = "local"


class SlurmLauncher(SubmititLauncher):
    """Slurm's queue."""

    _EXECUTOR = "slurm"

    def submitted(self, folder: SweepFolder) -> dict[str, list[str]]:
        """See the base class."""
        return folder.submitted()


def _alive(submitted: dict[str, list[str]]) -> dict[str, Any]:
    """Those of Slurm's jobs that are still queued or running."""
    if not submitted:
        return {}
    from submitit import SlurmJob

    jobs: dict[str, Any] = {name: SlurmJob(folder, i) for name, (folder, i) in submitted.items()}
    SlurmJob.watcher.update()  # Slurm is asked once, for all.
    return {name: job for name, job in jobs.items() if not job.done()}


def _done() -> JobReturn:
    """What a job returns that had ended before it was submitted; its folder holds its result."""
    outcome = JobReturn()
    outcome.status = JobStatus.COMPLETED
    return outcome


def _outcome(job: Any) -> JobReturn:
    """What a job returned; one whose process died has failed."""
    from submitit.core.utils import FailedJobError, UncompletedJobError

    try:
        outcome: JobReturn = job.results()[0]
    except (FailedJobError, UncompletedJobError) as error:
        outcome = JobReturn()
        outcome.status = JobStatus.FAILED
        outcome.return_value = error
    return outcome
