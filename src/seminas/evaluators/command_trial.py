"""One run of a user's command, as the evaluator makes it in a worker process."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from seminas.errors import MissingMetricError, UserError
from seminas.evaluators.evaluation import Evaluation, failed, measured, one_line
from seminas.evaluators.own_training import Reported
from seminas.evaluators.placeholders import FOLDER, SEED, Argument
from seminas.evaluators.values import ARCHITECTURE, as_text, values
from seminas.execution import guard

METRICS, OUTPUT, ERRORS = "metrics.json", "stdout.log", "stderr.log"
"""Files in the folder of an evaluation: metrics that the command may write, and its output."""
LAST_BYTES = 1_000_000
"""Number of bytes at the end of the output in which the metrics must be."""
TAIL = 4_000
"""Number of characters at the end of the error output that ``error.log`` repeats."""


class CommandTrial:
    """Object that runs a user's command. Each worker process holds a copy.

    Attributes:
        environment: Environment variables of the command, unless the user has set them.
    """

    def __init__(
        self,
        space: Any,
        seed: int,
        arguments: Sequence[Argument],
        metrics: Reported,
        folder: Path | None,
        working_folder: Path,
    ) -> None:
        """Initialize the object.

        Args:
            space: Search space.
            seed: Seed of the run.
            arguments: Program and arguments of the command.
            metrics: Metrics that the command reports. The first one is the result of an evaluation.
            folder: Folder with the folder of each evaluation. None means temporary folders.
            working_folder: Folder in which the command runs.
        """
        self._space, self._seed, self._arguments, self._metrics = space, seed, tuple(arguments), metrics
        self._folder, self._working_folder = folder, working_folder
        self.environment: dict[str, str] = {}

    def call_name(self, method: str, architecture: Any) -> str:
        """Return the name of a call. Within one run, calls of the same name have the same result."""
        return f"{method} {self._space.key(architecture)}"

    def evaluate(self, architecture: Any) -> Evaluation:
        """Run the command for an architecture. Everything that goes wrong is a failed evaluation."""
        start = time.perf_counter()
        try:
            with self._evaluation_folder(architecture) as folder:
                try:
                    status = self._run(self.command(architecture, folder), folder)
                    reported = self._metrics.in_files(_reported(status, folder))
                except UserError as error:
                    return Evaluation(
                        None,
                        time.perf_counter() - start,
                        str(error),
                        f"{error}\n{_text(folder / ERRORS)[-TAIL:]}".rstrip(),
                        lacks_metric=isinstance(error, MissingMetricError),
                    )
        except Exception as error:
            return failed(error, time.perf_counter() - start)
        return measured(reported, self._metrics.metrics[0], time.perf_counter() - start)

    def command(self, architecture: Any, folder: Path) -> list[str]:
        """Return the program and the arguments for an architecture."""
        of_positions = {name: as_text(value) for name, value in values(self._space, architecture).items()}
        own = {
            ARCHITECTURE: json.dumps(self._space.to_json(architecture)),
            FOLDER: str(folder),
            SEED: str(self._seed),
        }
        texts = {**of_positions, **own}
        return [a.filled(texts) for a in self._arguments if not a.is_left_out(texts)]

    @contextmanager
    def _evaluation_folder(self, architecture: Any) -> Iterator[Path]:
        """Yield the folder of an evaluation. Its name shows the architecture."""
        if self._folder is None:
            with tempfile.TemporaryDirectory() as folder:
                yield Path(folder)
            return
        key = self._space.key(architecture)
        pairs = ",".join(
            f"{name}={as_text(value)}" for name, value in values(self._space, architecture).items()
        )
        shown = re.sub(r"[^\w.,=+-]+", "-", pairs)[:80]
        path = self._folder / f"{shown}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
        path.mkdir(parents=True, exist_ok=True)
        (path / METRICS).unlink(missing_ok=True)  # That of an earlier attempt.
        yield path

    def _run(self, command: Sequence[str], folder: Path) -> int:
        """Run a command and return its exit status. Its process group ends with this process."""
        start = [sys.executable, "-I", "-S", guard.__file__, *command]
        with (folder / OUTPUT).open("wb") as output, (folder / ERRORS).open("wb") as errors:
            process = subprocess.Popen(
                start,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=errors,
                cwd=self._working_folder,
                env={**self.environment, **os.environ},
                start_new_session=True,
            )
            assert process.stdin is not None
            with process.stdin:  # Its end is the sign for the guard to end the command.
                return process.wait()


def _reported(status: int, folder: Path) -> dict[str, Any]:
    """Return the metrics that a command reported.

    Raises:
        UserError: The command failed, or reported no JSON object.
    """
    if status:
        last = _text(folder / ERRORS).rstrip().splitlines()[-1:]
        raise UserError(": ".join([_status(status), *(line.strip()[:200] for line in last)]))
    file = folder / METRICS
    if file.exists():
        try:
            reported = json.loads(file.read_text())
        except ValueError as error:
            raise UserError(f"{METRICS}: is no JSON ({one_line(error)})") from error
        if not isinstance(reported, dict):
            raise UserError(f"{METRICS}: must hold a JSON object")
        return reported
    for line in reversed(_text(folder / OUTPUT).splitlines()):
        with suppress(ValueError, RecursionError):
            reported = json.loads(line)
            if isinstance(reported, dict):
                return reported
    raise UserError(f"the command printed no line with a JSON object and wrote no {METRICS}")


def _status(status: int) -> str:
    number = status - 128
    if number in set(signal.Signals):
        return f"the command was ended by signal {number}"
    return f"the command ended with status {status}"


def _text(path: Path) -> str:
    """Return the end of a file as text."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LAST_BYTES))
        return file.read().decode(errors="replace")
