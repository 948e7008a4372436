"""``metrics.csv``, the metrics of a run. Each call of a logger writes a row."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.loggers.logger import rank_zero_experiment

from seminas.errors import UserError
from seminas.runs.points import KeptSteps, Points, no_steps
from seminas.storage.files import write_file

METRICS = "metrics.csv"
STEP = "step"


class CSV(CSVLogger):
    """Lightning's CSV logger. It continues the file of an earlier process."""

    def __init__(
        self, save_dir: str, name: str = "", version: str = "", kept_steps: KeptSteps = no_steps
    ) -> None:
        """Prepare a logger. The first metric opens the file.

        Args:
            save_dir: Run folder.
            name, version: Subfolders of the run folder, or empty texts.
            kept_steps: First step of this process. Rows of earlier steps stay.
        """
        super().__init__(save_dir, name=name, version=version)
        self._kept_steps = kept_steps

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The file. The first access reads it.

        Raises:
            UserError: The file is no file of metrics, or cannot be written.
        """
        if self._experiment is None:
            self._experiment = MetricsFile(Path(self.log_dir) / METRICS, self._kept_steps())  # type: ignore[assignment]
        return self._experiment

    def log_hyperparams(self, params: Any = None) -> None:
        """Do nothing, because ``config.yaml`` has the config."""


class MetricsFile:
    """A file of metrics.

    Rows are appended. A metric with a new name gets a new last column, and then the whole file is written again. Points
    that the file had at the start are not written again.
    """

    def __init__(self, path: Path, kept_steps: int) -> None:
        """Read a file. Remove the rows from step ``kept_steps`` on, and an incomplete last row."""
        self.metrics: list[dict[str, Any]] = []
        self._path = path
        self._columns, rows = _read(path)
        kept = [row for row in rows if int(row[STEP]) < kept_steps]
        self._held = Points()
        for row in kept:
            self._held.add([name for name, value in row.items() if value != ""], int(row[STEP]))
        if self._columns:
            write_file(path, _text(self._columns, kept, header=True))

    def log_metrics(self, metrics: Mapping[str, Any], step: int) -> None:
        """Keep the metrics of a step until ``save`` writes them."""
        missing = self._held.missing(metrics, step)
        if missing:
            values = {name: v.item() if hasattr(v, "item") else v for name, v in missing.items()}
            self.metrics.append({**values, STEP: step})

    def save(self) -> None:
        """Write the metrics since the last call.

        Raises:
            UserError: The file cannot be written.
        """
        if not self.metrics:
            return
        names = {name for row in self.metrics for name in row}
        if not names <= set(self._columns) or not self._path.exists():
            rows = _read(self._path)[1]
            self._columns += sorted(names - set(self._columns))
            write_file(self._path, _text(self._columns, [*rows, *self.metrics], header=True))
        else:
            _append(self._path, _text(self._columns, self.metrics))
        self.metrics = []


def read_metrics(folder: Path, before: int) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield the step and the metrics of each row of a run folder's file, up to the step before ``before``.

    Raises:
        UserError: The file is no file of metrics.
    """
    path = folder / METRICS
    for row in _read(path)[1]:
        step = int(row.pop(STEP))
        if step < before:
            try:
                yield step, {name: float(value) for name, value in row.items() if value != ""}
            except ValueError as error:
                raise UserError(f"{path}: holds no metrics ({error})") from error


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return the columns and the complete rows of a file, as texts. A missing file has none."""
    try:
        text = path.read_bytes().rpartition(b"\n")[0].decode()
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        rows = list(reader)
        columns = list(reader.fieldnames or ())
        for row in rows:
            int(row[STEP])
            if None in row or None in row.values():
                raise ValueError(f"a row has other columns than {', '.join(columns)}")
    except FileNotFoundError:
        return [], []
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
        raise UserError(f"{path}: holds no metrics ({error})") from error
    return columns, rows


def _text(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], header: bool = False) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _append(path: Path, data: bytes) -> None:
    """Append all rows, or no row."""
    with path.open("ab", buffering=0) as file:
        end = file.tell()
        try:
            while data:
                data = data[file.write(data) :]
        except OSError as error:
            file.truncate(end)
            raise UserError(f"{path}: cannot be written ({error.strerror})") from error
