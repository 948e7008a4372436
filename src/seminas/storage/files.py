"""Atomic file writes, strict JSON and the cache folder.

An atomic write creates a temporary file in the same folder, syncs it, and renames it.
"""

import errno
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO

from seminas.errors import UserError

LEFTOVER = re.compile(r"\.(\d+)-[0-9a-f]{8}$")
"""End of the name of a temporary file, with the id of its process."""


DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.ESTALE)
"""Error numbers of disks that are full or broken, which no program can mend."""


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file that replaces ``path`` when the block ends without an exception.

    A reader always sees the complete old file or the complete new file, even after a kill or on a full disk. The folder
    is synced too, so that the rename survives a power failure.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    # The mode is that of ordinary new files, so that the umask applies.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # Of a full disk, the error of a write names no file.
        raise
    sync_folder(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that ``atomic_write`` left in a folder when its process was killed."""
    for file in folder.glob(".*"):
        if (match := LEFTOVER.search(file.name)) and not _is_running(int(match[1])):
            file.unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def sync_folder(folder: Path) -> None:
    """Write the entries of a folder to the disk, if the file system supports this."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_file(path: Path, data: bytes) -> None:
    """Write a file atomically.

    Raises:
        UserError: The file cannot be written.
    """
    try:
        with atomic_write(path) as file:
            file.write(data)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error


def as_json(value: Any, indent: int | None = None) -> bytes:
    """Return a value as strict JSON with a newline at the end.

    Raises:
        ValueError: The value contains a number that is not finite. Strict JSON has no such numbers.
    """
    return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def parse_json(data: bytes | str) -> Any:
    """Return the value of strict JSON.

    Raises:
        ValueError: The data is not strict JSON. ``NaN``, ``Infinity`` and numbers beyond 64-bit floats are not allowed.
    """

    def number(text: str) -> float:
        if not isfinite(value := float(text)):
            raise ValueError(f"{text:.80} is no number of JSON")
        return value

    try:
        return json.loads(data, parse_constant=number, parse_float=number)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def write_json(path: Path, value: Any, indent: int | None = None) -> None:
    """Write a value as strict JSON, atomically.

    Raises:
        UserError: The file cannot be written.
        ValueError: The value contains a number that is not finite.
    """
    write_file(path, as_json(value, indent))


def cache_dir() -> Path:
    """Return the cache folder: ``$SEMINAS_CACHE``, or ``~/.cache/seminas``. Its files can always be made again."""
    return Path(os.environ.get("SEMINAS_CACHE") or "~/.cache/seminas").expanduser()
