"""What the jobs of a search in a Hydra app returned, and the files that keep it if the sweep is killed."""

import logging
import math
import traceback
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seminas.errors import UserError, first_line
from seminas.storage.files import write_json
from seminas.storage.lock import awaited
from seminas.storage.typed import read_typed

DIRECTION = "hydra.sweeper.direction"
"""Setting with the direction of each objective."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """The end of one job.

    Attributes:
        value: Value that the app returned. None if the job failed, and with several objectives.
        error: Reason of a failure, in one line. None without a failure.
        traceback: Traceback of an exception. None without an exception.
        values: Value of each objective, in their order. None if the job failed, and with one objective.
    """

    value: float | None = None
    error: str | None = None
    traceback: str | None = None
    values: list[float] | None = None


def outcome_of(returned: Any, num_objectives: int = 1) -> Outcome:
    """Return the outcome of a job whose app returned a value.

    The job failed unless the value is one finite number, or with several objectives a list of as many finite numbers.
    """
    shown = " ".join(repr(returned).split())[:80]
    if num_objectives > 1:
        values = returned.tolist() if hasattr(returned, "tolist") else returned
        numbers = [_number(value) for value in values] if isinstance(values, list | tuple) else []
        finite = [number for number in numbers if number is not None]
        if len(finite) == len(numbers) == num_objectives:
            return Outcome(values=finite)
        allowed = f"a list of {num_objectives} finite numbers, one for each of {DIRECTION}"
        return Outcome(error=f"returned {shown}: must be {allowed}")
    if isinstance(returned, list | tuple | Mapping | Set):
        return Outcome(error=f"returned {shown}: must be one number; several need several of {DIRECTION}")
    number = _number(returned)
    if number is None:
        return Outcome(error=f"returned {shown}: must be a finite number")
    return Outcome(number)


def _number(value: Any) -> float | None:
    """Return a finite number, or None for any other value."""
    number = math.nan
    if not isinstance(value, str | bytes | bool):
        with suppress(Exception):  # The conversion is the app's code.
            number = float(value)
    return number if math.isfinite(number) else None


def failure(error: BaseException) -> Outcome:
    """Return the outcome of a job that raised an exception."""
    text = first_line(error)
    name = type(error).__name__
    line = text if text == name or isinstance(error, UserError) else f"{name}: {text}"
    return Outcome(error=line, traceback="".join(traceback.format_exception(error)))


class Outcomes:
    """A folder with the outcome of each job, by the job's number. The processes of the jobs write it."""

    def __init__(self, path: Path, num_objectives: int = 1) -> None:
        """Name the folder, by an absolute path. It need not exist. Each job returns a value of each objective."""
        self.path, self._num_objectives = path, num_objectives

    def of(self, returned: Any) -> Outcome:
        """Return the outcome of a job whose app returned a value, see ``outcome_of``."""
        return outcome_of(returned, self._num_objectives)

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

    @contextmanager
    def alone(self, number: int) -> Iterator[None]:
        """Wait until no other process runs a job, and let no other one run it during the block.

        The jobs of some launchers go on when their sweep is killed. The sweep that goes on launches them again.
        """
        file = self.path / f"{number}.lock"
        text = "Job %s is still running since before the sweep was killed; this process waits for its outcome"
        with awaited(file, lambda: log.warning(text, number)):
            yield
            if self._file(number).exists():  # Processes that wait for the lock read the outcome.
                with suppress(OSError):
                    file.unlink()

    def forget(self, numbers: Iterable[int]) -> None:
        """Delete the outcomes of jobs, so that a resumed sweep runs these jobs again."""
        for number in numbers:
            self._file(number).unlink(missing_ok=True)

    def _file(self, number: int) -> Path:
        return self.path / f"{number}.json"
