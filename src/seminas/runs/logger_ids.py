"""The ids of a run on W&B and MLflow. With them a resumed run continues the same records."""

from pathlib import Path

from seminas.errors import UserError
from seminas.storage.files import parse_json, write_json

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
    found = _read(folder).get(logger, {}).get(place)
    return None if found is None else str(found)


def write_logger_id(folder: Path, logger: str, place: str, run_id: str) -> None:
    """Write the id of a run into its folder. Raises as ``write_json``."""
    ids = _read(folder)
    ids[logger] = {**ids.get(logger, {}), place: run_id}
    write_json(folder / LOGGERS, ids)


def _read(folder: Path) -> dict[str, dict[str, str]]:
    path = folder / LOGGERS
    try:
        ids = parse_json(path.read_bytes())
        return {str(logger): dict(places) for logger, places in ids.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: holds no ids of loggers ({error})") from error
