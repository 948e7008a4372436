"""MLflow as a logger: a database in the run folder, or a server. A server failure does not stop the run."""

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
"""Names of the database and of the folder of figures, in the run folder."""
EXPERIMENT = "seminas"
LONGEST_PARAMETER = 500
"""Maximum number of characters of a parameter in every version of MLflow."""
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "15"}
"""Defaults for the number of retries, and for the seconds that MLflow waits for a server."""


class MLflow(MLFlowLogger):
    """Lightning's MLflow logger. It continues the run of an earlier process.

    If a server fails, the logger prints a warning, and the run continues without MLflow.
    """

    def __init__(
        self,
        save_dir: str,
        tracking_uri: str | None = None,
        experiment_name: str | None = None,
        run_name: str | None = None,
        tags: Sequence[str] = (),
    ) -> None:
        """Prepare a logger. The first use opens the database or calls the server.

        Args:
            save_dir: Run folder.
            tracking_uri: URI of a server or a database. None: a database in the run folder.
            experiment_name: Name of MLflow's experiment. None: ``seminas``.
            run_name: Name of MLflow's run. None: a name that MLflow invents.
            tags: Overrides that become tags, such as ``seed=1``.
        """
        # Lightning creates a client now, on every rank. A client of a database would create it. A client of a server
        # sends nothing yet.
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
        """Leave out the client. Only the first rank starts the run, from its copy of the logger."""
        return {**vars(self), "_mlflow_client": None, "_initialized": False, "_run_id": None}

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """MLflow's client. The first access starts or continues the run.

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
        """Log the metrics of a step that MLflow does not have."""
        _ = self.experiment
        missing = self._held.missing(metrics, step)
        if missing:
            self._try(lambda: super(MLflow, self).log_metrics(missing, step))

    @rank_zero_only
    def log_hyperparams(self, params: Any) -> None:
        """Log a config by dotted keys.

        MLflow keeps the first value of a parameter. The new value of a parameter that has changed since, for example in
        an extended run, becomes a tag.
        """
        from mlflow.entities import Param, RunTag

        client = self.experiment
        known = client.get_run(self._run_id).data.params
        values = {_name(key): str(value)[:LONGEST_PARAMETER] for key, value in flat(params).items()}
        new = [Param(key, value) for key, value in values.items() if key not in known]
        changed = [RunTag(k, v) for k, v in values.items() if known.get(k, v) != v]
        for part in (new[i : i + 100] for i in range(0, len(new), 100)):  # The maximum of one call.
            self._try(lambda part=part: client.log_batch(self._run_id, params=part))  # type: ignore[misc]
        if changed:
            self._try(lambda: client.log_batch(self._run_id, tags=changed))

    @rank_zero_only
    def log_figures(self, files: Iterable[Path], step: int) -> None:
        """Log pictures as artifacts."""
        for file in files:
            self._try(lambda file=file: self.experiment.log_artifact(self._run_id, str(file)))  # type: ignore[misc]

    @rank_zero_only
    def finalize(self, status: str = "success") -> None:
        """Log the status of the run at its end."""
        self._try(lambda: super(MLflow, self).finalize(status))

    def _start(self) -> None:
        """Create the client, and find or create the experiment and the run."""
        for name, value in PATIENCE.items():
            os.environ.setdefault(name, value)
        logging.getLogger("mlflow").setLevel(logging.WARNING)  # It reports each table of a new database.
        from mlflow.tracking import MlflowClient

        self._mlflow_client = client = MlflowClient(self._tracking_uri)
        run_id = read_logger_id(self._folder, "mlflow", self._place)
        if run_id is not None and self._go_on(client, run_id):
            return
        self._experiment_id = _experiment(client, self._experiment_name, self._artifact_location)
        _ = super().experiment  # Starts the run.
        write_logger_id(self._folder, "mlflow", self._place, str(self._run_id))

    def _go_on(self, client: Any, run_id: str) -> bool:
        """Continue a run. Return False if the run was deleted."""
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
    """Return the id of an experiment. Create a missing one, also if another job does the same."""
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
    """Return the name and the value of the tag for an override."""
    key, _, value = override.partition("=")
    return _name(key), value


def _name(key: str) -> str:
    """Return a key without the characters that MLflow refuses."""
    return "".join(c if c.isalnum() or c in "_-. /" else "_" for c in key.lstrip("+~")) or "_"
