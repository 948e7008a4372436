"""Starting processes."""

import multiprocessing
from multiprocessing.context import SpawnContext


def spawning() -> SpawnContext:
    """Return the context that starts fresh interpreters.

    A new process is told its parent's default way to start others. In joblib's workers that is joblib's own, of which a
    fresh interpreter knows nothing; there it is set to one that it knows.
    """
    known = multiprocessing.get_all_start_methods()
    if multiprocessing.get_start_method(allow_none=True) not in (None, *known):
        multiprocessing.set_start_method("spawn", force=True)
    return multiprocessing.get_context("spawn")
