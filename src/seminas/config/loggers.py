"""Settings of the loggers."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

from omegaconf import II

from seminas.config.fields import Settings, setting
from seminas.errors import UserError


@dataclass
class CSVSettings(Settings):
    """``metrics.csv`` in the run folder.

    Attributes:
        name, version: Subfolders of the run folder for the file. Empty texts mean the run folder itself.
    """

    KEY: ClassVar[str] = "logger.csv"

    _target_: str = "seminas.runs.csv.CSV"
    name: str = setting("", empty=True)
    version: str = setting("", empty=True)


@dataclass
class WandBSettings(Settings):
    """Weights & Biases.

    Attributes:
        project: Name of the W&B project.
        offline: Whether the run sends nothing to W&B. ``wandb sync FOLDER/wandb/offline-run-*`` uploads an offline run.
            An online run continues offline if W&B does not answer.
        group: Group of the run. The runs of a sweep have the name of the sweep's folder.
        tags: Tags of the run. A run of a sweep has its swept overrides.
        name: Name of the run. A run of a sweep has its swept overrides.
    """

    KEY: ClassVar[str] = "logger.wandb"

    _target_: str = "seminas.runs.wandb.WandB"
    project: str = setting("seminas")
    offline: bool = True
    group: str | None = II("sweep_group:")
    tags: list[Any] = II("swept:")
    name: str | None = II("sweep_job_name:")


@dataclass
class TensorBoardSettings(Settings):
    """TensorBoard: the folder ``tensorboard`` in the run folder."""

    KEY: ClassVar[str] = "logger.tensorboard"

    _target_: str = "seminas.runs.tensorboard.TensorBoard"

    def check_together(self, key: str) -> None:
        """Refuse a logger whose package is missing."""
        _check_packages("tensorboard", "tensorboard")


@dataclass
class MLflowSettings(Settings):
    """MLflow.

    Attributes:
        tracking_uri: URI of a server or a database, such as ``http://HOST:5000``. Null means the database ``mlflow.db``
            in the run folder, with figures in the folder ``mlflow``.
        experiment_name: Name of MLflow's experiment. The runs of a sweep have the name of the sweep's folder.
            Null means ``seminas``.
        run_name: Name of MLflow's run. A run of a sweep has its swept overrides. Null means a name by MLflow.
        tags: Tags of the run. A run of a sweep has its swept overrides.
    """

    KEY: ClassVar[str] = "logger.mlflow"

    _target_: str = "seminas.runs.mlflow.MLflow"
    tracking_uri: str | None = setting(None)
    experiment_name: str | None = II("sweep_group:")
    run_name: str | None = II("sweep_job_name:")
    tags: list[Any] = II("swept:")

    def check_together(self, key: str) -> None:
        """Refuse a logger whose packages are missing."""
        # A server needs no database here.
        is_server = str(self.tracking_uri).startswith("http")
        _check_packages("mlflow", "mlflow", *(() if is_server else ("sqlalchemy", "alembic")))


def _check_packages(logger: str, *packages: str) -> None:
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise UserError(f"logger={logger}: needs {', '.join(missing)} (pip install 'seminas[{logger}]')")
