"""The part of a call that runs inside a Slurm job."""

import os
import pickle
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seminas.errors import first_line
from seminas.execution.base import LostError, Raised
from seminas.execution.deadline import call_in_thread
from seminas.execution.processes import become_quiet
from seminas.execution.submitted import cancel_mark

WATCH_EVERY_S = 0.2
"""Seconds between two looks at the file that tells this process to end."""


def run_call(target: Path, paths: Sequence[str], call: bytes, timeout_s: float | None) -> bytes:
    """Make a call in this process, which a job has started. Return its pickled outcome.

    The outcome is the result of the call, a ``Raised``, or a ``LostError`` if the call took too long. The call runs in
    a thread of its own. So the main thread keeps submitit's signal handlers, and no code of the call catches what
    they raise.

    Args:
        target: File with the pickled object whose method is called.
        paths: Folders on which the search finds its modules.
        call: Pickled pair of a method's name and its arguments.
        timeout_s: Largest duration of the call in seconds, without the start of its process. None means no limit.
    """
    import cloudpickle
    from submitit import JobEnvironment

    job = JobEnvironment()
    if os.environ.get("SUBMITIT_EXECUTOR") == "local":  # Slurm itself ends a job that is cancelled.
        mark = cancel_mark(job.paths.folder, job.job_id)
        threading.Thread(target=_end_with, args=(mark,), daemon=True).start()
    sys.path += [path for path in paths if path not in sys.path]
    method, arguments = cloudpickle.loads(call)
    function = getattr(cloudpickle.loads(target.read_bytes()), method)
    become_quiet()
    outcome: Any
    try:
        outcome = call_in_thread(timeout_s, function, arguments)
    except Exception as error:
        outcome = Raised(error)
    if isinstance(outcome, LostError):  # The call goes on in its thread, and would disturb the end of Python.
        threading.Thread(target=_end_after_main).start()
    return _pickled(method, outcome)


def _pickled(method: str, outcome: Any) -> bytes:
    """Return a pickled outcome. If the outcome cannot be pickled and read again, return an error in its place."""
    import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(outcome)
        cloudpickle.loads(data)
    except Exception as error:
        reason = ValueError(f"{method}: its result cannot be sent ({first_line(error)})")
        return pickle.dumps(Raised(reason))
    return data


def _end_with(mark: Path) -> None:
    """End this process soon after a file exists."""
    while not mark.exists():
        time.sleep(WATCH_EVERY_S)
    os._exit(1)


def _end_after_main() -> None:
    """End this process when its main thread has ended. Submitit has then written the outcome of the call."""
    threading.main_thread().join()
    os._exit(0)
