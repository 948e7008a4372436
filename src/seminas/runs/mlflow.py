"""MLflow as a logger: a database in the run folder, or a server that cannot stop a run."""

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import MLFlowLogger
from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from seminas.config.check import flat
from seminas.errors import UserError, first_line
from seminas.runs.logger_ids import read_logger_id, write_logger_id
from seminas.runs.points import Points

log = logging.getLogger(__name__)
DATABASE, ARTIFACTS = "mlflow.db", "mlflow"
"""In the run folder: the database, and the folder of figures."""
EXPERIMENT = "seminas"
LONGEST_PARAMETER = 500
"""Characters of a parameter that every version of MLflow takes."""
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "15"}
"""How often, and for how many seconds, MLflow asks a server that does not answer, unless the user says otherwise."""


class MLflow(MLFlowLogger):
    """Lightning's logger, which goes on with the run of an earlier process.

    If a server takes nothing any more, a warning says so, and the run goes on without MLflow.
    """

    def __init__(
        self,
        save_dir: str,
        tracking_uri: str | None = None,
        experiment_name: str | None = None,
        run_name: str | None = None,
        tags: Sequence[str] = (),
    ) -> None:
        """Prepare a logger; nothing is asked or written before the first use.

        Args:
            save_dir: Run folder.
            tracking_uri: Of a server or database; None for a database in the run folder.
            experiment_name: MLflow's; None for ``seminas``.
            run_name: MLflow's; None for one that MLflow makes up.
            tags: Overrides, such as ``seed=1``.
        """
        # Lightning makes a client at once. One of a database makes it, on every rank; one of a server asks nothing.
        super().__init__(
            experiment_name or EXPERIMENT, run_name, "http://localhost", dict(_tag(text) for text in tags)
        )
        self._folder = Path(save_dir).absolute()
        self._place = tracking_uri or DATABASE
        self._tracking_uri = tracking_uri or f"sqlite:///{self._folder / DATABASE}"
        self._artifact_location = None if tracking_uri else str(self._folder / ARTIFACTS)
        self._held = Points()
        self._is_lost = False

    def __getstate__(self) -> dict[str, Any]:
        """A rank that is given a copy starts the run itself, if it is the first."""
        return {**vars(self), "_mlflow_client": None, "_initialized": False, "_run_id": None}

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """MLflow's client; the run is started, or gone on with, with the first use.

        Raises:
            UserError: MLflow cannot be used at the tracking URI.
        """
        if not self._initialized:
            from mlflow.exceptions import MlflowException

            try:
                self._start()
            except (MlflowException, OSError) as error:
                raise UserError(f"logger.mlflow.tracking_uri={self._place}: {first_line(error)}") from error
        return super().experiment

    @property
    def save_dir(self) -> str | None:
        """The run folder."""
        return str(self._folder)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log the metrics of a step, without points that are there."""
        _ = self.experiment
        missing = self._held.missing(metrics, step)
        if missing:
            self._try(lambda: super(MLflow, self).log_metrics(missing, step))

    @rank_zero_only
    def log_hyperparams(self, params: Any) -> None:
        """Log a config by dotted keys.

        MLflow keeps a parameter's first value. A value that differs now, as one of a run that was extended, becomes a
        tag.
        """
        from mlflow.entities import Param, RunTag

        client = self.experiment
        known = client.get_run(self._run_id).data.params
        values = {_name(key): str(value)[:LONGEST_PARAMETER] for key, value in flat(params).items()}
        new = [Param(key, value) for key, value in values.items() if key not in known]
        changed = [RunTag(k, v) for k, v in values.items() if known.get(k, v) != v]
        for part in (new[i : i + 100] for i in range(0, len(new), 100)):  # MLflow takes no more at once.
            self._try(lambda part=part: client.log_batch(self._run_id, params=part))  # type: ignore[misc]
        if changed:
            self._try(lambda: client.log_batch(self._run_id, tags=changed))

    @rank_zero_only
    def log_figures(self, files: Iterable[Path], step: int) -> None:
        """Keep pictures as artifacts."""
        for file in files:
            self._try(lambda file=file: self.experiment.log_artifact(self._run_id, str(file)))  # type: ignore[misc]

    @rank_zero_only
    def finalize(self, status: str = "success") -> None:
        """Write down how the run ended."""
        self._try(lambda: super(MLflow, self).finalize(status))

    def _start(self) -> None:
        """Make the client, and find the experiment and the run that the folder has there."""
        for name, value in PATIENCE.items():
            os.environ.setdefault(name, value)
        logging.getLogger("mlflow").setLevel(logging.WARNING)  # It tells of each table that it makes.
        from mlflow.tracking import MlflowClient

        self._mlflow_client = client = MlflowClient(self._tracking_uri)
        run_id = read_logger_id(self._folder, "mlflow", self._place)
        if run_id is not None and self._go_on(client, run_id):
            return
        self._experiment_id = _experiment(client, self._experiment_name, self._artifact_location)
        _ = super().experiment  # Starts the run.
        write_logger_id(self._folder, "mlflow", self._place, str(self._run_id))

    def _go_on(self, client: Any, run_id: str) -> bool:
        """Go on with a run; returns False if it was deleted."""
        from mlflow.exceptions import MlflowException

        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        if run.info.lifecycle_stage == "deleted":
            return False
        for name in run.data.metrics:
            self._held.add([name], max(point.step for point in client.get_metric_history(run_id, name)))
        client.update_run(run_id, status="RUNNING")
        self._run_id = run_id
        return True

    def _try(self, call: Callable[[], None]) -> None:
        from mlflow.exceptions import MlflowException

        if self._is_lost:
            return
        try:
            call()
        except (MlflowException, OSError) as error:
            self._is_lost = True
            log.warning("MLflow takes nothing any more (%s): this run goes on without it", first_line(error))


def _experiment(client: Any, name: str, artifact_location: str | None) -> str:
    """Return the id of an experiment, which is made if it is missing; other jobs may make it at the same time."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifact_location))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage == "deleted":
        raise UserError(f"logger.mlflow.experiment_name={name}: is the name of a deleted experiment")
    return str(found.experiment_id)


def _tag(override: str) -> tuple[str, str]:
    """Return the name and the value of a tag."""
    key, _, value = override.partition("=")
    return _name(key), value


def _name(key: str) -> str:
    """Return a key without the characters that MLflow refuses."""
    return "".join(c if c.isalnum() or c in "_-. /" else "_" for c in key.lstrip("+~")) or "_"
