"""What the jobs of a search in a Hydra app returned, and the files that keep it if the sweep is killed."""

import math
import traceback
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seminas.errors import UserError, first_line
from seminas.storage.files import write_json
from seminas.storage.typed import read_typed


@dataclass(frozen=True)
class Outcome:
    """The end of one job.

    Attributes:
        value: Value that the app returned. None if the job failed.
        error: Reason of a failure, in one line. None without a failure.
        traceback: Traceback of an exception. None without an exception.
        is_several: Whether the app returned several values. No sweep can continue with such an app.
    """

    value: float | None = None
    error: str | None = None
    traceback: str | None = None
    is_several: bool = False


def outcome_of(returned: Any) -> Outcome:
    """Return the outcome of a job whose app returned a value. The job failed unless this is one finite number."""
    shown = " ".join(repr(returned).split())[:80]
    if isinstance(returned, list | tuple | Mapping | Set):
        return Outcome(error=f"returned {shown}: must be one number", is_several=True)
    number = None
    if not isinstance(returned, str | bytes | bool):
        with suppress(Exception):  # The conversion is the app's code.
            number = float(returned)
    if number is None or not math.isfinite(number):
        return Outcome(error=f"returned {shown}: must be a finite number")
    return Outcome(number)


def failure(error: BaseException) -> Outcome:
    """Return the outcome of a job that raised an exception."""
    text = first_line(error)
    name = type(error).__name__
    line = text if text == name or isinstance(error, UserError) else f"{name}: {text}"
    return Outcome(error=line, traceback="".join(traceback.format_exception(error)))


class Outcomes:
    """A folder with the outcome of each job, by the job's number. The processes of the jobs write it."""

    def __init__(self, path: Path) -> None:
        """Name the folder, by an absolute path. It need not exist."""
        self.path = path

    def read(self, number: int) -> Outcome | None:
        """Return the outcome of a job, or None if the job has not ended.

        Raises:
            UserError: The file is no outcome.
        """
        return read_typed(self._file(number), Outcome, "outcome of a job")

    def write(self, number: int, outcome: Outcome) -> None:
        """Write the outcome of a job. Do nothing if it cannot be written: Hydra's launcher returns it too."""
        with suppress(UserError):
            write_json(self._file(number), asdict(outcome))

    def forget(self, numbers: Iterable[int]) -> None:
        """Delete the outcomes of jobs, so that a resumed sweep runs these jobs again."""
        for number in numbers:
            self._file(number).unlink(missing_ok=True)

    def _file(self, number: int) -> Path:
        return self.path / f"{number}.json"
