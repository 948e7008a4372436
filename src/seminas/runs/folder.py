"""Claim, lock, read and resume the folder of one run. This module alone decides which files the folder has."""

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from traceback import format_exception
from typing import Any, TypedDict

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from seminas.config.check import changed_keys, flat, rule_at
from seminas.config.renamed import todays
from seminas.errors import UserError, first_line
from seminas.runs.attempts import Attempt, begin_attempt, end_attempt, read_attempts
from seminas.runs.metric import METRIC_KEYS
from seminas.runs.records import HISTORY, Record, read_history
from seminas.runs.result_file import has_final_result, read_result, write_result
from seminas.runs.results import Result
from seminas.storage.files import parse_json, write_file, write_json
from seminas.storage.folder import Folder
from seminas.storage.lock import HOLDER_FILE, LOCK_FILE, held, last_sign_of_life
from seminas.storage.typed import read_typed
from seminas.storage.values import Config

CONFIG_FILE, RESULT_FILE, ERROR_FILE, TRACEBACK_FILE = "config.yaml", "result.json", "error.json", "error.log"
NO_RUN = "holds no run; each command prints its run folder at the end"
PLAN_FILE, HYDRA_FOLDER = "plan.json", ".hydra"
STATES = ("done", "running", "failed", "stopped", "missing")


class Timing(TypedDict):
    """Duration of all attempts of a run together in seconds, and number of attempts after the first."""

    wall_s: float
    num_resumed: int


@dataclass(frozen=True)
class State:
    """The state of a run.

    Attributes:
        name: One of ``STATES``. ``done``: the run has a result. ``running``: a process holds the folder's lock.
            ``failed``: the run has an error. ``stopped``: the run ended without a result or an error, for example
            because its process was killed. ``missing``: the run has not begun.
        error: Reason of a failure, in one line. None in other states.
    """

    name: str
    error: str | None = None


