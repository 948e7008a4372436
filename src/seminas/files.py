"""Files that are whole or absent: written beside their place, synced, then renamed into it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from seminas.errors import UserError


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file that takes the place of ``path`` when the block ends without an exception.

    A reader sees the old file or the new one, never a part, also after a kill or on a full disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_file(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all.

    Raises:
        UserError: It cannot be written.
    """
    try:
        with atomic_write(path) as file:
            file.write(data)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error


def cache_dir() -> Path:
    """Folder of what can be made again: ``$SEMINAS_CACHE``, or ``~/.cache/seminas``."""
    return Path(os.environ.get("SEMINAS_CACHE") or "~/.cache/seminas").expanduser()
