"""Locks of folders: a lock file, and a note of the process that holds the lock.

Only a process that wants to work in the folder takes the lock. ``is_held`` reads the note only. On the holder's machine
the holder's process must be alive. On another machine the note must be fresh.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from seminas.errors import UserError
from seminas.storage.files import as_json, parse_json, remove_leftovers, write_file

LOCK_FILE, HOLDER_FILE = ".lock", ".holder"
FRESHEN_S, STALE_S = 10.0, 60.0
"""Seconds between two updates of a note, and age in seconds from which a note of another machine is stale."""


@contextmanager
def held(folder: Path, work: str) -> Iterator[None]:
    """Hold the lock of a folder during a block.

    Args:
        folder: Folder to lock. It is created if it does not exist.
        work: Predicate for the error message about another process, such as ``is running this sweep``.

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
        remove_leftovers(folder)
        write_file(note, as_json(_identity(os.getpid())))
        threading.Thread(target=_freshen, args=(note, stop), daemon=True).start()
        yield
    finally:
        stop.set()
        note.unlink(missing_ok=True)
        lock.release()


@contextmanager
def awaited(file: Path, waits: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a file during a block. Wait as long as another process holds it.

    Without a folder that can be written and a file system with locks, do not lock.

    Args:
        file: Lock file. It is created with its folder if it does not exist, and stays.
        waits: Function that is called once if another process holds the lock.
    """
    lock = FileLock(file, timeout=-1, fallback_to_soft=False)
    with suppress(OSError, NotImplementedError):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waits()
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def is_held(folder: Path) -> bool:
    """Return whether a process holds the lock of a folder. This takes no lock."""
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
    """Return the Unix time of the last update of a folder's note, or None if the folder has no note.

    The note of a killed process stays in the folder.
    """
    try:
        return (folder / HOLDER_FILE).stat().st_mtime
    except OSError:
        return None


def _freshen(note: Path, stop: threading.Event) -> None:
    """Update the modification time of a note until ``stop`` is set."""
    while not stop.wait(FRESHEN_S):
        try:
            os.utime(note)
        except OSError:
            return


def _identity(pid: int) -> dict[str, Any] | None:
    """Return values that identify a process, or None if the process is not alive.

    The start time distinguishes it from a later process with the same id.
    """
    try:
        # The name of the process is in parentheses and may contain spaces.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        started: str | None = fields[18]
        if state in "ZX":
            return None
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
        started = None  # The system has no /proc.
        try:
            os.kill(pid, 0)
        except OSError:
            return None
    except (OSError, IndexError):
        started = None
    return {"host": socket.gethostname(), "pid": pid, "started": started}
