"""Latency tables: the time of each choice at each position, in a CSV or YAML file."""

import csv
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from seminas.errors import UserError, config_error, first_line
from seminas.spaces.exact import CostSum

TIMES = ("median_ms", "latency_ms", "mean_ms", "latency", "mean")
"""Accepted names of the column with the time in milliseconds. The first one that the file has is read."""
NAMES = ("name", "key", "op")
"""Accepted names of the column that names the operation, if the file has no columns position and choice."""
FIXED = "fixed"
"""Position of a part of the network that is not searched. Its times count for every architecture."""
UNIT = 1_000_000
"""Number of units in a millisecond. Times are whole nanoseconds, rounded up."""
_SHAPES = re.compile(r"-(se|hs):[^-]*")
"""Parts of a key of once-for-all that do not matter here: squeeze-and-excitation and hard swish."""
Aliases = Callable[[str, str], Sequence[str]]
"""Function that returns further names of a choice at a position."""


def read_latency(
    path: str,
    choices: Mapping[str, Sequence[str]],
    free: Iterable[str] = (),
    aliases: Aliases = lambda position, choice: (),
    fixed: Sequence[str] = (),
    conditional: Sequence[str] = (),
    key: str = "space.latency",
) -> CostSum:
    """Return the latency of architectures as a sum over their choices.

    A choice at a position has the time of the row ``position, choice``, of the name ``position:choice``, of one of its
    aliases, or of the name ``choice``, in this order.

    Args:
        path: CSV or YAML file.
        choices: Names of the choices at each position.
        free: Choices that take no time if the table has no row for them.
        aliases: Function that returns further names of a choice.
        fixed: Names of the parts that are not searched. A part without a row counts 0.
        conditional: Positions that need not count. They have a further choice, the last one, which takes no time.
        key: Dotted key of the setting with the path, for errors.

    Raises:
        UserError: The file cannot be read, has no suitable columns, has a time that is no number from 0, has an
            operation twice, or lacks an operation.
    """
    times = _times(path, key)

    def time_of(position: str, choice: str) -> int:
        names = (f"{position}:{choice}", *aliases(position, choice), choice)
        found = next((times[name] for name in names if name in times), 0.0 if choice in free else None)
        if found is None:
            raise UserError(f"{key}={path}: has no time for {choice} at {position}")
        return _units(found)

    costs = [
        [time_of(position, choice) for choice in names] + [0] * (position in conditional)
        for position, names in choices.items()
    ]
    outside = sum(_units(time) for name, time in times.items() if name.startswith(f"{FIXED}:"))
    if not outside:
        outside = sum(_units(times[name]) for name in fixed if name in times)
    return CostSum(costs, outside, UNIT)


def _units(milliseconds: float) -> int:
    return math.ceil(round(milliseconds * UNIT, 3))


def _times(path: str, key: str) -> dict[str, float]:
    """Return the time of each name in a file, in milliseconds."""
    times: dict[str, float] = {}
    try:
        read = _of_yaml if Path(path).suffix in (".yaml", ".yml") else _of_csv
        for where, name, time in read(Path(path), key):
            try:
                milliseconds = float(time)
            except (TypeError, ValueError):
                milliseconds = math.nan
            if not (math.isfinite(milliseconds) and milliseconds >= 0):
                raise UserError(
                    f"{key}={path}: {where}: time {time!r} of {name} must be a number of at least 0"
                )
            name = _SHAPES.sub("", name)
            if name in times:
                raise UserError(f"{key}={path}: {where}: has a second time for {name}")
            times[name] = milliseconds
    except OSError as error:
        raise UserError(f"{key}={path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{key}={path}: cannot be read ({first_line(error)})") from error
    if not times:
        raise config_error(key, path, "a file with at least one time")
    return times


def _of_yaml(path: Path, key: str) -> Iterator[tuple[str, str, Any]]:
    """Yield the place, the name and the time of each entry: ``NAME: TIME`` or ``NAME: {mean: TIME}``."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(entries, Mapping):
        raise config_error(key, path, "a mapping from names to times")
    for name, entry in entries.items():
        if isinstance(entry, Mapping):
            entry = next((entry[column] for column in TIMES if column in entry), None)
        yield "entry", str(name), entry


def _of_csv(path: Path, key: str) -> Iterator[tuple[str, str, Any]]:
    """Yield the place, the name and the time of each row. Lines that begin with ``#`` are comments."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = [(number, line) for number, line in enumerate(file, 1) if line.strip() and line[0] != "#"]
    rows = csv.DictReader(line for _, line in lines)
    columns = rows.fieldnames or []
    time = next((column for column in TIMES if column in columns), None)
    if time is None:
        raise config_error(key, path, f"a table with one of the columns {', '.join(TIMES)}")
    pair = "position" in columns and "choice" in columns
    named = next((column for column in NAMES if column in columns), None)
    if not pair and named is None:
        raise config_error(key, path, f"a table with the columns position and choice, or {', '.join(NAMES)}")
    for (number, _), row in zip(lines[1:], rows, strict=False):
        name = f"{row['position']}:{row['choice']}" if pair else row[str(named)]
        yield f"line {number}", str(name).strip(), row[time]
