"""The folder of one run: claimed, locked, read, and gone on with. No other module knows its files."""

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
from seminas.runs.archive import HISTORY, Record, read_history
from seminas.runs.attempts import Attempt, begin_attempt, end_attempt, read_attempts
from seminas.runs.results import Result, read_result, write_result
from seminas.storage.files import parse_json, write_file, write_json
from seminas.storage.folder import Folder
from seminas.storage.lock import HOLDER_FILE, LOCK_FILE, held, last_sign_of_life

CONFIG_FILE, RESULT_FILE, ERROR_FILE, TRACEBACK_FILE = "config.yaml", "result.json", "error.json", "error.log"
PLAN_FILE, HYDRA_FOLDER = "plan.json", ".hydra"
STATES = ("done", "running", "failed", "stopped", "missing")


class Timing(TypedDict):
    """What every result says of a run's time."""

    wall_s: float
    num_resumed: int


@dataclass(frozen=True)
class State:
    """How a run stands.

    Attributes:
        name: ``done``; ``running``, held by a process; ``failed``, with an error; ``stopped``, ended before its
            result, as one that was killed; or ``missing``, not begun.
        error: Why it failed, in one line.
    """

    name: str
    error: str | None = None


class RunFolder(Folder):
    """One run's folder."""

    def state(self) -> State:
        """Return how the run stands; takes no lock."""
        if (self.path / RESULT_FILE).exists():
            return State("done")
        if self.is_held():
            return State("running")
        error = self.error()
        if error is not None:
            return State("failed", error)
        return State("stopped" if self.is_claimed() else "missing")

    def is_claimed(self) -> bool:
        """Return whether a run has begun here."""
        return (self.path / CONFIG_FILE).exists()

    def config(self) -> dict[str, Any] | None:
        """Return the run's config, resolved and in today's form; None where no run has begun.

        Raises:
            UserError: The file is no config.
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
        """Return the result, None where there is none yet; raises UserError for a file that is no result."""
        return read_result(self.path / RESULT_FILE)

    def history(self) -> list[Record]:
        """Return the evaluations so far, also of a run that is going on."""
        return read_history(self.path)

    def has_history(self) -> bool:
        """Return whether the run evaluates architectures."""
        return (self.path / HISTORY).exists()

    def finished(self, config: dict[str, Any]) -> Result | None:
        """Return the result that a config asks for, None where there is something left to do.

        Raises:
            UserError: The folder belongs to another config.
        """
        result = self.result()
        return None if result is None or self.extensions(config) else result

    def extensions(self, config: dict[str, Any]) -> list[str]:
        """Return the keys whose larger values ask for more than was asked for before.

        Raises:
            UserError: The folder belongs to another config.
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
                    f"{after.get(key)} in this command"
                )
            old, new = rule.amount(before, key), rule.amount(after, key)
            if new is None or (old is not None and new < old):
                least = f"{rule.endless:g}" if old == math.inf else f"at least {old}"
                raise UserError(f"{key}={after.get(key)}: must be {least}, since {self} has run with that")
            extended.append(key)
        return extended

    @contextlib.contextmanager
    def claim(self, config: dict[str, Any]) -> Iterator[None]:
        """Hold the folder for a config, which is written into it.

        Raises:
            UserError: The folder belongs to another config, is held by another process, or cannot be written.
        """
        last_sign = last_sign_of_life(self.path)
        with held(self.path, "is working in this folder"):
            if self.extensions(config):
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
                with contextlib.suppress(UserError):  # A full disk, which the run's own error tells.
                    end_attempt(self.path)

    def attempts(self) -> list[Attempt]:
        """Return the attempts of processes at this run, oldest first."""
        return read_attempts(self.path)

    def timing(self) -> Timing:
        """Return how long all attempts took so far, and how often the run was gone on with."""
        attempts, now = self.attempts(), time.time()
        return {
            "wall_s": sum(attempt.seconds(now) for attempt in attempts),
            "num_resumed": max(0, len(attempts) - 1),
        }

    def write_result(self, result: Result) -> None:
        """Write the result, whole or not at all."""
        write_result(self.path / RESULT_FILE, result)

    def plan(self) -> list[int] | None:
        """Return the sizes of the rounds that were planned; None where none were."""
        try:
            return [int(size) for size in parse_json((self.path / PLAN_FILE).read_bytes())]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{self.path / PLAN_FILE}: is no plan of rounds ({error})") from error

    def write_plan(self, sizes: list[int]) -> None:
        """Write down the sizes of the rounds, unless they are there."""
        if self.plan() != sizes:
            write_json(self.path / PLAN_FILE, sizes)

    def error(self) -> str | None:
        """Return why the run failed, in one line; None where it did not."""
        try:
            return str(parse_json((self.path / ERROR_FILE).read_bytes())["error"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write_error(self, line: str, traceback: str | None = None) -> None:
        """Write down why the run failed; where that is impossible, go on without."""
        with contextlib.suppress(OSError, UserError):
            if traceback is not None:
                self.add_traceback(traceback)
            write_json(self.path / ERROR_FILE, {"error": line})

    def add_traceback(self, text: str) -> None:
        """Add a traceback to ``error.log``; where that is impossible, go on without."""
        with contextlib.suppress(OSError):
            self.path.mkdir(parents=True, exist_ok=True)
            with (self.path / TRACEBACK_FILE).open("a") as file:
                file.write(text.rstrip() + "\n\n")

    def traceback_file(self) -> Path | None:
        """Return the file of tracebacks, None where there is none."""
        file = self.path / TRACEBACK_FILE
        return file if file.exists() else None

    def clear_error(self) -> None:
        """Forget why an earlier attempt failed."""
        (self.path / ERROR_FILE).unlink(missing_ok=True)

    def remove_if_unused(self, log_file: str) -> None:
        """Remove a folder that no run has claimed, with what Hydra put there, and its parents if they are empty."""
        if self.is_claimed() or self.is_held():
            return
        with contextlib.suppress(OSError):  # Stops at the first folder that holds something else.
            for name in (log_file, LOCK_FILE, HOLDER_FILE):
                (self.path / name).unlink(missing_ok=True)
            for file in (self.path / HYDRA_FOLDER).glob("*.yaml"):
                file.unlink()
            for folder in (self.path / HYDRA_FOLDER, self.path, *self.path.parents[:2]):
                if folder.exists() and folder.resolve() != Path.cwd():
                    folder.rmdir()

    def write_origin(self, config: DictConfig, hydra: dict[str, Any]) -> None:
        """Write down how the run was asked for, where Hydra itself does not: config, overrides, Hydra's section.

        Raises:
            UserError: It cannot be written.
        """
        origin = {"config": config, "overrides": hydra["overrides"]["task"], "hydra": {"hydra": hydra}}
        for name, values in origin.items():
            text = OmegaConf.to_yaml(OmegaConf.create(values))
            try:
                write_file(self.path / HYDRA_FOLDER / f"{name}.yaml", text.encode())
            except OSError as error:
                raise UserError(f"{self}: cannot be made ({error.strerror})") from error

    def import_paths(self) -> list[Path]:
        """Return the folders where the run found classes of the user's: its working directory and its config folder.

        A folder that came from elsewhere names none: what it brings along is never imported. Such a folder does not
        lie where its run wrote it, or names folders inside itself.
        """
        file = self.path / HYDRA_FOLDER / "hydra.yaml"
        try:
            runtime: Any = OmegaConf.load(file).hydra.runtime
            sources = [s.path for s in runtime.config_sources if s.provider == "command-line"]
            here = self.path.resolve()
            if Path(runtime.output_dir).resolve() != here:
                return []
            paths = [Path(runtime.cwd), *(Path(runtime.cwd) / path for path in sources)]
            return [p for p in paths if p.is_absolute() and not p.resolve().is_relative_to(here)]
        except (OSError, OmegaConfBaseException, YAMLError, AttributeError, TypeError):
            return []


def run_folders(folder: Path) -> Iterator[RunFolder]:
    """Yield the run folders at and below a folder; folders inside a run are not looked at."""
    if (folder / CONFIG_FILE).exists():
        yield RunFolder(folder)
        return
    with contextlib.suppress(OSError):
        for child in sorted(path for path in folder.iterdir() if path.is_dir()):
            if child.name != HYDRA_FOLDER:
                yield from run_folders(child)
