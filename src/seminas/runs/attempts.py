"""Record the attempts of a run. An attempt is the work of one process on the run."""

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from seminas.storage.files import write_json
from seminas.storage.typed import read_typed

ATTEMPTS = "attempts.json"


@dataclass(frozen=True)
class Attempt:
    """The work of one process on a run.

    Attributes:
        started: Unix time of the start, in seconds.
        evaluations: Number of evaluations in the history at the start.
        ended: Unix time of the end, in seconds. None if the process is still working or was killed.
    """

    started: float
    evaluations: int
    ended: float | None = None

    def seconds(self, now: float) -> float:
        """Return the duration in seconds. An attempt without an end counts until the Unix time ``now``."""
        return max(0.0, (now if self.ended is None else self.ended) - self.started)


def read_attempts(folder: Path) -> list[Attempt]:
    """Return the attempts in a run folder, oldest first. The list is empty for runs of version 0.1.

    Raises:
        UserError: The file does not hold a list of attempts.
    """
    return read_typed(folder / ATTEMPTS, list[Attempt], "list of a run's attempts") or []


def begin_attempt(folder: Path, evaluations: int, last_sign: float | None) -> None:
    """Record the start of an attempt. If the last attempt was killed, also record its end.

    Args:
        folder: Run folder, whose lock this process holds.
        evaluations: Number of evaluations in the history.
        last_sign: Unix time of the last sign of life of a killed process. If it is None, the killed attempt gets a
            duration of 0.

    Raises:
        UserError: The file cannot be read or written.
    """
    attempts = read_attempts(folder)
    if attempts and attempts[-1].ended is None:
        started = attempts[-1].started
        attempts[-1] = replace(attempts[-1], ended=started if last_sign is None else max(started, last_sign))
    _write(folder, [*attempts, Attempt(time.time(), evaluations)])


def end_attempt(folder: Path) -> None:
    """Record the end of the current attempt.

    Raises:
        UserError: The file cannot be read or written.
    """
    *earlier, last = read_attempts(folder)
    _write(folder, [*earlier, replace(last, ended=time.time())])


def _write(folder: Path, attempts: list[Attempt]) -> None:
    write_json(folder / ATTEMPTS, [asdict(attempt) for attempt in attempts])
