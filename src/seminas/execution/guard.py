"""Program that runs a command in a process group of its own, and ends the group with the process that started it.

Its arguments are the command. Its standard input is a pipe that the starting process holds open. The pipe closes when
that process ends, for whatever reason. Python runs this file alone, without the package.
"""

import os
import signal
import subprocess
import sys
import threading
import time

GRACE_S = 3.0
"""Seconds that the group has to end after SIGTERM before it is killed."""


def main() -> int:
    """Run the command and return its exit status, or 128 plus the number of the signal that ended it."""
    try:
        child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(f"{sys.argv[1]}: cannot be started ({error.strerror})", file=sys.stderr)
        return 127
    threading.Thread(target=_end_with_starter, args=(child.pid,), daemon=True).start()
    # The group keeps its number until the child is reaped, so the signal reaches no other group.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    _signal(child.pid, signal.SIGKILL)
    status = child.wait()
    return status if status >= 0 else 128 - status


def _end_with_starter(group: int) -> None:
    while os.read(0, 1024):
        pass
    _signal(group, signal.SIGTERM)
    time.sleep(GRACE_S)
    _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


if __name__ == "__main__":
    sys.exit(main())
