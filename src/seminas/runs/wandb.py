"""W&B as a logger. A network failure does not stop the run."""

import logging
import os
import secrets
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import wandb
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from seminas.errors import UserError, first_line
from seminas.runs.csv import read_metrics
from seminas.runs.logger_ids import read_logger_id, write_logger_id
from seminas.runs.points import KeptSteps, Points, no_steps
from seminas.runs.wandb_file import STEP, read_logged

log = logging.getLogger(__name__)
START_S, END_S = 15.0, 60.0
"""Seconds that W&B has to start a run, and to receive the remaining data at its end."""


class WandB(WandbLogger):
    """Lightning's W&B logger. If W&B does not answer, the logger continues offline.

    W&B writes all data to files first. Data that W&B has not received at the end of a run stay in the files.
    ``wandb sync`` uploads them. Each process that works on a run folder has its own file. All files belong to the same
    run of W&B, and the numbers of W&B's steps continue from file to file.
    """

    _ended: ClassVar[set[str]] = set()
    """Ids of the runs that this process has ended."""

    def __init__(self, save_dir: str, kept_steps: KeptSteps = no_steps, **arguments: Any) -> None:
        """Prepare a logger. The first use starts the run.

        Args:
            save_dir: Run folder.
            kept_steps: First step of this process. Earlier processes logged the steps before it.
            arguments: Arguments of Lightning's logger.
        """
        super().__init__(save_dir=save_dir, **arguments)
        self._kept_steps = kept_steps
        self._held = Points()
        self._next_step: int | None = None
        """Number of W&B's own step for the first row of this process; None if W&B knows the number."""

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The run. The first access starts it."""
        if self._experiment is None:
            self._experiment = run = self._started()
            run.define_metric(STEP)
            run.define_metric("*", step_metric=STEP, step_sync=True)
            self._fill()
        return self._experiment

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log the metrics of a step that the files do not have."""
        _ = self.experiment
        missing = self._held.missing(metrics, step)
        if missing:
            self.log_row(missing if step is None else {**missing, STEP: step})

    @rank_zero_only
    def log_row(self, row: Mapping[str, Any]) -> None:
        """Log a row of W&B's history."""
        run = self.experiment
        if self._next_step is None:
            run.log(dict(row))
        else:
            run.log(dict(row), step=self._next_step, commit=True)
            self._next_step = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the run. Only the first rank starts it, from its copy of the logger."""
        return {**vars(self), "_experiment": None}

    def _fill(self) -> None:
        """Log the rows of ``metrics.csv`` that W&B does not have. W&B loses the last seconds of a killed process."""
        for step, metrics in read_metrics(Path(self._wandb_init["dir"]), self._kept_steps()):
            self.log_metrics(metrics, step)
            self._held.add(metrics, step)

    def _started(self) -> Any:
        folder, project = Path(self._wandb_init["dir"]), self._wandb_init["project"]
        run_id = read_logger_id(folder, "wandb", project)
        if run_id is None:
            run_id = secrets.token_hex(4)
            write_logger_id(folder, "wandb", project, run_id)
        try:
            run = self._init(run_id)
        except Exception as error:  # Of a private class of W&B's.
            if "in use" not in str(error):
                raise
            # A killed process used the same W&B service as this process, and did not end the run.
            _leave_service()
            run = self._init(run_id)
        until = time.monotonic() + START_S
        own = Path(run.dir).parent
        while not (found := read_logged(folder, run_id, own)).has_ended and run_id in self._ended:
            if time.monotonic() > until:
                break
            time.sleep(0.05)  # W&B still writes the earlier rows of this process.
        self._held = found.points
        self._next_step = found.next_step if found.next_step > run.starting_step else None
        return run

    def _init(self, run_id: str) -> Any:
        arguments = {name: v for name, v in self._wandb_init.items() if name not in ("mode", "resume")}
        arguments["id"] = run_id
        if not self._offline:
            settings = wandb.Settings(init_timeout=START_S)
            try:
                return wandb.init(**arguments, mode="online", resume="allow", settings=settings)
            except wandb.errors.UsageError as error:
                raise UserError(f"logger.wandb.offline=false: {first_line(error)}") from error
            except wandb.errors.Error as error:
                log.warning("W&B does not answer (%s): this run is logged offline", first_line(error))
                _leave_service()  # The service still holds the id of the run.
        return wandb.init(**arguments, mode="offline")

    def close(self, exit_code: int) -> None:
        """End the run within a minute. The next job of this process starts its own run."""
        run, self._experiment = self._experiment, None
        if run is None or not hasattr(run, "finish"):
            return
        self._ended.add(str(run.id))
        ending = threading.Thread(target=run.finish, args=(exit_code,), daemon=True)
        ending.start()
        ending.join(END_S)
        if ending.is_alive():
            folder = Path(run.dir).parent
            log.warning("W&B has not taken all of this run; wandb sync %s uploads it", folder)


def _leave_service() -> None:
    """End W&B's service, which is the process that writes W&B's files. The next run starts a new service."""
    wandb.teardown()
    os.environ.pop("WANDB_SERVICE", None)
