"""W&B as a logger that no network can stop."""

import logging
import threading
from pathlib import Path
from typing import Any

import wandb
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.loggers.logger import rank_zero_experiment

from seminas.errors import UserError, first_line

log = logging.getLogger(__name__)
START_S, END_S = 15.0, 60.0
"""Seconds that W&B has to answer when a run starts, and to take what is left when it ends."""


class WandB(WandbLogger):
    """Lightning's logger, which goes on offline where W&B does not answer.

    All is written to files first. What W&B has not taken when a run ends stays in them: ``wandb sync`` uploads it.
    """

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The run, started with the first use."""
        if self._experiment is None:
            self._experiment = run = self._started()
            run.define_metric("trainer/global_step")
            run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
        return self._experiment

    def __getstate__(self) -> dict[str, Any]:
        """A rank that is given a copy starts the run itself, if it is the first."""
        return {**vars(self), "_experiment": None}

    def _started(self) -> Any:
        arguments = {name: value for name, value in self._wandb_init.items() if name != "mode"}
        if not self._offline:
            try:
                return wandb.init(**arguments, mode="online", settings=wandb.Settings(init_timeout=START_S))
            except wandb.errors.UsageError as error:
                raise UserError(f"logger.wandb.offline=false: {first_line(error)}") from error
            except wandb.errors.Error as error:
                log.warning("W&B does not answer (%s): this run is logged offline", first_line(error))
        return wandb.init(**arguments, mode="offline")

    def close(self, exit_code: int) -> None:
        """End the run, so that the next of this process is one of its own; returns within a minute."""
        run, self._experiment = self._experiment, None
        if run is None or not hasattr(run, "finish"):
            return
        ending = threading.Thread(target=run.finish, args=(exit_code,), daemon=True)
        ending.start()
        ending.join(END_S)
        if ending.is_alive():
            folder = Path(run.dir).parent
            log.warning("W&B has not taken all of this run; wandb sync %s uploads it", folder)
