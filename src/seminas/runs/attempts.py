"""The attempts of a run: when each process that worked on it began, and when it ended."""

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from seminas.errors import UserError
from seminas.storage.files import parse_json, write_json

ATTEMPTS = "attempts.json"


@dataclass(frozen=True)
class Attempt:
    """The work of one process on a run.

    Attributes:
        started: Unix time in seconds.
        evaluations: How many the history held by then.
        ended: Unix time in seconds; None while it goes on, or where the process was killed.
    """

    started: float
    evaluations: int
    ended: float | None = None

    def seconds(self, now: float) -> float:
        """Return how long it took, until ``now`` if it goes on."""
        return max(0.0, (now if self.ended is None else self.ended) - self.started)


def read_attempts(folder: Path) -> list[Attempt]:
    """Return the attempts in a run folder, oldest first; none of version 0.1, which wrote none down.

    Raises:
        UserError: The file holds something else.
    """
    path = folder / ATTEMPTS
    try:
        return [Attempt(**values) for values in parse_json(path.read_bytes())]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path}: holds no attempts of a run ({error})") from error


def begin_attempt(folder: Path, evaluations: int, last_sign: float | None) -> None:
    """Write down that an attempt begins.

    Args:
        folder: The run folder, which this process holds.
        evaluations: How many its history holds.
        last_sign: Unix time of the last sign of life of a process that was killed, None where none is left.
    """
    attempts = read_attempts(folder)
    if attempts and attempts[-1].ended is None:
        started = attempts[-1].started
        attempts[-1] = replace(attempts[-1], ended=started if last_sign is None else max(started, last_sign))
    _write(folder, [*attempts, Attempt(time.time(), evaluations)])


def end_attempt(folder: Path) -> None:
    """Write down that the attempt that goes on has ended."""
    *earlier, last = read_attempts(folder)
    _write(folder, [*earlier, replace(last, ended=time.time())])


def _write(folder: Path, attempts: list[Attempt]) -> None:
    write_json(folder / ATTEMPTS, [asdict(attempt) for attempt in attempts])
