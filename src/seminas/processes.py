"""Starting processes, and ending them with the one that started them."""

import multiprocessing
import os
import sys
import threading
import time
from multiprocessing.context import SpawnContext

_WATCH = "ends with its parent"


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
