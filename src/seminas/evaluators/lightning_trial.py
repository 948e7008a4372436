"""One training of a user's own LightningModule, as the evaluator makes it in a worker process."""

import hashlib
import logging
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seminas.config.own_training import LightningEvaluatorSettings
from seminas.errors import MissingMetricError, UserError
from seminas.evaluators.evaluation import Evaluation, failed, measured, whole_traceback
from seminas.evaluators.on_ranks import run_on_ranks
from seminas.evaluators.own_training import Reported
from seminas.evaluators.values import values
from seminas.execution.processes import (
    is_first_rank,
    number_of_ranks,
    only_errors,
    raising_interrupts,
    ranks_are_started,
)

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from seminas.training.monitored import MonitoredEpochs

log = logging.getLogger(__name__)
SEEDS = 2**32
"""Number of seeds that Lightning has."""
OURS = (
    "accelerator",
    "barebones",
    "callbacks",
    "default_root_dir",
    "devices",
    "enable_checkpointing",
    "enable_model_summary",
    "enable_progress_bar",
    "fast_dev_run",
    "logger",
    "max_epochs",
    "num_nodes",
    "num_sanity_val_steps",
    "plugins",
    "strategy",
)
"""Arguments of Lightning's Trainer that the evaluator sets or that would change what it measures."""


