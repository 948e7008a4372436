"""Hydra callbacks that check a config before Hydra makes its folder, and that show the progress of a sweep."""

import atexit
import logging
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
from seminas.sweeps.folder import SweepFolder
from seminas.sweeps.progress import SweepDisplay


class CheckConfig(Callback):
    """Check the config of a single run before Hydra makes its folder."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the config. If it is wrong, print one line and exit with status 2.

        Hydra ignores a callback's exceptions, so the callback must end the process.
        """
        HydraConfig.instance().set_config(config)
        try:
            checked(without_hydra(config), str(config.hydra.job.name))
        except (UserError, OmegaConfBaseException) as error:
            fail(error)


class SweepProgress(Callback):
    """Show the progress of a sweep in the process that launched it."""

    def __init__(self) -> None:
        self._display: SweepDisplay | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the display. A job's process gets a copy with this state."""
        return {"_display": None}

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Start the display, unless the jobs run one after the other and show their own progress."""
        for launcher in ("joblib", "ray", "submitit"):  # Their loggers list all jobs.
            logging.getLogger(f"hydra_plugins.hydra_{launcher}_launcher").setLevel(logging.WARNING)
        folder = SweepFolder(Path(config.hydra.sweep.dir))
        # If another process holds the folder, the sweeper will raise an error.
        if str(config.hydra.runtime.choices["hydra/launcher"]) == "basic" or folder.is_held():
            return
        self._display = SweepDisplay(folder, num_jobs(config))
        atexit.register(self._display.end)  # After an error in a sweep, Hydra calls no callback.

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print how many jobs are done."""
        if self._display is not None:
            self._display.end()
