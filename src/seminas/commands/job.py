"""The code that all Hydra commands share: it runs one job in its folder, and prints errors as one line."""

import math
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from seminas.config.check import checked, with_kept, without_hydra
from seminas.config.compose import CONFIG_DIR, VERSION_BASE, register
from seminas.config.messages import no_option, one_line
from seminas.config.names import in_sweep, side_by_side
from seminas.errors import UserError
from seminas.execution.processes import SIGNAL_OF, TOLD_TO_END, quiet_logging, take_rank_from_submitit
from seminas.runs.folder import RunFolder
from seminas.runs.results import Result
from seminas.storage.files import DISK_FAULTS
from seminas.storage.values import Config
from seminas.sweeps.folder import SweepFolder

AGAIN_S = 0.05
"""Seconds after which a signal that was lost in a destructor is sent again."""
R = TypeVar("R", bound=Result)
Run = Callable[[Config, RunFolder, bool], float]
"""A command. Its arguments are the checked config, the run folder, and whether to hide the output. It returns a number
that a sweeper can maximize."""
_OPTIONS_WITH_VALUE = (
    "--config-dir",
    "-cd",
    "--config-name",
    "-cn",
    "--config-path",
    "-cp",
    "--cfg",
    "-c",
    "--package",
    "-p",
    "--experimental-rerun",
)
_USER_ERRORS = (UserError, HydraException, OmegaConfBaseException)


def command_line(name: str, run: Run) -> Callable[[], None]:
    """Return the entry point of a command whose primary config is ``conf/NAME.yaml``."""
    register()

    jobs: list[str] = []

    def entry(config: DictConfig) -> float:
        jobs.append(name)
        return run_job(name, run, config)

    entry.__module__ = run.__module__  # Hydra names the job and its log file by the module.
    on_hydra = hydra.main(version_base=VERSION_BASE, config_path=str(CONFIG_DIR), config_name=name)(entry)

    def command() -> None:
        register()  # The Python API takes back what it registers.
        start(on_hydra, jobs)

    return command


def start(entry: Callable[[], Any], jobs: Sequence[str]) -> None:
    """Run a Hydra entry point. On a user's error, print one line on stderr and exit with status 2.

    Args:
        entry: The entry point.
        jobs: List that the entry point fills when a job begins, after Hydra has made the job's folder.
    """
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra raises errors instead of printing them.
    # Waiting threads sleep. If they spun, they would slow down a busy machine, and also this process.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _exit)
    sys.unraisablehook = _end_again
    quiet_logging()
    sys.argv[1:] = options_last(sys.argv[1:])
    sys.path.append(str(Path.cwd()))  # The working directory may hold the user's own classes.
    try:
        entry()
    except _USER_ERRORS as error:
        fail(error)
    except (OSError, ValueError) as error:
        # Logging turns the error of a log file that cannot be made into a ValueError.
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):
            fail(no_option(error, sys.argv[1:]))  # type: ignore[arg-type]
        if jobs and cause.errno not in DISK_FAULTS:
            raise
        wrong = f"{cause.filename}: cannot be made" if cause.filename else "the run folder: cannot be written"
        fail(UserError(f"{wrong} ({cause.strerror})"))  # By Hydra.
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        # From here on a signal just ends the process. An exception would print a traceback at Python's end.
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            if signal.getsignal(number) in (_exit, signal.default_int_handler):
                signal.signal(number, signal.SIG_DFL)


def _end_again(unraisable: Any) -> None:
    """Send a signal again whose exception Python could not raise, because it came in a destructor."""
    error = unraisable.exc_value
    code: Any = getattr(error, "code", None)
    number = signal.SIGINT if isinstance(error, KeyboardInterrupt) else SIGNAL_OF.get(code)
    if number is None:
        sys.__unraisablehook__(unraisable)
        return
    # Another thread sends it, because here it would be raised in the hook and ignored too.
    again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