class RunFolder(Folder):
    """The folder of one run."""

    def state(self) -> State:
        """Return the state of the run. This takes no lock."""
        if has_final_result(self.path / RESULT_FILE):
            return State("done")
        if self.is_held():
            return State("running")
        error = self.error()
        if error is not None:
            return State("failed", error)
        return State("stopped" if self.is_claimed() else "missing")

    def is_claimed(self) -> bool:
        """Return whether a run has begun in this folder."""
        return (self.path / CONFIG_FILE).exists()

    def config(self) -> Config | None:
        """Return the run's resolved config with today's keys, or None if no run has begun.

        Raises:
            UserError: The config file cannot be read, or it is no config of a run.
        """
        file = self.path / CONFIG_FILE
        try:
            values = OmegaConf.to_container(OmegaConf.load(file))
        except FileNotFoundError:
            return None
        except (OSError, OmegaConfBaseException, YAMLError, ValueError) as error:
            raise UserError(f"{file}: is no config ({first_line(error)})") from error
        try:
            return todays({str(key): value for key, value in values.items()})  # type: ignore[union-attr]
        except (AttributeError, TypeError, KeyError, ValueError) as error:
            raise UserError(f"{file}: is no config of a run ({first_line(error)})") from error

    def result(self) -> Result | None:
        """Return the result, or None if the run has no result yet. An invalid file raises UserError."""
        return read_result(self.path / RESULT_FILE)

    def history(self) -> list[Record]:
        """Return the evaluations so far. The run may still be working. An invalid history raises UserError."""
        return read_history(self.path)

    def has_history(self) -> bool:
        """Return whether the run has a history of evaluations."""
        return (self.path / HISTORY).exists()

    def finished(self, config: Config) -> Result | None:
        """Return the result of the run with this config, or None if the run is not finished.

        Raises:
            UserError: The folder belongs to another config.
        """
        result, recorded = self.result(), self.config() or {}
        # Only the evaluator knows its metrics, and it has not been made yet.
        config = {**{key: recorded[key] for key in METRIC_KEYS if key in recorded}, **config}
        return None if result is None or self.extensions(config) or not result.is_final else result

    def extensions(self, config: Config) -> list[str]:
        """Return the keys whose values extend the run, such as a larger ``search.max_queries``.

        Raises:
            UserError: The folder belongs to another config, or a value is smaller than before.
        """
        recorded = self.config()
        if recorded is None:
            return []
        before, after = flat(recorded), flat(config)
        extended = []
        for key in changed_keys(recorded, config):
            rule = rule_at(config, key)
            if not rule.extends:
                raise UserError(
                    f"{self}: belongs to another config: {key} is {before.get(key)} in its {CONFIG_FILE}, and "
                    f"{after.get(key)} in this command; choose another hydra.run.dir"
                )
            old, new = rule.amount(before, key), rule.amount(after, key)
            if not rule.both_ways and (new is None or (old is not None and new < old)):
                least = f"{rule.endless:g}" if old == math.inf else f"at least {old}"
                raise UserError(f"{key}={after.get(key)}: must be {least}, since {self} has run with that")
            extended.append(key)
        return extended

    @contextlib.contextmanager
    def claim(self, config: Config) -> Iterator[None]:
        """Hold the folder's lock during the block, and write the config into the folder.

        The block is one attempt of the run. If the config extends a finished run, this deletes the old result. If the
        block raises a ``UserError``, this writes the error into the folder.

        Raises:
            UserError: The folder belongs to another config, another process holds it, or it cannot be written.
        """
        last_sign = last_sign_of_life(self.path)
        with held(self.path, f"is working in this folder; seminas status {self.path} shows its state"):
            result = self.result()
            if self.extensions(config) or (result is not None and not result.is_final):
                (self.path / RESULT_FILE).unlink(missing_ok=True)
            data = OmegaConf.to_yaml(OmegaConf.create(config)).encode()
            file = self.path / CONFIG_FILE
            if not file.exists() or file.read_bytes() != data:
                write_file(file, data)
            self.clear_error()
            begin_attempt(self.path, len(self.history()), last_sign)
            try:
                yield
            except UserError as error:
                cause = error.__cause__
                self.write_error(str(error), "".join(format_exception(cause)) if cause is not None else None)
                raise
            finally:
                with contextlib.suppress(UserError):  # The disk may be full. The run's own error says so.
                    end_attempt(self.path)

    def attempts(self) -> list[Attempt]:
        """Return the attempts of the run, oldest first. An invalid file raises UserError."""
        return read_attempts(self.path)

    def timing(self) -> Timing:
        """Return the duration of all attempts so far, and how many times the run was resumed."""
        attempts, now = self.attempts(), time.time()
        return {
            "wall_s": sum(attempt.seconds(now) for attempt in attempts),
            "num_resumed": max(0, len(attempts) - 1),
        }

    def write_result(self, result: Result) -> None:
        """Write the result. A failed write raises UserError and leaves no partial file."""
        write_result(self.path / RESULT_FILE, result)

    def plan(self) -> list[int] | None:
        """Return the planned size of each round, or None if the run has no plan. An invalid file raises UserError."""
        return read_typed(self.path / PLAN_FILE, list[int], "plan of rounds")

    def write_plan(self, sizes: list[int]) -> None:
        """Write the planned size of each round, unless the file already has the same sizes."""
        if self.plan() != sizes:
            write_json(self.path / PLAN_FILE, sizes)

    def error(self) -> str | None:
        """Return the reason why the run failed, in one line, or None if the folder records no failure."""
        try:
            return str(parse_json((self.path / ERROR_FILE).read_bytes())["error"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write_error(self, line: str, traceback: str | None = None) -> None:
        """Write the reason why the run failed. Do nothing if the file cannot be written.

        Args:
            line: Reason, in one line.
            traceback: Traceback for ``error.log``, or None.
        """
        with contextlib.suppress(OSError, UserError):
            if traceback is not None:
                self.add_traceback(traceback)
            write_json(self.path / ERROR_FILE, {"error": line})

    def add_traceback(self, text: str) -> None:
        """Append a traceback to ``error.log``. Do nothing if the file cannot be written."""
        with contextlib.suppress(OSError):
            self.path.mkdir(parents=True, exist_ok=True)
            with (self.path / TRACEBACK_FILE).open("a") as file:
                file.write(text.rstrip() + "\n\n")

    def traceback_file(self) -> Path | None:
        """Return the file with the tracebacks, or None if it does not exist."""
        file = self.path / TRACEBACK_FILE
        return file if file.exists() else None

    def clear_error(self) -> None:
        """Delete the error of an earlier attempt."""
        (self.path / ERROR_FILE).unlink(missing_ok=True)

    def remove_if_unused(self, log_file: str) -> None:
        """Remove the folder, unless a run has claimed it or a process holds it.

        Also remove Hydra's files in it, and up to two empty parent folders.

        Args:
            log_file: Name of the log file that Hydra wrote.
        """
        if self.is_claimed() or self.is_held():
            return
        with contextlib.suppress(OSError):  # Stop at the first folder that has other files.
            for name in (log_file, LOCK_FILE, HOLDER_FILE):
                (self.path / name).unlink(missing_ok=True)
            for file in (self.path / HYDRA_FOLDER).glob("*.yaml"):
                file.unlink()
            for folder in (self.path / HYDRA_FOLDER, self.path, *self.path.parents[:2]):
                if folder.exists() and folder.resolve() != Path.cwd():
                    folder.rmdir()

    def write_origin(self, config: DictConfig, hydra: Config) -> None:
        """Write the files that Hydra writes into ``.hydra/`` when a command starts a run.

        Args:
            config: Config of the run.
            hydra: The ``hydra`` section of the config.

        Raises:
            UserError: A file cannot be written.
        """
        origin = {"config": config, "overrides": hydra["overrides"]["task"], "hydra": {"hydra": hydra}}
        for name, values in origin.items():
            text = OmegaConf.to_yaml(OmegaConf.create(values))
            try:
                write_file(self.path / HYDRA_FOLDER / f"{name}.yaml", text.encode())
            except OSError as error:
                raise UserError(f"{self}: cannot be made ({error.strerror})") from error

    def import_paths(self) -> list[Path]:
        """Return the folders where the run found the user's classes: its working directory and its config folders.

        For safety, nothing is imported from a run folder that came from elsewhere. So the list is empty if the run
        folder has been moved, and it leaves out folders inside the run folder.
        """
        file = self.path / HYDRA_FOLDER / "hydra.yaml"
        try:
            runtime: Any = OmegaConf.load(file).hydra.runtime
            sources = [s.path for s in runtime.config_sources if s.provider == "command-line"]
            run_path = self.path.resolve()
            if Path(runtime.output_dir).resolve() != run_path:
                return []
            paths = [Path(runtime.cwd), *(Path(runtime.cwd) / path for path in sources)]
            return [p for p in paths if p.is_absolute() and not p.resolve().is_relative_to(run_path)]
        except (OSError, OmegaConfBaseException, YAMLError, AttributeError, TypeError):
            return []


def run_folders(folder: Path) -> Iterator[RunFolder]:
    """Yield the run folders at and below a folder. Folders inside a run folder are skipped."""
    if (folder / CONFIG_FILE).exists():
        yield RunFolder(folder)
        return
    with contextlib.suppress(OSError):
        for child in sorted(path for path in folder.iterdir() if path.is_dir()):
            if child.name != HYDRA_FOLDER:
                yield from run_folders(child)
