"""TensorBoard as a logger."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from seminas.config.check import flat
from seminas.runs.points import KeptSteps, Points, no_steps

FOLDER = "tensorboard"
"""Folder of the event files in the run folder."""


class TensorBoard(TensorBoardLogger):
    """Lightning's TensorBoard logger. It continues the curves of an earlier process."""

    def __init__(self, save_dir: str, kept_steps: KeptSteps = no_steps) -> None:
        """Prepare a logger. The first use opens its files.

        Args:
            save_dir: Run folder.
            kept_steps: First step of this process. TensorBoard drops the points from this step on.
        """
        super().__init__(save_dir, name="", version=FOLDER, default_hp_metric=False)
        self._kept_steps = kept_steps
        self._held = Points()

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """PyTorch's ``SummaryWriter``. The first access creates it."""
        files = list(Path(self.log_dir).glob("events.*")) if self._experiment is None else []
        if files:
            self._kwargs["purge_step"] = steps = self._kept_steps()
            self._held = _points(self.log_dir, steps)
            # TensorBoard reads the files in the order of their names. A name has the second of the file's begin.
            last, until = max(int(file.stat().st_mtime) for file in files), time.monotonic() + 1.5
            while int(time.time()) <= last and time.monotonic() < until:
                time.sleep(0.05)
        return super().experiment

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log the metrics of a step that the files do not have."""
        _ = self.experiment
        super().log_metrics(self._held.missing(metrics, step), step)

    @rank_zero_only
    def log_hyperparams(self, params: Any, metrics: Any = None, step: int | None = None) -> None:
        """Log a config by dotted keys, for TensorBoard's page of hyper-parameters."""
        from torch.utils.tensorboard.summary import hparams

        plain = {key: v if isinstance(v, bool | int | float) else str(v) for key, v in flat(params).items()}
        self.hparams.update(params)
        for summary in hparams(plain, {}):
            self.experiment._get_file_writer().add_summary(summary)

    @rank_zero_only
    def log_figures(self, files: Sequence[Path], step: int) -> None:
        """Log pictures under the names of their files."""
        for file in files:
            with Image.open(file) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            self.experiment.add_image(file.stem, pixels, step, dataformats="HWC")


def _points(folder: str, before: int) -> Points:
    """Return the points in a folder of event files, up to the step before ``before``."""
    from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

    events = EventAccumulator(folder, {SCALARS: 0})
    events.Reload()
    points = Points()
    for name in events.Tags()[SCALARS]:
        steps = [event.step for event in events.Scalars(name) if event.step < before]
        if steps:
            points.add([name], max(steps))
    return points
