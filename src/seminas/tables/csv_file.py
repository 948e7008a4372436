"""Reading of CSV files. Commas, semicolons or tabs separate the columns, and the file may be gzipped."""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from seminas.errors import UserError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_STEP = 5_000
"""Number of rows between two reports of progress."""


@dataclass(frozen=True)
class CsvFile:
    """The content of a CSV file.

    Attributes:
        path: Path of the file.
        separator: Character between two columns.
        header: Names of the columns.
        rows: Text of each row by column.
        lines: Line number of each row.
    """

    path: Path
    separator: str
    header: list[str]
    rows: list[dict[str, str]]
    lines: list[int]

    def require(self, columns: Collection[str]) -> None:
        """Check that the file has columns.

        Raises:
            UserError: A column is missing.
        """
        for column in columns:
            if column not in self.header:
                raise UserError(
                    f"{self.path}: has no column {column!r}, its columns are {', '.join(self.header)}"
                )

    def number(self, row: int, column: str) -> float:
        """Return the number in a row and a column. If semicolons separate the columns, it may have a decimal comma.

        Raises:
            ValueError: The text is no number.
        """
        text = self.rows[row][column]
        try:
            return float(text.replace(",", ".") if self.separator == ";" else text)
        except ValueError as error:
            raise ValueError(f"{column}={text}: is no number") from error


def read_csv(path: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> CsvFile:
    """Return the content of a CSV file.

    Args:
        path: Path of the file.
        progress: Function called with the number of characters read so far and with their total number.

    Raises:
        UserError: The file cannot be read, or it has no rows.
    """
    text = _read(path).decode("utf-8-sig", errors="replace")
    separator = _separator(text)
    file = io.StringIO(text, newline="")
    reader = csv.DictReader(file, delimiter=separator)
    rows: list[dict[str, str]] = []
    lines: list[int] = []
    try:
        header = list(reader.fieldnames or [])
        for row in reader:
            lines.append(reader.line_num)
            rows.append({name: row[name] or "" for name in header})  # Missing values of a short row are None.
            if len(rows) % _STEP == 0:
                progress(file.tell(), len(text))
    except csv.Error as error:
        raise UserError(f"{path}: line {max(1, reader.line_num)}: {error}") from error
    if not rows:
        raise UserError(f"{path}: has no rows")
    progress(len(text), len(text))
    return CsvFile(path, separator, header, rows, lines)


def _separator(text: str) -> str:
    """Return the character that separates columns. It is the most frequent separator in the header."""
    header = text.partition("\n")[0]
    return max(SEPARATORS, key=header.count)


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file") from error
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read ({error})") from error
