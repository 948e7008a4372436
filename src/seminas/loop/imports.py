"""Import of evaluations that exist already, from run folders and CSV files. They are labels and no queries."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from seminas.config.check import flat
from seminas.errors import UserError, config_error, first_line
from seminas.runs.folder import RunFolder
from seminas.runs.metric import Metric, metric_of
from seminas.runs.records import Record, read_imported
from seminas.spaces.base import SearchSpace
from seminas.spaces.subset import holds
from seminas.storage.values import Config
from seminas.tables.csv_file import read_csv
from seminas.tables.csv_import import architectures_of

IMPORTED_ROUND = -1


def read_imports(sources: Sequence[str], space: SearchSpace, config: Config) -> list[Record]:
    """Return the successful evaluations in sources. Of several evaluations of an architecture, the first counts.

    Args:
        sources: Run folders of searches, and CSV files. A CSV file has a column with the name of the metric, and the
            columns that the space needs for an architecture.
        space: Space of the candidates of this search.
        config: Config of this search.

    Returns:
        Records with negative indices, which say where they come from.

    Raises:
        UserError: A source cannot be read, is of another space, or has an architecture that is no candidate.
    """
    found: dict[str, tuple[Any, float, float, str]] = {}
    for source in sources:
        path = Path(source)
        if not path.exists():
            raise config_error("search.import_from", source, "a run folder or a CSV file")
        lines = _of_run(path, space, config) if path.is_dir() else _of_csv(path, space, metric_of(config))
        for where, architecture, value, cost_s, origin in lines:
            if not holds(space, architecture):
                raise UserError(f"{where}: {space.key(architecture)} is no candidate of this search")
            found.setdefault(space.key(architecture), (architecture, value, cost_s, origin))
    return [
        Record(
            index=i - len(found),
            round=IMPORTED_ROUND,
            architecture=space.to_json(architecture),
            key=key,
            value=value,
            cost_s=cost_s,
            source=origin,
        )
        for i, (key, (architecture, value, cost_s, origin)) in enumerate(found.items())
    ]


def _of_run(path: Path, space: SearchSpace, config: Config) -> Iterator[tuple[str, Any, float, float, str]]:
    """Yield the place, architecture, value, cost in seconds and origin of each successful evaluation of a run.

    Raises:
        UserError: The folder holds no search, or a search of another space or metric.
    """
    folder = RunFolder(path)
    recorded = folder.config()
    if recorded is None or not folder.has_history():
        raise UserError(f"{path}: holds no search to import")
    if _set(recorded.get("space")) != _set(config.get("space")):
        raise UserError(f"{path}: is a search of another space, so that it cannot be imported")
    metric, other = metric_of(config), metric_of(recorded, path)
    if other != metric:
        raise UserError(f"{path}: is a search for {other}, so that it cannot be imported for {metric}")
    for record in [*read_imported(path), *folder.history()]:
        if record.final is None:
            continue
        try:
            architecture = space.from_json(record.architecture)
        except ValueError as error:
            raise UserError(f"{path}: evaluation {record.index}: {first_line(error)}") from error
        origin = record.source or str(path)
        yield f"{path}: evaluation {record.index}", architecture, record.final, record.cost_s, origin


def _set(section: Any) -> dict[str, Any]:
    """Return the settings of a section that are not null. An earlier version had fewer settings."""
    return {key: value for key, value in flat(section).items() if value is not None}


def _of_csv(path: Path, space: SearchSpace, metric: Metric) -> Iterator[tuple[str, Any, float, float, str]]:
    """Yield the place, architecture, value, cost (0) and origin of each row of a CSV file.

    Raises:
        UserError: The file cannot be read, a column is missing, or a row is malformed.
    """
    file = read_csv(path)
    file.require([metric.name])
    for row, architecture in enumerate(architectures_of(file, space)):
        where = f"{path}: line {file.lines[row]}"
        try:
            value = file.number(row, metric.name)
        except ValueError as error:
            raise UserError(f"{where}: {error}") from error
        if metric.checked(value) is None:
            allowed = "a fraction from 0 to 1" if metric.is_fraction else metric.allowed
            raise UserError(f"{where}: {metric.name}={value:g}: must be {allowed}")
        yield where, architecture, value, 0.0, str(path)
