"""The sweeper of seminas: the jobs that are not done. Hydra looks for sweepers in the package hydra_plugins alone."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobStatus
from omegaconf import OmegaConf

from seminas.app import one_line, run_name, write_error
from seminas.errors import UserError
from seminas.files import write_file
from seminas.jobs import JOBS_FILE, SWEEP_FILE, held, job_in, planned


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
            named = {_name(self.config, parser, job): list(job) for job in every}
            all_names = dict.fromkeys([*planned(folder), *named])
            write_file(folder / JOBS_FILE, json.dumps(list(all_names), indent=0).encode())
            todo = {n: job for n, job in named.items() if job_in(folder / n).state not in ("done", "running")}
            legal = [job for name, job in todo.items() if self._is_legal(folder / name, job)]
            returns: list[Any] = []
            for first, batch in self._batches(legal):
                returns.append(self.launcher.launch(batch, initial_job_idx=first))
        failed = [job for job in (job_in(folder / name) for name in named) if job.state != "done"]
        for results in returns:
            for result in results:
                if result.status == JobStatus.FAILED and not failed:
                    _ = result.return_value  # Raises what no folder says.
        if failed:
            lines = [f"{job.name}: {job.error or job.state}" for job in failed]
            for line in lines:
                print(f"error: {line}", file=sys.stderr)
            raise UserError(
                f"{len(failed)} of {len(named)} jobs are not done; seminas sweep resume {folder} runs them"
            )
        return returns

    def _batches(self, todo: list[list[str]]) -> Iterator[tuple[int, list[list[str]]]]:
        """Yield the jobs of each launch, with the number of the first."""
        size = self.max_batch_size or max(1, len(todo))
        for i in range(0, len(todo), size):
            yield i, todo[i : i + size]

    def _is_legal(self, folder: Path, job: list[str]) -> bool:
        """Whether a job's config can be composed; if not, that is written down."""
        try:
            self.validate_batch_is_legal([job])
        except Exception as error:
            write_error(folder, one_line(error))
            return False
        return True


def _name(config: Any, parser: OverridesParser, job: Sequence[str]) -> str:
    """Return the name of a job's folder, as ``hydra.sweep.subdir`` makes it."""
    form = config.hydra.job.config.override_dirname
    given = parser.parse_overrides([o for o in job if not o.startswith(("hydra.", "hydra/"))])
    return run_name(get_overrides_dirname(given, list(form.exclude_keys), form.item_sep, form.kv_sep))
