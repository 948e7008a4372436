"""Cache of proxies in a file that several processes share.

Each line of the file is the JSON of one architecture: its key, its values and the seconds that they took. A process
appends whole lines under a lock. A line that a killed process tore is ignored, and the next line begins on a new row.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from seminas.errors import UserError
from seminas.storage.files import as_json, parse_json
from seminas.storage.values import Json


class Entry(NamedTuple):
    """Proxies of one architecture.

    Attributes:
        values: Values in the order of the settings' names.
        seconds: Duration of the computation.
    """

    values: tuple[float, ...]
    seconds: float


def digest(*parts: Json) -> str:
    """Return a short SHA-256 digest of JSON values."""
    return hashlib.sha256(as_json(list(parts))).hexdigest()[:20]


class ProxyCache:
    """Proxies by the key of their architecture, in a file and as far as this process has read it.

    If two processes compute the same architecture, the first line in the file counts, so all later readers agree.
    """

    def __init__(self, path: Path, num_values: int) -> None:
        """Read the file.

        Args:
            path: File of the cache. It need not exist.
            num_values: Number of values of an architecture. Lines with another number are ignored.

        Raises:
            UserError: The file cannot be read, or its folder cannot be made.
        """
        self._path, self._num_values = path, num_values
        self._entries: dict[str, Entry] = {}
        self._read_bytes = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{path.parent}: cannot be made ({error.strerror})") from error
        self.refresh()

    def get(self, key: str) -> Entry | None:
        """Return the proxies of an architecture, or None if they are not known."""
        return self._entries.get(key)

    def refresh(self) -> None:
        """Read the lines that other processes have appended since the last call.

        Raises:
            UserError: The file cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._read_bytes)
                data = file.read()
        except FileNotFoundError:
            return
        except OSError as error:
            raise UserError(f"{self._path}: cannot be read ({error.strerror})") from error
        whole, newline, _ = data.rpartition(b"\n")
        self._read_bytes += len(whole) + len(newline)
        for line in whole.splitlines():
            self._take(line)

    def add(self, entries: Mapping[str, Entry]) -> None:
        """Append architectures to the file, if they are not in it.

        Raises:
            UserError: The file cannot be written or locked.
        """
        try:
            with FileLock(self._path.with_suffix(".lock")):
                self.refresh()
                lines = b"".join(_lines((k, e) for k, e in entries.items() if k not in self._entries))
                if lines:
                    self._append(lines)
        except (OSError, NotImplementedError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise UserError(f"{self._path}: cannot be written ({reason})") from error
        self.refresh()

    def _append(self, lines: bytes) -> None:
        with self._path.open("ab+") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # A process was killed while it wrote.
                    lines = b"\n" + lines
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())

    def _take(self, line: bytes) -> None:
        try:
            content = parse_json(line)
            values = tuple(float(value) for value in content["values"])
            entry = Entry(values, float(content["seconds"]))
            key = content["key"]
        except (ValueError, KeyError, TypeError):
            return
        if len(entry.values) == self._num_values and isinstance(key, str):
            self._entries.setdefault(key, entry)


def _lines(entries: Iterable[tuple[str, Entry]]) -> Iterable[bytes]:
    for key, entry in entries:
        yield as_json({"key": key, "values": list(entry.values), "seconds": round(entry.seconds, 6)})
