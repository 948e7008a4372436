"""What the commands that run on Hydra share: one job in its folder, and errors of one line."""

import errno
import math
import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from seminas.config.check import checked, without_hydra
from seminas.config.compose import CONFIG_DIR, VERSION_BASE, register
from seminas.config.messages import no_option, one_line
from seminas.config.names import in_sweep, side_by_side
from seminas.errors import UserError
from seminas.execution.processes import TOLD_TO_END, take_rank_from_submitit
from seminas.runs.folder import RunFolder
from seminas.runs.results import Result
from seminas.sweeps.folder import SweepFolder

R = TypeVar("R", bound=Result)
Run = Callable[[dict[str, Any], RunFolder, bool], float]
"""A command: it is given the checked config, the run folder, and whether to show nothing. It returns a number that a
sweeper maximises."""
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
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
    return lambda: start(on_hydra, jobs)


def start(entry: Callable[[], Any], jobs: Sequence[str]) -> None:
    """Run a Hydra entry point; an error of the user's is one line on stderr and exit status 2.

    Args:
        entry: The entry point.
        jobs: Filled by the entry point when a job begins, after Hydra has made the job's folder.
    """
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra hands errors on instead of printing them.
    # Threads that wait for one another sleep: spinning, they slow down a busy machine, and themselves on it.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.path.append(str(Path.cwd()))  # The user's own space or evaluator may lie in the working directory.
    try:
        entry()
    except _USER_ERRORS as error:
        fail(error)
    except OSError as error:
        if jobs:
            raise
        fail(UserError(f"{error.filename}: cannot be made ({error.strerror})"))  # By Hydra.
    except ValueError as error:
        fail(no_option(error, sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)


def fail(error: BaseException) -> NoReturn:
    """Print an error as one line on stderr and exit with status 2."""
    print(f"error: {one_line(error)}", file=sys.stderr)
    sys.exit(2)


def run_once(
    config: dict[str, Any],
    folder: RunFolder,
    quiet: bool,
    work: Callable[[dict[str, Any], RunFolder, bool], R | None],
    show: Callable[[R, Path], None],
) -> R | None:
    """Return the result of a run: the one in its folder, or else that of the work; shown unless ``quiet``.

    The work returns None on every rank but the first.
    """
    finished: Any = folder.finished(config)
    result: R | None = work(config, folder, quiet) if finished is None else finished
    if result is not None and not quiet:
        show(result, folder.path)
    return result


def run_job(name: str, run: Run, config: DictConfig) -> float:
    """Run one job in its folder; a job that could not begin leaves no folder behind."""
    hydra_config = HydraConfig.get()
    folder = RunFolder(Path(hydra_config.runtime.output_dir))
    sweep = SweepFolder(Path(hydra_config.sweep.dir)) if in_sweep() else None
    if sweep is not None and sweep.is_stopped():
        folder.remove_if_unused(f"{hydra_config.job.name}.log")
        return math.nan
    folder.clear_error()
    take_rank_from_submitit()
    try:
        return run(checked(without_hydra(config), name), folder, side_by_side())
    except (UserError, OmegaConfBaseException, OSError) as error:
        user_error = as_user_error(error, folder)
        if user_error is None:
            record_crash(folder, error)
            raise
        folder.remove_if_unused(f"{hydra_config.job.name}.log")
        if sweep is None:
            # Hydra would put a line of its own before the error.
            fail(user_error)
        folder.write_error(one_line(user_error), traceback.format_exc())
        _stop_if_asked(sweep)
        raise user_error from error
    except (KeyboardInterrupt, SystemExit) as error:
        raise _interrupted(error, folder) from None
    except Exception as error:
        record_crash(folder, error)
        _stop_if_asked(sweep)
        raise


def _stop_if_asked(sweep: SweepFolder | None) -> None:
    """Let no further job of a sweep begin, where ``hydra.sweeper.fail_fast`` says so."""
    if sweep is not None and HydraConfig.get().sweeper.get("fail_fast"):
        sweep.stop()


def as_user_error(error: Exception, folder: RunFolder) -> Exception | None:
    """Return an error that is told in one line; None for a bug, which is told by its traceback."""
    if not isinstance(error, OSError):
        return error
    if error.errno not in _DISK_FULL:
        return None
    return UserError(f"{error.filename or folder}: cannot be written ({error.strerror})")


def record_crash(folder: RunFolder, error: BaseException) -> None:
    """Leave the traceback of an unexpected error in the folder."""
    folder.write_error(f"{type(error).__name__}: {one_line(error)}", traceback.format_exc())


def _interrupted(error: BaseException, folder: RunFolder) -> BaseException:
    """Return what ends this process, after saying how the run goes on."""
    hydra_config = HydraConfig.get()
    if isinstance(error, SystemExit):
        if error.code is not None and error.code != TOLD_TO_END:
            return error
        error = SystemExit(TOLD_TO_END)  # Lightning ends without a status.
        if multiprocessing.current_process().name != "MainProcess":
            return InterruptedError("its process was told to end")  # The sweep goes on with the job.
    key, path = ("sweep", hydra_config.sweep.dir) if in_sweep() else ("run", folder)
    print(f"interrupted: the same command with hydra.{key}.dir={path} goes on", file=sys.stderr)
    return error
