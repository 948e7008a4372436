"""The sweeper of seminas: the jobs that are not done. Hydra looks for sweepers in the package hydra_plugins alone."""

import json
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobStatus
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import OmegaConf

from hydra_plugins.seminas_launchers import SubmititLauncher
from seminas.app import one_line, write_error
from seminas.errors import UserError
from seminas.files import write_file
from seminas.jobs import JOBS_FILE, SWEEP_FILE, Job, held, job_in, job_name, planned
from seminas.processes import end_ray

log = logging.getLogger(__name__)
ATTEMPTS = 3
"""How often a job is launched whose process ends without a result or an error."""
LET_GO_S = 30.0
"""Seconds that a killed process has to vanish."""


class JobsSweeper(BasicSweeper):
    """Hydra's basic sweeper, which leaves out what is done, and which no single job can end.

    A job whose config cannot be composed, or that fails, is written down in its folder, and the others run.
    """

    def sweep(self, arguments: list[str]) -> Any:
        """Run the jobs of a sweep that are not done.

        Raises:
            UserError: Another process runs this sweep, or some of its jobs failed, in one line for each.
        """
        assert self.config is not None and self.launcher is not None and self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        overrides = parser.parse_overrides([*self._parse_config(), *arguments])
        (every,) = self.split_arguments(overrides, None)
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        with held(folder):
            write_file(folder / SWEEP_FILE, OmegaConf.to_yaml(self.config).encode())
            named = {job_name(self.config, parser, job): list(job) for job in every}
            all_names = dict.fromkeys([*planned(folder), *named])
            write_file(folder / JOBS_FILE, json.dumps(list(all_names), indent=0).encode())
            # What runs in Slurm's queue is waited for; what another process runs is left to it.
            waited = self.launcher.submitted(folder) if isinstance(self.launcher, SubmititLauncher) else {}
            states = {name: job_in(folder / name).state for name in named}
            others = {name for name, state in states.items() if state == "running" and name not in waited}
            todo = {n: job for n, job in named.items() if states[n] != "done" and n not in others}
            returns = self._launch(folder, self._legal(folder, todo))
        failed = [job for job in (job_in(folder / name) for name in named) if job.state != "done"]
        for result in (result for results in returns for result in results):
            if result.status == JobStatus.FAILED and failed and not any(job.error for job in failed):
                _ = result.return_value  # Raises what no folder says.
        if failed:
            lines = [f"{job.name}: {job.error or job.state}" for job in failed]
            for line in lines:
                print(f"error: {line}", file=sys.stderr)
            raise UserError(
                f"{len(failed)} of {len(named)} jobs are not done; seminas sweep resume {folder} runs them"
            )
        return returns

    def _launch(self, folder: Path, todo: dict[str, list[str]]) -> list[Any]:
        """Launch jobs; one whose process ends without a word is launched again, at last on its own.

        A process that is killed, as for lack of memory, may take others of its launcher with it: these go on.
        """
        assert self.launcher is not None
        returns: list[Any] = []
        ended: dict[str, int] = {}
        begun = False
        while todo:
            suspects = {name: job for name, job in todo.items() if ended.get(name) == ATTEMPTS - 1}
            together = [job for name, job in todo.items() if name not in suspects]
            reason: Exception | None = None
            try:
                for first, batch in [*self._batches(together), *((0, [job]) for job in suspects.values())]:
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
            stands = {name: _settled(folder / name).state for name in todo}
            if reason is not None and all(state == "missing" for state in stands.values()):
                raise reason  # Nothing was begun: the launcher is at fault.
            begun = begun or any(state != "missing" for state in stands.values())
            # After a launch that did not fail, a job that is missing died before it had begun, unless none began.
            died = ("stopped", "missing") if reason is None and begun else ("stopped",)
            for name, state in stands.items():
                if state in died:
                    ended[name] = ended.get(name, 0) + 1
                    if ended[name] >= ATTEMPTS:
                        write_error(folder / name, f"its process ended without an error, {ATTEMPTS} times")
            left = died if reason is None else ("stopped", "missing")
            todo = {n: job for n, job in todo.items() if stands[n] in left and ended.get(n, 0) < ATTEMPTS}
            for name in todo:
                log.warning("%s: goes on after %s", name, one_line(reason) if reason else "its process ended")
        return returns

    def _batches(self, todo: list[list[str]]) -> Iterator[tuple[int, list[list[str]]]]:
        """Yield the jobs of each launch, with the number of the first."""
        size = self.max_batch_size or max(1, len(todo))
        for i in range(0, len(todo), size):
            yield i, todo[i : i + size]

    def _legal(
        self, folder: Path, jobs: dict[str, list[str]], thorough: bool = False
    ) -> dict[str, list[str]]:
        """Return the jobs whose config can be composed, and write down why the others' cannot.

        Composing takes a good part of a second's tenth. Jobs of the same choices of groups that set the same keys to
        values of the same types are alike, and one of them is composed; all are where ``thorough``.
        """
        assert self.hydra_context is not None
        loader = self.hydra_context.config_loader
        parser = OverridesParser.create(config_loader=loader)
        groups: dict[str, bool] = {}
        reasons: dict[Any, str | None] = {}
        legal = {}
        for name, job in jobs.items():
            kind: Any = name
            if not thorough:
                given = parser.parse_overrides(job)
                keys = [o.get_key_element() for o in given]
                groups |= {key: bool(loader.get_group_options(key)) for key in keys if key not in groups}
                kind = tuple(
                    (key, o.get_value_string() if groups[key] else type(o.value()).__name__)
                    for key, o in zip(keys, given, strict=True)
                )
            if kind not in reasons:
                reasons[kind] = self._reason_against(job)
            if reasons[kind] is None:
                legal[name] = job
            else:
                write_error(folder / name, str(reasons[kind]))
        return legal

    def _reason_against(self, job: list[str]) -> str | None:
        """Why a job's config cannot be composed, None where it can."""
        try:
            self.validate_batch_is_legal([job])
        except Exception as error:
            return one_line(error)
        return None


def _settled(folder: Path) -> Job:
    """How a job stands, once a process that was killed has let go of its folder."""
    until = time.monotonic() + LET_GO_S
    while (job := job_in(folder)).state == "running" and time.monotonic() < until:
        time.sleep(0.1)
    return job
