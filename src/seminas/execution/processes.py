"""Processes and ranks: how they start, how they end with their parent, and which rank a process is."""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext

_WATCH = "ends with its parent"
"""Name of the thread that watches the parent."""
TOLD_TO_END = 128 + signal.SIGTERM
"""Exit status of a process that ended because of SIGTERM, even if it first saved its work."""
SIGNAL_OF = {128 + number: number for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
"""Signal that ended a process, by the exit status of the process."""


def spawning() -> SpawnContext:
    """Return the multiprocessing context that starts fresh interpreters."""
    use_known_start_method()
    return multiprocessing.get_context("spawn")


def use_known_start_method() -> None:
    """Replace the start method of processes if a fresh interpreter does not know it.

    A new process inherits the start method of its parent. In a joblib worker, this is a method of joblib. A fresh
    interpreter does not know that method and would fail, so this function sets ``spawn``.
    """
    known = multiprocessing.get_all_start_methods()
    if multiprocessing.get_start_method(allow_none=True) not in (None, *known):
        multiprocessing.set_start_method("spawn", force=True)


def become_quiet() -> None:
    """Compute on one thread, and let Lightning print errors alone: what a process does that is one of many."""
    import torch

    torch.set_num_threads(1)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


@contextmanager
def raising_interrupts() -> Iterator[None]:
    """Let Ctrl-C in a call of Lightning's trainer raise ``KeyboardInterrupt``, as it does elsewhere.

    Lightning itself would exit with status 1, and would ignore each later Ctrl-C.
    """
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        if not isinstance(error.__context__, KeyboardInterrupt):
            raise
        if in_main:
            signal.signal(signal.SIGINT, before)
        raise error.__context__ from None


@contextmanager
def holding_interrupts() -> Iterator[None]:
    """Hold back Ctrl-C for the processes that the block starts, until they call ``ignore_interrupts``.

    Ctrl-C in a terminal reaches all processes. One that is just starting would end with a traceback. In this process,
    Ctrl-C acts at the end of the block.
    """
    resource_tracker.ensure_running()  # Its start would end the holding.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_interrupts() -> None:
    """Ignore Ctrl-C in this process. Its parent handles Ctrl-C and ends its processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def end_with_parent(parent: int) -> None:
    """End this process soon after its parent process has ended, for whatever reason.

    Args:
        parent: Process id of the parent. If the parent has already ended, this process ends at once.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)  # A run folder stays valid after a kill at any point.

    if not any(thread.name == _WATCH for thread in threading.enumerate()):
        threading.Thread(target=watch, name=_WATCH, daemon=True).start()


def quiet_logging() -> None:
    """Let logging drop a message that it cannot write. On a full disk it would print a traceback for each message."""
    logging.raiseExceptions = False


@contextmanager
def only_errors(name: str) -> Iterator[None]:
    """Let the logger with this name print errors alone, and hide all warnings."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def was_told_to_end(error: SystemExit) -> bool:
    """Return whether an exit is the answer to a signal, and not the program's own wish.

    Ray's workers answer SIGTERM by status 1. They mark the exception.
    """
    return error.code in SIGNAL_OF or hasattr(error, "ray_terminate_msg")


def end_ray() -> None:
    """Shut down Ray in this process, if Ray is running."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        ray.shutdown()


def ranks_are_started() -> bool:
    """Return whether Slurm, torchrun or ``execution.ranks`` started this process as one of several ranks."""
    return "LOCAL_RANK" in os.environ or int(os.environ.get("SLURM_NTASKS", 1)) > 1


def rank_of_all() -> int:
    """Return the rank of this process among the ranks of all machines, 0 for a single process."""
    if not ranks_are_started():
        return 0
    return int(next(os.environ[n] for n in ("RANK", "SLURM_PROCID", "LOCAL_RANK") if n in os.environ))


def number_of_ranks() -> int:
    """Return the number of ranks on all machines, 1 for a single process."""
    if not ranks_are_started():
        return 1
    return int(next(os.environ[name] for name in ("WORLD_SIZE", "SLURM_NTASKS") if name in os.environ))


def number_of_tasks() -> int:
    """Return the number of processes that run this job side by side: ranks, or tasks of submitit on one machine."""
    return max(number_of_ranks(), int(os.environ.get("SUBMITIT_LOCAL_NTASKS", 1)))


def is_first_rank() -> bool:
    """Return whether this process is the first rank, which writes the files of a run."""
    return rank_of_all() == 0


def under_submitit() -> bool:
    """Return whether submitit started this process or its parent."""
    return "SUBMITIT_EXECUTOR" in os.environ


def take_rank_from_submitit() -> None:
    """Set the rank variables of this process if submitit's local executor started several processes.

    On Slurm, Slurm itself sets the rank variables.
    """
    if os.environ.get("SUBMITIT_EXECUTOR") != "local" or "LOCAL_RANK" in os.environ:
        return
    from submitit.helpers import TorchDistributedEnvironment

    environment = TorchDistributedEnvironment()
    if environment.world_size > 1:
        environment.export(set_cuda_visible_devices=False)
