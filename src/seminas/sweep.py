"""What a person sees of a sweep whose jobs run side by side: how many are done, and the time left."""

import atexit
import logging
import math
import threading
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
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
        if str(config.hydra.runtime.choices["hydra/launcher"]) == "basic":
            return
        if str(config.hydra.runtime.choices["hydra/sweeper"]) != "basic":
            return
        # The list of all jobs is in multirun.yaml.
        logging.getLogger("hydra_plugins.hydra_joblib_launcher").setLevel(logging.WARNING)
        self._folder = Path(config.hydra.sweep.dir)
        self._total = num_jobs(config)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        atexit.register(self._end)  # Hydra says nothing of a sweep that ends with an error.

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
            while not self._stop.wait(1):
                done = self._done()
                progress.update(task, completed=done)
                if not self._console.is_terminal and done - said >= max(1, self._total / 10):
                    said = done
                    self._console.print(f"{done} of {self._total} jobs are done")


def num_jobs(config: DictConfig) -> int:
    """Return the number of jobs that Hydra's basic sweeper makes of a sweep's config."""
    given = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    overrides = OverridesParser.create().parse_overrides([*given, *config.hydra.overrides.task])
    sizes = {
        o.get_key_element(): len(list(o.sweep_string_iterator())) if o.is_sweep_override() else 1
        for o in overrides
    }
    return math.prod(sizes.values())
