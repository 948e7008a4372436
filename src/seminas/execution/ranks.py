"""Running a function on several processes of one machine, the ranks of a job.

Lightning would start ranks by running the command line again. Inside a sweep, this would run the whole sweep again. So
here each rank gets a function and its arguments.
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
from contextlib import contextmanager, suppress
from multiprocessing import connection
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from seminas.errors import UserError
from seminas.execution.processes import (
    SIGNAL_OF,
    TOLD_TO_END,
    end_with_parent,
    quiet_logging,
    spawning,
    under_submitit,
)
from seminas.storage.files import DISK_FAULTS

log = logging.getLogger(__name__)
LONGEST = 20_000
"""Largest number of characters of a failed rank's log that the job's log repeats."""
SAVE_S = 120.0
"""Seconds that ranks have to save their work and end after this process receives SIGTERM."""
SETTLE_S = 2.0
"""Seconds in which other ranks may fail too, after one has failed."""
GRACE_S = 10.0
"""Seconds that ranks have to end after SIGTERM before they are killed."""


def launch(function: Callable[..., None], arguments: tuple[Any, ...], num_processes: int, logs: Path) -> None:
    """Run ``function(*arguments)`` on each of several ranks, and wait until all ranks have ended.

    Args:
        function: Function that can be imported by its name.
        arguments: Picklable arguments.
        num_processes: Number of ranks.
        logs: Folder of the ranks' logs, ``rank0.log`` and so on.

    Raises:
        UserError: A rank failed, and the other ranks were ended. The message is from the first failed rank, whose log
            has the traceback.
        SystemExit: This process received SIGTERM and ended the ranks.
    """
    context = spawning()
    logs.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    processes = []
    errors: list[connection.Connection] = []
    for rank in range(num_processes):
        receiver, sender = context.Pipe(duplex=False)
        errors.append(receiver)
        seat = Seat(rank, num_processes, port, logs / f"rank{rank}.log", os.getpid(), sender)
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
                    failure = _first_cause(processes, errors, rank)
                    raise _failure(failure, logs / f"rank{failure.rank}.log")
    if told:
        sys.exit(TOLD_TO_END)


@contextmanager
def _passed_on(processes: list[Any]) -> Iterator[list[float]]:
    """Pass SIGTERM on to the ranks, so that they can save their work. End all ranks when the block ends.

    Submitit sends its signals to the ranks itself, so under submitit nothing is passed on.

    Yields:
        Times at which SIGTERM came, in seconds of the monotonic clock. The list is empty before the first signal.
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


def _first_cause(processes: list[Any], errors: list[connection.Connection], rank: int) -> "_Failure":
    """Return the failed rank that most likely made the others fail.

    If a rank fails, the others lose their connection to it, and may end before it with an error of their own. A rank
    with an error of the user or of a disk is the cause, and after it a rank that a signal ended.

    Args:
        processes: Processes of all ranks.
        errors: Pipes for the errors of all ranks.
        rank: Rank that ended first.
    """
    until, stated = time.monotonic() + SETTLE_S, dict[int, _Stated]()
    silent = dict(enumerate(errors))
    while True:
        for i, error in list(silent.items()):
            if error.poll():
                del silent[i]
                with suppress(EOFError):
                    stated[i] = error.recv()
        # A rank states its error before it ends, and on a busy machine the end may take seconds.
        alive = [p.sentinel for p in processes if p.exitcode is None]
        left = until - time.monotonic()
        if not alive or left <= 0 or any(not error.is_bug for error in stated.values()):
            break
        connection.wait([*alive, *silent.values()], left)
    codes = {i: p.exitcode or 1 for i, p in enumerate(processes) if p.exitcode or i in stated}
    known = {i for i, error in stated.items() if not error.is_bug}
    best = min(codes, key=lambda i: (i not in known, codes[i] > 0, i != rank))
    return _Failure(best, codes[best], stated[best].line if best in stated else None)


def _failure(failure: "_Failure", file: Path) -> UserError:
    """Return the error of a rank that ended with an exit code, and log the end of the rank's log.

    The rank's error comes through a pipe, because a full disk has no room for it.
    """
    rank, code, line = failure
    number = -code if code < 0 else SIGNAL_OF.get(code)
    if number is not None:
        return UserError(f"{file}: rank {rank} was ended by signal {int(number)}")
    output = ""
    with suppress(OSError):
        output = file.read_text(errors="replace").rstrip()
        log.error("rank %d failed:\n%s", rank, output[-LONGEST:])
    last = output.splitlines()[-1] if output else f"exit status {code}"
    return UserError(f"{file}: rank {rank} failed: {last if line is None else line}")


def _end(processes: list[Any]) -> None:
    """End the processes that are alive: by SIGTERM first, and by SIGKILL after ``GRACE_S`` seconds."""
    alive = [process for process in processes if process.pid is not None and process.is_alive()]
    for process in alive:
        process.terminate()
    for process in alive:
        process.join(GRACE_S)
        if process.is_alive():
            process.kill()
            process.join()


class _Stated(NamedTuple):
    """Error that a rank sent: its last line, and whether it is neither a user's error nor a fault of a disk."""

    line: str
    is_bug: bool


class _Failure(NamedTuple):
    """A failed rank, its exit code, and the last line of its error if the rank sent one."""

    rank: int
    code: int
    line: str | None


class Seat(NamedTuple):
    """The place of a process among the ranks.

    Attributes:
        rank: Number of the rank, from 0.
        num_processes: Number of ranks.
        port: Port of this machine at which the ranks connect.
        log: File for the output of the rank.
        parent: Process id of the parent process.
        errors: Pipe for the error of the rank.
    """

    rank: int
    num_processes: int
    port: int
    log: Path
    parent: int
    errors: "connection.Connection"


def _rank(seat: Seat, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Run a function as a rank.

    Set the rank variables in the environment, write output to the rank's log, and end with the parent process.
    """
    rank, num_processes, port, path, parent, errors = seat
    # The job is one task of Slurm. Lightning would take the number of tasks for the number of ranks.
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
    quiet_logging()
    try:
        file = path.open("ab", buffering=0)
        file.write(f"rank {rank} of {num_processes}, process {os.getpid()}\n".encode())
    except OSError as error:
        errors.send(_Stated(f"cannot be written ({error.strerror})", is_bug=False))
        sys.exit(2)
    for stream in (1, 2) if rank else ():  # The first rank prints to the screen of the job.
        os.dup2(file.fileno(), stream)
    logging.basicConfig(
        filename=path, level=logging.INFO, format="[%(asctime)s][%(name)s][%(levelname)s] %(message)s"
    )
    try:
        function(*arguments)
    except SystemExit as error:
        sys.exit(TOLD_TO_END if error.code is None else error.code)  # Lightning exits without a status.
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        is_disk = isinstance(error, OSError) and error.errno in DISK_FAULTS
        is_bug = not (is_disk or isinstance(error, UserError))
        _tell(traceback.format_exc() if is_bug else str(error), is_bug, file, errors)
        sys.exit(1 if is_bug else 2)


def _tell(text: str, is_bug: bool, log: BinaryIO, errors: "connection.Connection") -> None:
    """Write an error to the rank's log, and send its last line to the parent process."""
    with suppress(OSError):
        log.write(f"{text}\n".encode())
    with suppress(OSError):
        errors.send(_Stated(text.splitlines()[-1], is_bug))


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
