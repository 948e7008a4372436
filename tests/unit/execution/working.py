"""Functions and classes that test processes run. A new process can import them by name."""

import errno
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from seminas.errors import UserError

PLACE = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def write_place(folder: Path) -> None:
    """Write the environment variables of a rank into a file."""
    variables = {name: os.environ[name] for name in PLACE}
    of_slurm = [name for name in os.environ if name.startswith("SLURM_")]
    text = json.dumps({**variables, "pid": os.getpid(), "slurm": of_slurm})
    (folder / f"place{variables['LOCAL_RANK']}.json").write_text(text)
    print(f"rank {variables['LOCAL_RANK']} was here", flush=True)


def fail_on_second(folder: Path, how: str) -> None:
    """Fail on the second rank after the first rank has begun. The first rank waits until it is ended."""
    pipe = folder / "pipe"
    if os.environ["LOCAL_RANK"] == "0":
        (folder / "first").write_text(str(os.getpid()))
        if how == "lost":  # The other rank fails first, because it loses this one.
            pipe.write_text("begun")
            assert pipe.read_text() == "failing"
            raise UserError("the disk is full")
        pipe.write_text("begun")
        while True:
            signal.pause()
    assert pipe.read_text() == "begun"
    if how == "lost":
        pipe.write_text("failing")
        raise RuntimeError("Connection closed by peer")
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "interrupted":
        raise KeyboardInterrupt
    if how == "hung up":
        sys.exit(128 + signal.SIGHUP)
    raise UserError("it cannot be") if how == "refused" else ValueError("it broke")


def wait_for_the_end(folder: Path) -> None:
    """Report that the rank has begun, and wait. On SIGTERM, save and end."""
    waking, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)  # This way no signal is missed.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    rank = os.environ["LOCAL_RANK"]
    (folder / f"pipe{rank}").write_text("begun")
    os.read(waking, 1)
    (folder / f"saved{rank}").touch()


class Doubles:
    """A target whose methods the engine calls in other processes."""

    def twice(self, number: int) -> int:
        """Return twice a number. For 0, kill the process."""
        if number == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return 2 * number

    def once_more(self, file: Path) -> str:
        """Kill the process at the first call. Return at the second call."""
        if not file.exists():
            file.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "alive"

    def hang(self, folder: Path, seconds: float) -> str:
        """Write down the process, and take some time."""
        (folder / f"{seconds}.pid").write_text(str(os.getpid()))
        time.sleep(seconds)
        return "done"

    def wait_for(self, folder: Path, name: str) -> str:
        """Add a line to a file, and return when a second file exists."""
        with (folder / f"{name}.begun").open("a") as file:
            file.write("begun\n")
        while not (folder / f"{name}.go").exists():
            time.sleep(0.02)
        return name

    def call_name(self, method: str, *arguments: object) -> str:
        """Return the name of a call."""
        return f"{method} {arguments}"

    def give_a_lock(self) -> object:
        """Return what cannot be sent to another process."""
        return threading.Lock()

    def process(self) -> int:
        """Return the process."""
        return os.getpid()

    def refuse(self) -> None:
        """Raise an exception."""
        raise ValueError("it broke")


def fail_on_a_full_disk(how: str) -> None:
    """Fail as on a full disk: with the error of a write, or with an error in one line."""
    raise (
        OSError(errno.ENOSPC, "No space left on device", "last.ckpt")
        if how == "os"
        else UserError("it is full")
    )
