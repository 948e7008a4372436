"""Import of evaluations that exist already, from run folders and CSV files. They are labels and no queries."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
from seminas.tables.csv_file import CsvFile, read_csv
from seminas.tables.csv_import import architectures_of

IMPORTED_ROUND = -1
EPOCHS = "epochs"
"""Column of a CSV file with numbers of epochs, in a search with fidelities."""


@dataclass(frozen=True)
class _Found:
    """A successful evaluation in a source.

    Attributes:
        where: Place in the source, for errors.
        architecture: The architecture.
        value: Value of the metric that the search optimizes.
        cost_s: Cost in seconds.
        origin: Run folder or file of the evaluation.
        metrics: Values of further metrics by name.
        epochs: Number of epochs after which the architecture was measured. None in a search without fidelities.
    """

    where: str
    architecture: Any
    value: float
    cost_s: float
    origin: str
    metrics: dict[str, float]
    epochs: int | None = None


def read_imports(
    sources: Sequence[str],
    space: SearchSpace,
    config: Config,
    further: Sequence[Metric] = (),
    levels: Sequence[int] = (),
) -> list[Record]:
    """Return the successful evaluations in sources. Of several evaluations of an architecture, the first counts.

    With levels, an evaluation is an architecture and its number of epochs. One without a number of epochs is a full
    training. Evaluations of runs after other numbers are left out.

    Args:
        sources: Run folders of searches, and CSV files. A CSV file has a column with the name of the metric, the
            columns that the space needs for an architecture, and columns with the names of further metrics.
        space: Space of the candidates of this search.
        config: Config of this search.
        further: Further metrics of this search. Those that a source has are kept, and others are left out.
        levels: Numbers of epochs of a search with fidelities, the full training last. Then a CSV file may have a column
            ``epochs``. Empty without fidelities.

    Returns:
        Records with negative indices, which say where they come from.

    Raises:
        UserError: A source cannot be read, is of another space, or has an architecture that is no candidate.
    """
    found: dict[tuple[str, int | None], _Found] = {}
    for source in sources:
        path = Path(source)
        if not path.exists():
            raise config_error("search.import_from", source, "a run folder or a CSV file")
        if path.is_dir():
            lines = _of_run(path, space, config, further, levels)
        else:
            lines = _of_csv(path, space, metric_of(config), further, levels)
        for one in lines:
            if not holds(space, one.architecture):
                raise UserError(f"{one.where}: {space.key(one.architecture)} is no candidate of this search")
            found.setdefault((space.key(one.architecture), one.epochs), one)
    return [
        Record(
            index=i - len(found),
            round=IMPORTED_ROUND,
            architecture=space.to_json(one.architecture),
            key=key,
            value=one.value,
            cost_s=one.cost_s,
            source=one.origin,
            metrics=one.metrics,
            epochs=epochs,
            partial=True if epochs is not None and epochs < levels[-1] else None,
        )
        for i, ((key, epochs), one) in enumerate(found.items())
    ]


def _of_run(
    path: Path, space: SearchSpace, config: Config, further: Sequence[Metric], levels: Sequence[int]
) -> Iterator[_Found]:
    """Yield each successful evaluation of a run, after a number of epochs among the levels if there are levels.

    Raises:
        UserError: The folder holds no search, or a search of another space, or one of its metrics is another one. Or
            all its evaluations are after other numbers of epochs.
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
    kept = {metric.name: metric for metric in further}
    for declared in recorded.get("metrics") or ():
        there = metric_of({"metric": declared}, path)
        if kept.get(there.name, there) != there:
            raise UserError(f"{path}: has {there}, so that it cannot be imported for {kept[there.name]}")
    others: set[int] = set()
    any_kept = False
    for record in [*read_imported(path), *folder.history()]:
        value = record.value if levels else record.full
        if value is None:
            continue
        epochs = (record.epochs or levels[-1]) if levels else None
        if epochs is not None and epochs not in levels:
            others.add(epochs)
            continue
        any_kept = True
        try:
            architecture = space.from_json(record.architecture)
        except ValueError as error:
            raise UserError(f"{path}: evaluation {record.index}: {first_line(error)}") from error
        origin = record.source or str(path)
        metrics = {name: value for name, value in record.metrics.items() if name in kept}
        where = f"{path}: evaluation {record.index}"
        yield _Found(where, architecture, value, record.cost_s, origin, metrics, epochs)
    if others and not any_kept:
        raise UserError(
            f"{path}: has evaluations after {sorted(others)} epochs alone, must have some after {list(levels)}"
        )


def _set(section: Any) -> dict[str, Any]:
    """Return the settings of a section that are not null. An earlier version had fewer settings."""
    return {key: value for key, value in flat(section).items() if value is not None}


def _of_csv(
    path: Path, space: SearchSpace, metric: Metric, further: Sequence[Metric], levels: Sequence[int]
) -> Iterator[_Found]:
    """Yield each row of a CSV file as an evaluation that cost nothing.

    Raises:
        UserError: The file cannot be read, a column is missing, or a row is malformed.
    """
    file = read_csv(path)
    file.require([metric.name])
    present = [m for m in further if m.name in file.header]
    for row, architecture in enumerate(architectures_of(file, space)):
        where = f"{path}: line {file.lines[row]}"
        value = _number(file, row, metric, where)
        # A row may leave a further metric empty.
        metrics = {m.name: _number(file, row, m, where) for m in present if file.rows[row][m.name].strip()}
        epochs = _epochs(file, row, levels, where) if levels else None
        yield _Found(where, architecture, value, 0.0, str(path), metrics, epochs)


def _epochs(file: CsvFile, row: int, levels: Sequence[int], where: str) -> int:
    """Return the number of epochs of a row. Without the column, or in an empty field, it is that of a full training.

    Raises:
        UserError: It is none of the levels.
    """
    text = file.rows[row].get(EPOCHS, "").strip()
    if not text:
        return levels[-1]
    if not text.isdecimal() or int(text) not in levels:
        raise UserError(f"{where}: {EPOCHS}={text}: must be one of {list(levels)}, or empty")
    return int(text)


def _number(file: CsvFile, row: int, metric: Metric, where: str) -> float:
    """Return the value of a metric in a row.

    Raises:
        UserError: It is no value of the metric.
    """
    try:
        value = file.number(row, metric.name)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error
    if metric.checked(value) is None:
        allowed = "a fraction from 0 to 1" if metric.is_fraction else metric.allowed
        raise UserError(f"{where}: {metric.name}={value:g}: must be {allowed}")
    return value
