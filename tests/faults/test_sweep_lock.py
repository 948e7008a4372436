"""Test the lock of a folder: its holder, refused processes, and the state after a kill."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from seminas.errors import UserError
from seminas.runs.folder import RunFolder
from seminas.storage.lock import HOLDER_FILE, LOCK_FILE, STALE_S, held, is_held

HOLDER = """
import sys
from pathlib import Path
from seminas.storage.lock import held
with held(Path(sys.argv[1]), "works here"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process that holds a folder's lock until the block ends."""
    command = [sys.executable, "-c", HOLDER, str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as error, held(folder, "works here"):
        pass
    return str(error.value)


def test_one_process_holds_a_folder_and_the_other_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert not is_held(folder)
    with holder(folder):
        assert is_held(folder)
        assert refused(folder) == f"{folder}: another process works here"
        assert is_held(folder)  # The refused process has not changed the holder's note.
    assert not is_held(folder)
    with held(folder, "works here"):
        assert is_held(folder)
        assert refused(folder) == f"{folder}: another process works here"
        assert is_held(folder)
    assert not is_held(folder)


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        os.kill(process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # It is dead, but not yet reaped.
        assert not is_held(tmp_path)
        process.wait()
        assert not is_held(tmp_path)
        assert (tmp_path / HOLDER_FILE).exists()
        with held(tmp_path, "works here"):
            assert is_held(tmp_path)


def write_note(folder: Path, **changed: Any) -> None:
    """Change the note of the process that holds a folder."""
    note = folder / HOLDER_FILE
    note.write_text(json.dumps(json.loads(note.read_text()) | changed))


def test_another_process_of_the_same_number_is_not_the_holder(tmp_path: Path) -> None:
    with held(tmp_path, "works here"):
        write_note(tmp_path, started="1")
        assert not is_held(tmp_path)


def test_a_note_from_another_machine_counts_while_it_is_fresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seminas.storage.lock.FRESHEN_S", 1e6)
    with held(tmp_path, "works here"):
        write_note(tmp_path, host="elsewhere", pid=2**22 + 1)
        note = tmp_path / HOLDER_FILE
        now = note.stat().st_mtime
        for age, holds in ((0, True), (STALE_S / 2, True), (2 * STALE_S, False)):
            os.utime(note, (now - age, now - age))
            assert is_held(tmp_path) is holds, age


def test_the_holder_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seminas.storage.lock.FRESHEN_S", 0.001)
    note = tmp_path / HOLDER_FILE
    with held(tmp_path, "works here"):
        os.utime(note, (0, 0))
        while note.stat().st_mtime == 0:
            pass
        assert is_held(tmp_path)


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b"7", b"{}", b'{"pid": 1}', b"\xff"])
def test_a_note_that_is_none_holds_nothing(note: bytes, tmp_path: Path) -> None:
    (tmp_path / HOLDER_FILE).write_bytes(note)
    assert not is_held(tmp_path)
    with held(tmp_path, "works here"):
        assert is_held(tmp_path)


def test_a_file_system_without_locks_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(file: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", without)
    assert refused(tmp_path) == f"{tmp_path / LOCK_FILE}: cannot be locked (No locks available)"
    assert not is_held(tmp_path)


_opened: list[str] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _opened is not None:
        _opened.append(str(arguments[0]))


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """Yield a list of the names of all files that this process opens during the block."""
    global _opened
    sys.addaudithook(_watch)  # The hook cannot be removed. Outside a block it does nothing.
    _opened = []
    try:
        yield _opened
    finally:
        _opened = None


def test_who_asks_never_opens_the_lock_file(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with holder(tmp_path) as process:
        with opened_files() as while_held:
            assert is_held(tmp_path) and folder.state().name == "running"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with opened_files() as after:
            assert not is_held(tmp_path) and folder.state().name == "missing"
    with opened_files() as taking, held(tmp_path, "works here"):
        pass
    for opened in (while_held, after):
        assert str(tmp_path / HOLDER_FILE) in opened and str(tmp_path / LOCK_FILE) not in opened
    assert str(tmp_path / LOCK_FILE) in taking  # The hook sees the lock file.
