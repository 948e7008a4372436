"""A sweeper that runs only the jobs that are not done. Hydra finds sweepers only in the package hydra_plugins."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobStatus
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import OmegaConf

from hydra_plugins.seminas_launchers import SubmititLauncher
from seminas.config.check import checked, without_hydra
from seminas.config.messages import one_line
from seminas.config.names import job_names, pinned
from seminas.errors import UserError
from seminas.execution.processes import end_ray, end_with_parent
from seminas.sweeps.attempts import Attempts, unrecorded_failure
from seminas.sweeps.folder import SweepFolder


class JobsSweeper(BasicSweeper):
    """Hydra's basic sweeper, extended to skip finished jobs and to continue when a job fails.

    If a job cannot be composed or fails, its folder keeps the error, and the other jobs run. With ``fail_fast``, no
    other job begins after the first failure.
    """

    def __init__(self, max_batch_size: int | None, params: Any = None, fail_fast: bool = False) -> None:
        super().__init__(max_batch_size=max_batch_size, params=params)
        self.fail_fast = fail_fast

    def sweep(self, arguments: list[str]) -> Any:
        """Run the jobs of a sweep that are not done.

        Args:
            arguments: Overrides of the command line.

        Returns:
            The outcomes of each launch.

        Raises:
            UserError: Another process runs this sweep, or some of its jobs are not done. The sweeper prints a line for
                each of these jobs.
        """
        assert self.config is not None and self.launcher is not None and self.hydra_context is not None
        loader = self.hydra_context.config_loader
        parser = OverridesParser.create(config_loader=loader)
        overrides = parser.parse_overrides([*self._parse_config(), *arguments])
        (every,) = self.split_arguments(overrides, None)
        folder = SweepFolder(Path(self.config.hydra.sweep.dir))
        jobs = dict(zip(job_names(self.config, loader, every), map(list, every), strict=True))
        with folder.claim(OmegaConf.to_yaml(self.config)):
            folder.write_planned(list(dict.fromkeys([*folder.planned(), *jobs])))
            # The launcher waits for jobs in Slurm's queue. The sweep skips other jobs that another process runs.
            waited = self.launcher.submitted(folder) if isinstance(self.launcher, SubmititLauncher) else {}
            states = {name: folder.job(name).state.name for name in jobs}
            skipped = {n for n, state in states.items() if state == "running" and n not in waited}
            in_the_way = {n for n in jobs if states[n] == "missing" and _is_file(folder.path / n)}
            todo = {
                n: job for n, job in jobs.items() if states[n] != "done" and n not in skipped | in_the_way
            }
            returns = self._launch(folder, self._legal(folder, todo))
        not_done = [job for job in map(folder.job, jobs) if job.state.name != "done"]
        for result in (result for results in returns for result in results):
            if result.status == JobStatus.FAILED and not_done and not any(j.state.error for j in not_done):
                try:
                    _ = result.return_value  # Raises an error that no job's folder holds.
                except (UserError, HydraException, OSError):
                    raise
                except Exception as error:
                    raise unrecorded_failure(folder, error) from error
        if not_done:
            for job in not_done:
                reason = "a file is in its place" if job.name in in_the_way else job.state.error
                print(f"error: {job.name}: {reason or job.state.name}", file=sys.stderr)
            end = f"{len(not_done)} of {len(jobs)} jobs are not done"
            raise UserError(f"{end}; seminas sweep resume {folder} runs them")
        return returns

    def _launch(self, folder: SweepFolder, todo: dict[str, list[str]]) -> list[Any]:
        """Launch jobs. Launch a job again if its process ended without a result or an error.

        A process may be killed, for example for lack of memory. The launcher may then also end its other processes.
        Their jobs are launched again too.

        Raises:
            UserError, HydraException: The launcher or a config is wrong, or the launcher failed twice and began no job.
        """
        assert self.launcher is not None
        returns: list[Any] = []
        attempts = Attempts(folder)
        if hasattr(self.launcher, "joblib"):
            # A worker of joblib that has begun no job would outlive a killed sweep by five minutes.
            self.launcher.joblib |= {"initializer": end_with_parent, "initargs": (os.getpid(),)}
        while todo and not folder.is_stopped():
            alone, together = attempts.divided(list(todo))
            jobs = {name: pinned(todo[name], name) for name in todo}
            batches = [*self._batches([jobs[n] for n in together]), *((0, [jobs[n]]) for n in alone)]
            reason: Exception | None = None
            try:
                for first, batch in batches:
                    returns.append(self.launcher.launch(batch, initial_job_idx=first))
            except ConfigCompositionException:
                before, todo = todo, self._legal(folder, todo, thorough=True)
                if len(todo) == len(before):
                    raise
                continue
            except (UserError, HydraException):
                raise
            except Exception as error:
                reason = error
                end_ray()
            todo = {name: todo[name] for name in attempts.left(list(todo), reason)}
        return returns

    def _batches(self, todo: list[list[str]]) -> Iterator[tuple[int, list[list[str]]]]:
        """Yield, for each launch, the number of its first job and the overrides of its jobs."""
        size = self.max_batch_size or max(1, len(todo))
        for i in range(0, len(todo), size):
            yield i, todo[i : i + size]

    def _legal(
        self, folder: SweepFolder, jobs: dict[str, list[str]], thorough: bool = False
    ) -> dict[str, list[str]]:
        """Return the jobs whose config is valid. Write the reason into the folders of the other jobs.

        Composing a config takes about 50 ms. Jobs are similar if they choose the same group options and set the same
        keys to values of the same types. Of similar jobs only one is composed. With ``thorough`` all jobs are composed.

        Raises:
            UserError: A job's config is not valid, and ``fail_fast`` is true.
        """
        assert self.hydra_context is not None
        loader = self.hydra_context.config_loader
        parser = OverridesParser.create(config_loader=loader)
        is_group: dict[str, bool] = {}
        reasons: dict[Any, str | None] = {}
        legal = {}
        for name, job in jobs.items():
            kind: Any = name
            if not thorough:
                overrides = parser.parse_overrides(job)
                keys = [o.get_key_element() for o in overrides]
                is_group |= {k: bool(loader.get_group_options(k)) for k in keys if k not in is_group}
                kind = tuple(
                    (key, o.get_value_string() if is_group[key] else type(o.value()).__name__)
                    for key, o in zip(keys, overrides, strict=True)
                )
            if kind not in reasons:
                reasons[kind] = self._reason_against(job)
            reason = reasons[kind]
            if reason is None:
                legal[name] = job
                continue
            folder.job(name).folder.write_error(reason)
            if self.fail_fast:
                raise UserError(f"{name}: {reason}")
        return legal

    def _reason_against(self, job: list[str]) -> str | None:
        """Return the reason why a job's config is not valid, in one line, or None if it is valid."""
        assert self.hydra_context is not None and self.config is not None
        hydra_config = HydraConfig.instance()
        before = hydra_config.cfg
        try:
            config = self.hydra_context.config_loader.load_sweep_config(self.config, job)
            hydra_config.set_config(config)
            checked(without_hydra(config), str(config.hydra.job.name))
        except Exception as error:
            return one_line(error)
        finally:
            hydra_config.cfg = before
        return None


def _is_file(path: Path) -> bool:
    return path.exists() and not path.is_dir()
