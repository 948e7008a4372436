"""What the processes of these tests do: importable by its name, in a process that starts afresh."""

import json
import os
import signal
import threading
import time
from pathlib import Path

from seminas.errors import UserError

PLACE = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def write_place(folder: Path) -> None:
    """Write down where a rank is."""
    place = {name: os.environ[name] for name in PLACE}
    of_slurm = [name for name in os.environ if name.startswith("SLURM_")]
    text = json.dumps({**place, "pid": os.getpid(), "slurm": of_slurm})
    (folder / f"place{place['LOCAL_RANK']}.json").write_text(text)
    print(f"rank {place['LOCAL_RANK']} was here", flush=True)


def fail_on_second(folder: Path, how: str) -> None:
    """On the second rank end in some way, once the first has begun; the first waits to be ended."""
    pipe = folder / "pipe"
    if os.environ["LOCAL_RANK"] == "0":
        (folder / "first").write_text(str(os.getpid()))
        pipe.write_text("begun")
        while True:
            signal.pause()
    assert pipe.read_text() == "begun"
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    raise UserError("it cannot be") if how == "refused" else ValueError("it broke")


def wait_for_the_end(folder: Path) -> None:
    """Say that the rank has begun; on SIGTERM save, and end."""
    waking, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)  # No signal is missed between two steps.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    rank = os.environ["LOCAL_RANK"]
    (folder / f"pipe{rank}").write_text("begun")
    os.read(waking, 1)
    (folder / f"saved{rank}").touch()


class Doubles:
    """An object whose methods are called in other processes."""

    def twice(self, number: int) -> int:
        """Return twice a number; the process of 0 dies each time."""
        if number == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return 2 * number

    def once_more(self, file: Path) -> str:
        """Die at the first call."""
        if not file.exists():
            file.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "alive"

    def hang(self, folder: Path, seconds: float) -> str:
        """Write down the process, and take some time."""
        (folder / f"{seconds}.pid").write_text(str(os.getpid()))
        time.sleep(seconds)
        return "done"

    def give_a_lock(self) -> object:
        """Return what cannot be sent to another process."""
        return threading.Lock()

    def process(self) -> int:
        """Return the process."""
        return os.getpid()

    def refuse(self) -> None:
        """Raise an exception."""
        raise ValueError("it broke")
