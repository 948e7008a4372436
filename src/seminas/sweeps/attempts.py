"""Decide which jobs of a sweep are launched again."""

import contextlib
import logging
import re
import time
import traceback
from collections.abc import Sequence

from seminas.config.messages import one_line
from seminas.errors import UserError
from seminas.runs.folder import TRACEBACK_FILE
from seminas.storage.files import write_file
from seminas.sweeps.folder import Job, SweepFolder

log = logging.getLogger(__name__)
MOST_ATTEMPTS = 3
"""Maximum number of launches of a job whose process ends each time without a result or an error."""
MOST_FAILED_LAUNCHES = 2
"""Number of launches without a begun job after which the launcher is at fault."""
LET_GO_S = 30.0
"""Seconds to wait until a killed process has released its run folder."""


def unrecorded_failure(folder: SweepFolder, error: Exception) -> UserError:
    """Return the error of a job that failed before it could write into its folder, such as on a broken disk.

    The traceback goes into the sweep's ``error.log``.
    """
    text = "".join(traceback.format_exception(error))
    # submitit's exception has the traceback of the job's own exception as its text.
    reasons = re.findall(r"^[\w.]*(?:Error|Exception|Exit): .+$", text, re.MULTILINE)
    reason = next((r for r in reversed(reasons) if "FailedJobError" not in r), one_line(error))
    file = folder.path / TRACEBACK_FILE
    with contextlib.suppress(OSError, UserError):
        write_file(file, text.encode())
    return UserError(f"{file}: a job failed before its folder could hold the error ({reason})")


class Attempts:
    """A count, for each job, of the processes that ended without a result or an error."""

    def __init__(self, folder: SweepFolder) -> None:
        self._folder = folder
        self._ended: dict[str, int] = {}
        self._any_begun = False
        self._num_failed_launches = 0

    def divided(self, names: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return the jobs that have one attempt left, and the other jobs. The former are launched alone."""
        last = [name for name in names if self._ended.get(name) == MOST_ATTEMPTS - 1]
        return last, [name for name in names if name not in last]

    def left(self, names: Sequence[str], reason: Exception | None) -> list[str]:
        """Return the names of the jobs to launch again. Write an error for each job that has used all its attempts.

        Args:
            names: Names of the jobs that were launched.
            reason: Exception that the launcher raised, or None if it returned.

        Raises:
            UserError: No job has begun, for the second time. Then the launcher itself has failed. The traceback of its
                exception is in the sweep's ``error.log``.
        """
        if self._folder.is_stopped():
            return []
        states = {name: self._settled(name).state.name for name in names}
        if reason is not None and all(state == "missing" for state in states.values()):
            self._begin_no_job(reason)
            return list(names)
        self._any_begun = self._any_begun or any(state != "missing" for state in states.values())
        # If the launcher returned and some job has begun, then a missing job's process died before the job began.
        died = ("stopped", "missing") if reason is None and self._any_begun else ("stopped",)
        for name in (name for name, state in states.items() if state in died):
            self._ended[name] = self._ended.get(name, 0) + 1
            if self._ended[name] >= MOST_ATTEMPTS:
                text = f"its process ended without an error, {MOST_ATTEMPTS} times"
                self._folder.job(name).folder.write_error(text)
        again = died if reason is None else ("stopped", "missing")
        left = [n for n in names if states[n] in again and self._ended.get(n, 0) < MOST_ATTEMPTS]
        for name in left:
            log.warning("%s: goes on after %s", name, one_line(reason) if reason else "its process ended")
        return left

    def _begin_no_job(self, reason: Exception) -> None:
        self._num_failed_launches += 1
        line = f"{type(reason).__name__}: {one_line(reason)}"
        if self._num_failed_launches == MOST_FAILED_LAUNCHES:
            text = "".join(traceback.format_exception(reason))
            write_file(self._folder.path / TRACEBACK_FILE, text.encode())
            raise UserError(
                f"{self._folder.path / TRACEBACK_FILE}: the launcher failed {MOST_FAILED_LAUNCHES} times before a job "
                f"began ({line})"
            )
        log.warning("no job has begun, the launcher starts again after %s", line)

    def _settled(self, name: str) -> Job:
        """Return a job after its process has released the folder. Wait up to ``LET_GO_S`` seconds."""
        until = time.monotonic() + LET_GO_S
        while (job := self._folder.job(name)).state.name == "running" and time.monotonic() < until:
            time.sleep(0.1)
        return job
