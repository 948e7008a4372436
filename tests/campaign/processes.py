"""Processes of a trial: their start, with or without faults of the file system, and their end."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from support import BIN, ROOT

TESTS = Path(__file__).resolve().parents[1]
SOURCE = Path(__file__).with_name("faulty.c")
_MARK = "CAMPAIGN_TRIAL"


def built_shim(folder: Path) -> Path:
    """Compile the faults of the file system, and return the library."""
    library = folder / "faulty.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return library


class Processes:
    """The processes of a trial. An environment variable marks them, also those that lost their parent."""

    def __init__(self, folder: Path, ledgers: Path) -> None:
        """Use ``folder`` as the working directory, and its path as the mark."""
        self.folder, self._ledgers = folder, ledgers

    def start(self, command: list[str], faults: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a command of the project. Its output goes to the files ``out`` and ``err``."""
        environment = os.environ | {
            _MARK: str(self.folder),
            "LEDGERS": str(self._ledgers),
            "PYTHONPATH": f"{TESTS}{os.pathsep}{ROOT / 'src'}",
            "OMP_NUM_THREADS": "1",
        }
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
            return subprocess.Popen(
                [str(BIN / command[0]), *command[1:]],
                cwd=self.folder,
                env=environment | dict(faults or {}),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=_default_signals,
            )

    def errors(self) -> str:
        """Return what the last command wrote on stderr."""
        return (self.folder / "err").read_text(errors="replace")

    def running(self) -> list[int]:
        """Return the ids of all running processes of the trial, zombies excluded."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                marked = f"{_MARK}={self.folder}".encode() in (process / "environ").read_bytes().split(b"\0")
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if marked and state != "Z":
                found.append(int(process.name))
        return sorted(found)

    def left_after(self, seconds: float) -> list[int]:
        """Wait until no process of the trial is left. Return those that are left after a number of seconds."""
        until = time.monotonic() + seconds
        while (left := self.running()) and time.monotonic() < until:
            time.sleep(0.05)
        return left

    def kill(self) -> None:
        """Kill all processes of the trial."""
        for pid in self.running():
            send(pid, signal.SIGKILL)


def _default_signals() -> None:
    """Undo what nohup and shells do to the signals of commands in the background, which inherit it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def send(pid: int, number: signal.Signals) -> bool:
    """Send a signal. Return whether the process was there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
