"""Sweeps: what was swept, and what a person sees of one whose jobs run side by side."""

import atexit
import logging
import math
import os
import sys
import threading
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from seminas.app import RESULT_FILE
from seminas.jobs import is_held
from seminas.processes import end_with_parent

MOST_CHARACTERS = 64
"""Of a W&B tag."""


class SweepProgress(Callback):
    """A Hydra callback that watches the sweep's folder from the process that launched it."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._console = Console(stderr=True)
        self._folder = Path()
        self._total = 0

    def __getstate__(self) -> dict[str, Any]:
        """A job's process gets a copy that watches nothing."""
        return {}

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Begin to watch, unless the jobs, one after the other, show themselves."""
        for launcher in ("joblib", "ray", "submitit"):  # The list of all jobs is in jobs.json.
            logging.getLogger(f"hydra_plugins.hydra_{launcher}_launcher").setLevel(logging.WARNING)
        if str(config.hydra.runtime.choices["hydra/launcher"]) == "basic":
            return
        if is_held(Path(config.hydra.sweep.dir)):
            return  # It will be refused.
        self._folder = Path(config.hydra.sweep.dir)
        self._total = num_jobs(config)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        atexit.register(self._end)  # Hydra says nothing of a sweep that ends with an error.

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """In a job's process: do not outlive the sweep, as joblib's workers would, that go on with the jobs."""
        if str(config.hydra.runtime.choices["hydra/launcher"]) == "joblib":
            end_with_parent(os.getppid())

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Say what there is."""
        self._end()

    def _end(self) -> None:
        if self._thread is None or self._stop.is_set():
            return
        self._stop.set()
        self._thread.join()
        text = (
            f"{self._done()} of {self._total} jobs are done in {self._folder}; seminas report {self._folder}"
        )
        self._console.print(text, soft_wrap=True, markup=False, highlight=False)

    def _done(self) -> int:
        return sum(1 for _ in self._folder.glob(f"*/{RESULT_FILE}"))

    def _watch(self) -> None:
        columns = (TextColumn("jobs"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=self._console) as progress:
            said = done = self._done()
            task = progress.add_task("jobs", total=self._total, completed=done)
            # Of very many jobs, less often: each look asks the file system for every folder.
            while not self._stop.wait(max(1.0, self._total / 500)):
                done = self._done()
                progress.update(task, completed=done)
                if not self._console.is_terminal and done - said >= max(1, self._total / 10):
                    said = done
                    self._console.print(f"{done} of {self._total} jobs are done")


def num_jobs(config: DictConfig) -> int:
    """Return the number of jobs that a sweeper makes of a sweep's config: every combination, or a study's trials."""
    if "n_trials" in config.hydra.sweeper:
        return int(config.hydra.sweeper.n_trials)
    return math.prod(_swept_values(config).values())


def _swept_values(config: Any) -> dict[str, int]:
    """How many values each key of a sweep has, 1 for those that are the same in all jobs."""
    given = [f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
    overrides = OverridesParser.create().parse_overrides([*given, *config.hydra.overrides.task])
    return {o.get_key_element(): _num_values(o) for o in overrides}


def _num_values(override: Override) -> int:
    if not override.is_sweep_override():
        return 1
    if override.is_interval_sweep():
        return sys.maxsize
    return len(list(override.sweep_string_iterator()))


def swept() -> list[str]:
    """Return the overrides that tell this job from the others of its sweep; none outside a sweep."""
    hydra = HydraConfig.get() if HydraConfig.initialized() else None
    if hydra is None or hydra.mode != RunMode.MULTIRUN:
        return []
    file = Path(hydra.sweep.dir) / "multirun.yaml"
    overrides = [str(o) for o in hydra.overrides.task]
    if not file.exists():  # Of another sweeper than Hydra's basic one.
        return overrides
    several = {key for key, number in _swept_values(OmegaConf.load(file)).items() if number > 1}
    return [o for o in overrides if o.partition("=")[0] in several]


def _group() -> str | None:
    return Path(HydraConfig.get().sweep.dir).name if swept() else None


def register_resolvers() -> None:
    """Make ``${swept:}``, ``${sweep_job_name:}`` and ``${sweep_group:}`` known to configs."""
    OmegaConf.register_new_resolver("swept", lambda: [o[:MOST_CHARACTERS] for o in swept()], replace=True)
    OmegaConf.register_new_resolver("sweep_job_name", lambda: ",".join(swept()) or None, replace=True)
    OmegaConf.register_new_resolver("sweep_group", _group, replace=True)
