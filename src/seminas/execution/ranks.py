"""Running a function on several processes of one machine, the ranks of one job.

Lightning would start ranks by running the command line again: inside a sweep, that is the whole sweep again. Here a
rank is given the function and its arguments, so that it does exactly what its job does.
"""

import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import connection
from pathlib import Path
from typing import Any, NamedTuple

from seminas.errors import UserError
from seminas.execution.processes import TOLD_TO_END, end_with_parent, spawning, under_submitit

log = logging.getLogger(__name__)
LONGEST = 20_000
"""Characters of a failed rank's log that the job's log repeats."""
SAVE_S = 120.0
"""Seconds that ranks have to save and end when this process is told to end."""
GRACE_S = 10.0
"""Seconds that the other ranks have to end, after one has failed, before they are killed."""


def launch(function: Callable[..., None], arguments: tuple[Any, ...], num_processes: int, logs: Path) -> None:
    """Run ``function(*arguments)`` once on each of several ranks; returns when all have ended.

    Args:
        function: Importable by its name.
        arguments: Picklable.
        num_processes: Ranks.
        logs: Folder of ``rank0.log`` …, what each prints.

    Raises:
        UserError: A rank failed; the others were ended. Its message is of the first one, its traceback in its log.
        SystemExit: This process was told to end, by SIGTERM, and so were the ranks.
    """
    context = spawning()
    logs.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    processes = []
    for rank in range(num_processes):
        seat = Seat(rank, num_processes, port, logs / f"rank{rank}.log", os.getpid())
        processes.append(context.Process(target=_rank, args=(seat, function, arguments), name=f"rank {rank}"))
    with _passed_on(processes) as told:
        for process in processes:
            if not told:
                process.start()
        waiting = {p.sentinel: rank for rank, p in enumerate(processes) if p.pid is not None}
        while waiting and not (told and time.monotonic() > told[0] + SAVE_S):
            for sentinel in connection.wait(list(waiting), timeout=1.0):
                rank = waiting.pop(sentinel)  # type: ignore[arg-type]
                processes[rank].join()
                code = processes[rank].exitcode
                if code and not told:
                    raise _failure(rank, code, logs)
    if told:
        sys.exit(TOLD_TO_END)


@contextmanager
def _passed_on(processes: list[Any]) -> Iterator[list[float]]:
    """Pass SIGTERM on to ranks, which may want to save; yields when it came. In the end no rank is left.

    Submitit has its own way with signals, and sends them to the ranks as well.
    """
    told: list[float] = []

    def tell(number: int, frame: Any) -> None:
        told.append(time.monotonic())
        for process in processes:
            if process.pid is not None:
                process.terminate()

    listens = threading.current_thread() is threading.main_thread() and not under_submitit()
    before = signal.signal(signal.SIGTERM, tell) if listens else None
    try:
        yield told
    finally:
        _end(processes)
        if listens:
            signal.signal(signal.SIGTERM, before)


def _failure(rank: int, code: int, logs: Path) -> UserError:
    file = logs / f"rank{rank}.log"
    if code < 0 or code == TOLD_TO_END:
        return UserError(f"{file}: rank {rank} was ended by signal {abs(code) % 128}")
    said = file.read_text(errors="replace").rstrip()
    log.error("rank %d failed:\n%s", rank, said[-LONGEST:])
    return UserError(f"{file}: rank {rank} failed: {said.splitlines()[-1]}")


def _end(processes: list[Any]) -> None:
    alive = [process for process in processes if process.pid is not None and process.is_alive()]
    for process in alive:
        process.terminate()
    for process in alive:
        process.join(GRACE_S)
        if process.is_alive():
            process.kill()
            process.join()


class Seat(NamedTuple):
    """Which rank a process is.

    Attributes:
        rank: From 0.
        num_processes: Ranks.
        port: Of this machine, where they meet.
        log: What the rank prints.
        parent: The process that started it.
    """

    rank: int
    num_processes: int
    port: int
    log: Path
    parent: int


def _rank(seat: Seat, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Run a function as a rank: its number in the environment, its output in its log, its end with its parent's."""
    rank, num_processes, port, path, parent = seat
    # The job is one task of Slurm, and its ranks are none. Lightning would count tasks.
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        del os.environ[name]
    os.environ |= {
        "LOCAL_RANK": str(rank),
        "NODE_RANK": "0",
        "WORLD_SIZE": str(num_processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    end_with_parent(parent)
    file = path.open("ab", buffering=0)
    file.write(f"rank {rank} of {num_processes}, process {os.getpid()}\n".encode())
    for stream in (1, 2) if rank else ():  # The first rank's screen is the job's.
        os.dup2(file.fileno(), stream)
    logging.basicConfig(
        filename=path, level=logging.INFO, format="[%(asctime)s][%(name)s][%(levelname)s] %(message)s"
    )
    try:
        function(*arguments)
    except SystemExit as error:
        sys.exit(TOLD_TO_END if error.code is None else error.code)  # Lightning ends without a status.
    except UserError as error:
        file.write(f"{error}\n".encode())
        sys.exit(2)
    except Exception:
        file.write(traceback.format_exc().encode())
        sys.exit(1)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