class LightningTrial:
    """Object that trains a user's module. Each worker process holds a copy."""

    def __init__(
        self,
        space: Any,
        seed: int,
        settings: LightningEvaluatorSettings,
        metrics: Reported,
        folder: Path | None = None,
    ) -> None:
        """Initialize the object.

        Args:
            space: Search space.
            seed: Seed of the trainings.
            settings: Classes, their arguments and the metric.
            metrics: Metrics that the module logs. The first one is the result of an evaluation.
            folder: Folder for the checkpoints of unfinished trainings. None means no checkpoints.
        """
        self._space, self._seed, self._settings = space, seed, settings
        self._metrics, self._folder = metrics, folder
        self._paths = [path for path in sys.path if path]  # A process of Ray has other ones.

    def call_name(self, method: str, architecture: Any) -> str:
        """Return the name of a call. Within one run, calls of the same name have the same result."""
        return f"{method} {self._space.key(architecture)}"

    def module(self, architecture: Any) -> "pl.LightningModule":
        """Return the untrained module of an architecture."""
        arguments = {**values(self._space, architecture), **(self._settings.module_arguments or {})}
        module: pl.LightningModule = self._imported("module", "LightningModule")(**arguments)
        return module

    def package(self) -> Any:
        """Return the package of Lightning whose trainer trains the module."""
        from seminas.training.twins import lightning_of

        return lightning_of(self._imported("module", "LightningModule"))

    def _imported(self, setting: str, interface: str) -> Any:
        from seminas.training.twins import users_class

        sys.path += [path for path in self._paths if path not in sys.path]
        return users_class(setting, getattr(self._settings, setting), interface)

    def evaluate(self, architecture: Any) -> Evaluation:
        """Train an architecture with ``run``. An exception becomes a failed evaluation."""
        start, earlier_s = time.perf_counter(), 0.0
        try:
            metrics, earlier_s = self.run(architecture)
        except UserError as error:
            lacks_metric, cost_s = isinstance(error, MissingMetricError), time.perf_counter() - start
            return Evaluation(None, cost_s, str(error), whole_traceback(error), lacks_metric=lacks_metric)
        except Exception as error:
            return failed(error, time.perf_counter() - start)
        return measured(metrics, self._metrics.metrics[0], earlier_s + time.perf_counter() - start)

    def run(self, architecture: Any) -> tuple[dict[str, float], float]:
        """Train an architecture, or continue its unfinished training.

        Returns:
            The metrics of the best epoch by their names in files, and the duration of the training in earlier
            processes, in seconds.

        Raises:
            UserError: The module does not log the metric, or its value is never finite. Or a rank failed.
        """
        if self._settings.num_devices > 1 and not ranks_are_started():
            return run_on_ranks(self.run, (architecture,), self._settings.num_devices)[:2]
        from seminas.training.devices import leave_group_at_exit, share_cores
        from seminas.training.monitored import MonitoredEpochs
        from seminas.training.twins import derived

        settings, package = self._settings, self.package()
        if settings.num_devices > 1:
            leave_group_at_exit()
            share_cores()
        with self._work_folder(architecture) as folder, only_errors(package.__name__), raising_interrupts():
            every_s = settings.checkpoint_every_s if self._folder is not None else float("inf")
            names, maximizes = self._metrics.names, settings.mode == "max"
            kind = derived(MonitoredEpochs, package, "callbacks.Checkpoint")
            epochs: MonitoredEpochs = kind(folder, every_s, names, maximizes, settings.patience)
            package.seed_everything(self._seed % SEEDS, workers=True, verbose=False)
            data = self._imported("data", "LightningDataModule")(**(settings.data_arguments or {}))
            module = self.module(architecture)
            trainer = self._trainer(epochs, folder)
            trainer.fit(module, datamodule=data, ckpt_path=_start(epochs), weights_only=True)
            metrics = self._best(epochs)
            if is_first_rank():
                epochs.remove()
        return metrics, epochs.earlier_s

    def _best(self, epochs: "MonitoredEpochs") -> dict[str, float]:
        """Return the metrics of the best epoch by their names in files.

        Raises:
            UserError: The monitored metric was never finite.
        """
        if not epochs.best:
            monitor = self._settings.monitor
            if epochs.last is None:
                reason = "no epoch was trained" if epochs.number == 0 else "no epoch logged it"
                raise UserError(f"{monitor}: has no value, because {reason}")
            raise UserError(f"{monitor}={epochs.last}: must be a finite number")
        # A further metric may be infinite. Files hold finite numbers only.
        return self._metrics.in_files({n: v for n, v in epochs.best.items() if math.isfinite(v)})

    @contextmanager
    def _work_folder(self, architecture: Any) -> Iterator[Path]:
        """Yield the folder of the checkpoints of a training."""
        if self._folder is None:
            with tempfile.TemporaryDirectory() as folder:
                yield Path(folder)
        else:
            name = hashlib.sha256(self.call_name("run", architecture).encode()).hexdigest()[:32]
            yield self._folder / name

    def check_trainer(self) -> None:
        """Make a trainer as in a training.

        Raises:
            Exception: Lightning refuses the arguments.
        """
        # Another machine may have the devices.
        accelerator = self._settings.accelerator if self._settings.engine == "processes" else "cpu"
        with only_errors(self.package().__name__):
            self._trainer(None, None, accelerator=accelerator, devices=1, strategy="auto")

    def _trainer(self, epochs: "MonitoredEpochs | None", folder: Path | None, **changed: Any) -> "pl.Trainer":
        from seminas.training.checkpoints import SafeCheckpoints
        from seminas.training.twins import derived

        package = self.package()
        several = self._settings.num_devices > 1
        ours = {
            "max_epochs": self._settings.max_epochs,
            "accelerator": self._settings.accelerator,
            "devices": number_of_ranks() if several else 1,
            "strategy": "ddp" if several else "auto",
            "logger": False,
            "enable_checkpointing": epochs is not None,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "callbacks": [] if epochs is None else [epochs],
            "plugins": [derived(SafeCheckpoints, package, "plugins.TorchCheckpointIO")()],
            "default_root_dir": folder,
        }
        trainer: pl.Trainer = package.Trainer(
            **(self._settings.trainer_arguments or {}), **{**ours, **changed}
        )
        return trainer


def _start(epochs: "MonitoredEpochs") -> Path | None:
    """Return the checkpoint from which a training continues. Without a readable one, it begins again."""
    try:
        return epochs.start_from()
    except UserError as error:
        log.warning("%s; the training begins again", error)
        return None
