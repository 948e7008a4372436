"""The ids of a run on W&B and MLflow. With them a resumed run continues the same records."""

from pathlib import Path

from seminas.storage.files import write_json
from seminas.storage.typed import read_typed

LOGGERS = "loggers.json"


def read_logger_id(folder: Path, logger: str, place: str) -> str | None:
    """Return the id of a run in one place of a logger, or None if the run has no id there.

    Args:
        folder: The run folder.
        logger: ``wandb`` or ``mlflow``.
        place: W&B's project, or MLflow's tracking URI.

    Raises:
        UserError: The file has no valid ids.
    """
    return _read(folder).get(logger, {}).get(place)


def write_logger_id(folder: Path, logger: str, place: str, run_id: str) -> None:
    """Write the id of a run into its folder. Raises as ``write_json``."""
    ids = _read(folder)
    ids[logger] = {**ids.get(logger, {}), place: run_id}
    write_json(folder / LOGGERS, ids)


def _read(folder: Path) -> dict[str, dict[str, str]]:
    return read_typed(folder / LOGGERS, dict[str, dict[str, str]], "list of loggers' ids") or {}
