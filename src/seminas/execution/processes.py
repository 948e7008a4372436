"""Starting processes, and ending them with the one that started them."""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from multiprocessing.context import SpawnContext

_WATCH = "ends with its parent"
TOLD_TO_END = 128 + signal.SIGTERM
"""Exit status of a process that SIGTERM has ended, also of one that did not end at once."""


def spawning() -> SpawnContext:
    """Return the context that starts fresh interpreters."""
    use_known_start_method()
    return multiprocessing.get_context("spawn")


def use_known_start_method() -> None:
    """Make sure that processes started from here can begin.

    A new process is told its parent's default way to start others. In joblib's workers that is joblib's own, of which a
    fresh interpreter knows nothing; there it is set to one that it knows.
    """
    known = multiprocessing.get_all_start_methods()
    if multiprocessing.get_start_method(allow_none=True) not in (None, *known):
        multiprocessing.set_start_method("spawn", force=True)


def become_quiet() -> None:
    """Compute on one thread, and let Lightning print errors alone: what a process does that is one of many."""
    import torch

    torch.set_num_threads(1)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


def end_with_parent(parent: int) -> None:
    """End this process soon after the one that started it has ended, however that was.

    Args:
        parent: The process that started this one; if it is gone already, this one ends at once.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)  # A run folder survives a kill at any point.

    if not any(thread.name == _WATCH for thread in threading.enumerate()):
        threading.Thread(target=watch, name=_WATCH, daemon=True).start()


def end_ray() -> None:
    """End what runs on Ray for this process, if anything does."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        ray.shutdown()


def ranks_are_started() -> bool:
    """Return whether this process is one of several ranks, as Slurm, torchrun and ``training.launch`` start them."""
    return "LOCAL_RANK" in os.environ or int(os.environ.get("SLURM_NTASKS", 1)) > 1


def rank_of_all() -> int:
    """Return which of all ranks, on all machines, this process is; 0 where it is alone."""
    if not ranks_are_started():
        return 0
    return int(next(os.environ[n] for n in ("RANK", "SLURM_PROCID", "LOCAL_RANK") if n in os.environ))


def number_of_ranks() -> int:
    """Return how many ranks there are, on all machines."""
    if not ranks_are_started():
        return 1
    return int(next(os.environ[name] for name in ("WORLD_SIZE", "SLURM_NTASKS") if name in os.environ))


def is_first_rank() -> bool:
    """Return whether this process is the one of all ranks that writes what a run leaves."""
    return rank_of_all() == 0


def under_submitit() -> bool:
    """Return whether submitit started this process, or the one that it is a rank of."""
    return "SUBMITIT_EXECUTOR" in os.environ


def take_rank_from_submitit() -> None:
    """Take this process's rank from submitit, where it started several on this machine; Slurm's own says it itself."""
    if os.environ.get("SUBMITIT_EXECUTOR") != "local" or "LOCAL_RANK" in os.environ:
        return
    from submitit.helpers import TorchDistributedEnvironment

    environment = TorchDistributedEnvironment()
    if environment.world_size > 1:
        environment.export(set_cuda_visible_devices=False)