def options_last(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command with Hydra's options after all overrides.

    Hydra accepts overrides in one block only, so that it refuses ``seed=1 --config-dir . strategy=random``.
    """
    options: list[str] = []
    overrides: list[str] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        is_value = before in _OPTIONS_WITH_VALUE or (before in ("--info", "-i") and "=" not in argument)
        (options if argument.startswith("-") or is_value else overrides).append(argument)
    return [*overrides, *options]


def _exit(number: int, frame: Any) -> NoReturn:
    """End as on Ctrl-C: files are closed, and processes that this one started are ended.

    During an import, end at once. C++ code of a module that is being imported would swallow the exception, or abort.
    """
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os._exit(128 + number)
        frame = frame.f_back
    sys.exit(128 + number)


def fail(error: BaseException) -> NoReturn:
    """Print an error as one line on stderr and exit with status 2."""
    print(f"error: {one_line(error)}", file=sys.stderr)
    sys.exit(2)


def run_once(
    config: Config,
    folder: RunFolder,
    quiet: bool,
    work: Callable[[Config, RunFolder, bool], R | None],
    show: Callable[[R, Path], None],
) -> R | None:
    """Return the result of a finished run, or do the work and return its result.

    Args:
        config: Checked config.
        folder: Run folder. If it holds the result of this config, the work is not repeated.
        quiet: Whether to hide the result.
        work: Function that computes the result. It returns None on every rank but the first.
        show: Function that prints the result.

    Raises:
        UserError: The folder belongs to another config, or the work fails.
    """
    config = with_kept(folder.config() or {}, config)
    finished: Any = folder.finished(config)
    result: R | None = work(config, folder, quiet) if finished is None else finished
    if result is not None and not quiet:
        show(result, folder.path)
    return result


def run_job(name: str, run: Run, config: DictConfig) -> float:
    """Run one job in its folder. If the job cannot begin, remove the folder.

    Returns:
        The number that the command returns, or NaN if the sweep was stopped.

    Raises:
        UserError: A job of a sweep failed. A single run prints the error and exits with status 2.
    """
    hydra_config = HydraConfig.get()
    folder = RunFolder(Path(hydra_config.runtime.output_dir))
    sweep = SweepFolder(Path(hydra_config.sweep.dir)) if in_sweep() else None
    if sweep is not None and sweep.is_stopped():
        folder.remove_if_unused(f"{hydra_config.job.name}.log")
        return math.nan
    folder.clear_error()
    quiet_logging()
    take_rank_from_submitit()
    try:
        with recorded_errors(folder, f"{hydra_config.job.name}.log"):
            return run(checked(without_hydra(config), name), folder, side_by_side())
    except (UserError, OmegaConfBaseException) as error:
        if sweep is None:
            # Hydra would print another line before the error.
            fail(error)
        folder.write_error(one_line(error), traceback.format_exc())
        _stop_if_asked(sweep)
        raise
    except (KeyboardInterrupt, SystemExit) as error:
        raise _interrupted(error, folder) from None
    except Exception:
        _stop_if_asked(sweep)
        raise


@contextmanager
def recorded_errors(folder: RunFolder, log_file: str) -> Iterator[None]:
    """Record a bug in the folder. For a user's error, remove a folder that no run has claimed.

    Raises:
        UserError: The disk is full or broken, in one line in place of the ``OSError``.
    """
    try:
        yield
    except (UserError, OmegaConfBaseException):
        folder.remove_if_unused(log_file)
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_FAULTS:
            folder.remove_if_unused(log_file)
            raise UserError(f"{error.filename or folder}: cannot be written ({error.strerror})") from error
        folder.write_error(f"{type(error).__name__}: {one_line(error)}", traceback.format_exc())
        raise


def _stop_if_asked(sweep: SweepFolder | None) -> None:
    """Stop a sweep before its next job, if ``hydra.sweeper.fail_fast`` is true."""
    if sweep is not None and HydraConfig.get().sweeper.get("fail_fast"):
        sweep.stop()


def _interrupted(error: BaseException, folder: RunFolder) -> BaseException:
    """Return the exception that ends this process. After an interrupt, print how to resume the run.

    If a worker process of a sweep is told to end, print nothing, because the sweep runs its job again.
    """
    hydra_config = HydraConfig.get()
    if isinstance(error, SystemExit):
        if error.code is not None and error.code not in SIGNAL_OF:
            return error
        error = SystemExit(error.code or TOLD_TO_END)  # Lightning exits without a status.
        if multiprocessing.current_process().name != "MainProcess":
            return InterruptedError("its process was told to end")  # The sweep runs the job again.
    key, path = ("sweep", hydra_config.sweep.dir) if in_sweep() else ("run", folder)
    print(f"interrupted: the same command with hydra.{key}.dir={path} goes on", file=sys.stderr)
    return error
