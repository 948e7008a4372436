"""Hydra's callbacks: a config is checked before its folder is made, and a sweep is watched."""

import atexit
import logging
import os
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from seminas.commands.job import fail
from seminas.config.check import checked, without_hydra
from seminas.config.names import num_jobs
from seminas.errors import UserError
from seminas.execution.processes import end_with_parent
from seminas.sweeps.folder import SweepFolder
from seminas.sweeps.progress import SweepDisplay


class CheckConfig(Callback):
    """Ends the process with one line where a single run's config will not do, before Hydra makes a folder."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the config. Hydra swallows a callback's exceptions, but not the end of the process."""
        HydraConfig.instance().set_config(config)
        try:
            checked(without_hydra(config), str(config.hydra.job.name))
        except (UserError, OmegaConfBaseException) as error:
            fail(error)


class SweepProgress(Callback):
    """Watches a sweep's folder from the process that launched it."""

    def __init__(self) -> None:
        self._display: SweepDisplay | None = None

    def __getstate__(self) -> dict[str, Any]:
        """A job's process gets a copy that watches nothing."""
        return {"_display": None}

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Begin to watch, unless the jobs run one after the other and show themselves."""
        for launcher in ("joblib", "ray", "submitit"):  # The list of all jobs is in jobs.json.
            logging.getLogger(f"hydra_plugins.hydra_{launcher}_launcher").setLevel(logging.WARNING)
        folder = SweepFolder(Path(config.hydra.sweep.dir))
        # A sweep that another process holds will be refused.
        if str(config.hydra.runtime.choices["hydra/launcher"]) == "basic" or folder.is_held():
            return
        self._display = SweepDisplay(folder, num_jobs(config))
        atexit.register(self._display.end)  # Hydra calls nothing after a sweep that ends with an error.

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """In a job's process: do not outlive the sweep, as joblib's workers would, which go on with the jobs."""
        if str(config.hydra.runtime.choices["hydra/launcher"]) == "joblib":
            end_with_parent(os.getppid())

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print how many jobs are done."""
        if self._display is not None:
            self._display.end()
