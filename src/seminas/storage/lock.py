"""Folders that one process works in: a lock file, and a note of the process that holds it.

Only a process that wants to work takes the lock. Whoever asks whether a folder is held reads the note: on the holder's
machine its process must be alive, and from another machine the note must be fresh.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from seminas.errors import UserError
from seminas.storage.files import as_json, parse_json, write_file

LOCK_FILE, HOLDER_FILE = ".lock", ".holder"
FRESHEN_S, STALE_S = 10.0, 60.0
"""Seconds between two signs of life, and the age at which another machine's note says nothing any more."""


@contextmanager
def held(folder: Path, work: str) -> Iterator[None]:
    """Hold a folder.

    Args:
        folder: Made where it is not there.
        work: What another process does that holds it, such as ``is running this sweep``, for the error.

    Raises:
        UserError: Another process holds it, it cannot be made, or its file system has no locks.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made ({error.strerror})") from error
    try:
        lock = FileLock(folder / LOCK_FILE, timeout=0, fallback_to_soft=False)
        lock.acquire()
    except Timeout as error:
        raise UserError(f"{folder}: another process {work}") from error
    except (OSError, NotImplementedError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UserError(f"{folder / LOCK_FILE}: cannot be locked ({reason})") from error
    note = folder / HOLDER_FILE
    stop = threading.Event()
    try:
        write_file(note, as_json(_identity(os.getpid())))
        threading.Thread(target=_freshen, args=(note, stop), daemon=True).start()
        yield
    finally:
        stop.set()
        note.unlink(missing_ok=True)
        lock.release()


def is_held(folder: Path) -> bool:
    """Return whether a process holds a folder; takes no lock."""
    note = folder / HOLDER_FILE
    try:
        holder: dict[str, Any] = parse_json(note.read_bytes())
        age = time.time() - note.stat().st_mtime
        if holder["host"] != socket.gethostname():
            return age < STALE_S
        return _identity(int(holder["pid"])) == holder
    except (OSError, ValueError, KeyError, TypeError):
        return False


def last_sign_of_life(folder: Path) -> float | None:
    """Return when the note of a folder's holder was last freshened, in Unix time; None where there is no note.

    A process that was killed leaves its note behind.
    """
    try:
        return (folder / HOLDER_FILE).stat().st_mtime
    except OSError:
        return None


def _freshen(note: Path, stop: threading.Event) -> None:
    while not stop.wait(FRESHEN_S):
        try:
            os.utime(note)
        except OSError:
            return


def _identity(pid: int) -> dict[str, Any] | None:
    """Return what tells a process from all others, also from one of the same number; None where it is not alive."""
    try:
        # The name, in parentheses, may hold spaces.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        started: str | None = fields[18]
        if state in "ZX":
            return None
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
        started = None  # A system without /proc.
        try:
            os.kill(pid, 0)
        except OSError:
            return None
    except (OSError, IndexError):
        started = None
    return {"host": socket.gethostname(), "pid": pid, "started": started}
