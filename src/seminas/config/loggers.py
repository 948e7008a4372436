"""Settings of the loggers."""

from dataclasses import dataclass
from typing import Any, ClassVar

from omegaconf import II

from seminas.config.fields import Settings, setting


@dataclass
class CSVSettings(Settings):
    """Lightning's CSV logger: ``metrics.csv`` in the run folder."""

    KEY: ClassVar[str] = "logger.csv"

    _target_: str = "pytorch_lightning.loggers.CSVLogger"
    name: str = setting("", empty=True)
    version: str = setting("", empty=True)


@dataclass
class WandBSettings(Settings):
    """Weights & Biases.

    Attributes:
        project: W&B's.
        offline: Whether nothing is sent; ``wandb sync FOLDER/wandb/offline-run-*`` uploads. A live run goes on offline
            where W&B does not answer.
        group: Of the runs of a sweep: the name of its folder.
        tags: Of a run of a sweep: what was swept.
        name: Of a run of a sweep.
    """

    KEY: ClassVar[str] = "logger.wandb"

    _target_: str = "seminas.runs.wandb.WandB"
    project: str = setting("seminas")
    offline: bool = True
    group: str | None = II("sweep_group:")
    tags: list[Any] = II("swept:")
    name: str | None = II("sweep_job_name:")
