"""What the entry points share: the config folder, errors of one line, and building what a config names."""

import contextlib
import errno
import fcntl
import hashlib
import inspect
import json
import multiprocessing
import os
import re
import sys
import typing
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from seminas.archive import HISTORY
from seminas.errors import UserError, first_line
from seminas.files import write_file
from seminas.processes import TOLD_TO_END, take_rank_from_submitit

if TYPE_CHECKING:
    from seminas.spaces.base import SearchSpace

_PACKAGE = Path(__file__).resolve().parent
CONFIG_DIR = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parents[1] / "conf"
"""``conf/``: inside the package in a wheel, at the top level in a checkout."""
CONFIG_FILE, RESULT_FILE, ERROR_FILE = "config.yaml", "result.json", "error.json"
MAY_CHANGE = (
    "logger",
    "names",
    "evaluator.num_workers",
    "evaluator.engine",
    "evaluator.ray.",
    "search.max_failures",
)
"""Keys that do not change what a run computes: a run folder can be gone on with under other values."""
_SWEPT = ("search.", "predictor.")


def run_name(overrides: str) -> str:
    """Return a job's folder name: its overrides, without what a file name cannot hold.

    Of very many, those that sweeps are about come first, and a digest of all stands for the rest.
    """
    name = _as_file_name(overrides)
    if len(name) <= 200:
        return name
    first = sorted(overrides.split(","), key=lambda o: not o.startswith(_SWEPT) and "." in o.split("=")[0])
    return f"{_as_file_name(','.join(first))[:190]}-{hashlib.sha256(overrides.encode()).hexdigest()[:8]}"


def _as_file_name(text: str) -> str:
    return re.sub(r"[^\w.,=+-]+", "-", text).strip("-") or "run"


OmegaConf.register_new_resolver("run_name", run_name, replace=True)


def start(entry: Callable[[], Any]) -> None:
    """Run a Hydra entry point; an error of the user's is one line on stderr and exit status 2."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra hands errors on instead of printing them.
    # Threads that wait for one another sleep: spinning, they slow down a busy machine, and themselves on it.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.path.append(str(Path.cwd()))  # A user's own space or evaluator may lie where they work.
    try:
        entry()
    except (UserError, HydraException, OmegaConfBaseException) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def one_line(error: BaseException) -> str:
    """Return what a user needs to know of an error, in one line that names the key or the file."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        allowed = f"one of {', '.join(error.options)}" if error.options else "in the config folder"
        return f"{group}={option}: must be {allowed}"
    if isinstance(error, MissingMandatoryValue) and error.full_key:
        return f"{error.full_key}: must be set"
    if isinstance(error, HydraException) and isinstance(error.__cause__, OmegaConfBaseException):
        return f"{str(error).splitlines()[0]} {one_line(error.__cause__)}"
    return first_line(error)


def run_job(task: Callable[[DictConfig, Path], float], config: DictConfig) -> float:
    """Run one job in its folder; a job that could not start leaves none behind."""
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    sweep = hydra.mode is not None and hydra.mode.name == "MULTIRUN"
    (folder / ERROR_FILE).unlink(missing_ok=True)
    take_rank_from_submitit()
    try:
        return task(config, folder)
    except (UserError, OmegaConfBaseException, OSError) as error:
        if isinstance(error, OSError):
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            error = UserError(f"{error.filename or folder}: cannot be written ({error.strerror})")
        _remove_unstarted(folder, f"{hydra.job.name}.log")
        if not sweep:
            # Hydra would put a line of its own before the error.
            print(f"error: {one_line(error)}", file=sys.stderr)
            sys.exit(2)
        write_error(folder, one_line(error))
        raise error
    except (KeyboardInterrupt, SystemExit) as error:
        if isinstance(error, SystemExit):
            if error.code is not None and error.code != TOLD_TO_END:
                raise
            error = SystemExit(TOLD_TO_END)  # Lightning ends without a status.
            if multiprocessing.current_process().name != "MainProcess":
                raise InterruptedError("its process was told to end") from None  # The sweep goes on with it.
        key, place = ("sweep", hydra.sweep.dir) if sweep else ("run", folder)
        print(f"interrupted: the same command with hydra.{key}.dir={place} goes on", file=sys.stderr)
        raise error from None
    except Exception as error:
        if sweep:
            write_error(folder, f"{type(error).__name__}: {one_line(error)}")
        raise


def _remove_unstarted(folder: Path, log_file: str) -> None:
    if (folder / CONFIG_FILE).exists():
        return
    (folder / log_file).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # Stops at the first folder that holds something else.
        for place in (folder, *folder.parents[:2]):
            if place != Path.cwd():
                place.rmdir()


def write_error(folder: Path, text: str) -> None:
    """Write down why a job of a sweep failed; where that is not possible, the sweep goes on without."""
    with contextlib.suppress(OSError, UserError):
        folder.mkdir(parents=True, exist_ok=True)
        write_file(folder / ERROR_FILE, json.dumps({"error": text}, ensure_ascii=False).encode())


def is_open(folder: Path) -> bool:
    """Return whether a process is at work in a run folder: a search holds its history, others hold their config."""
    for name in (HISTORY, CONFIG_FILE):
        with contextlib.suppress(FileNotFoundError), (folder / name).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    return False


def side_by_side() -> bool:
    """Whether this is a job of a sweep whose launcher runs several at once: they must not draw over one another."""
    hydra = HydraConfig.get() if HydraConfig.initialized() else None
    if hydra is None or hydra.mode is None or hydra.mode.name != "MULTIRUN":
        return False
    return str(hydra.runtime.choices.get("hydra/launcher")) != "basic"


def claim(folder: Path, config: DictConfig) -> dict[str, Any]:
    """Write the config into a run folder, or make sure that it is the one there; returns it, resolved.

    Raises:
        UserError: The folder belongs to another config, or cannot be written.
    """
    given = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(given, dict)
    path = folder / CONFIG_FILE
    if not path.exists():
        write_file(path, OmegaConf.to_yaml(OmegaConf.create(given)).encode())
        return typing.cast(dict[str, Any], given)
    there, here = flat(OmegaConf.to_container(OmegaConf.load(path))), flat(given)
    for key in sorted({*there, *here}):
        if not key.startswith(MAY_CHANGE) and there.get(key) != here.get(key):
            raise UserError(
                f"{folder}: belongs to another config: {key} is {there.get(key)} there, {here.get(key)} here"
            )
    return typing.cast(dict[str, Any], given)


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a claimed folder, for a run without a history.

    Raises:
        UserError: Another process holds it.
    """
    with (folder / CONFIG_FILE).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"{folder}: another process is working in this folder") from error
        yield


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Return the values of nested dicts by their dotted keys."""
    if not isinstance(node, dict):
        return {prefix.removesuffix("."): node}
    return {k: v for key, value in node.items() for k, v in flat(value, f"{prefix}{key}.").items()}


def read_result(folder: Path) -> dict[str, Any] | None:
    """Return the result of a run that is done, None where there is none yet."""
    try:
        return typing.cast(dict[str, Any], json.loads((folder / RESULT_FILE).read_text()))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UserError(f"{folder / RESULT_FILE}: is no result ({error})") from error


def write_result(folder: Path, result: dict[str, Any]) -> None:
    """Write a run's result, whole or not at all."""
    write_file(folder / RESULT_FILE, json.dumps(result, indent=2, ensure_ascii=False).encode() + b"\n")


def build_loggers(config: DictConfig, folder: Path) -> list[Any]:
    """Return the Lightning loggers that the config names, which write into the run folder."""
    # Metrics of an interrupted run are written again from its history.
    warnings.filterwarnings("ignore", "Experiment logs directory .* exists and is not empty")
    return [build(config.logger, name, save_dir=str(folder)) for name in config.get("logger") or {}]


@contextlib.contextmanager
def closing_loggers(loggers: Sequence[Any]) -> Iterator[None]:
    """Close loggers at the end, as of a run that failed where an exception ends it."""
    try:
        yield
    except BaseException:
        close_loggers(loggers, failed=True)
        raise
    close_loggers(loggers)


def close_loggers(loggers: Sequence[Any], failed: bool = False) -> None:
    """Let loggers write the rest; the next job of this process has its own."""
    for logger in loggers:
        logger.finalize("failed" if failed else "success")
        if hasattr(logger, "close"):
            logger.close(int(failed))


def settings(config: DictConfig, key: str, schema: type[Any]) -> Any:
    """Return a section of the config as a dataclass, its values converted and checked.

    Raises:
        UserError: A value has another type, or a key is unknown.
    """
    try:
        return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema), config[key]))
    except OmegaConfBaseException as error:
        raise UserError(f"{key}.{error.full_key}: {one_line(error)}") from error


def build(config: DictConfig, key: str, **arguments: Any) -> Any:
    """Return the object that the config's section ``key`` describes, ``_target_`` and its arguments.

    Args:
        config: The whole config.
        key: A section.
        arguments: Further arguments, those that the target does not take are left out.

    Raises:
        UserError: The target cannot be imported, or an argument is unknown or of another type.
    """
    import hydra.utils

    node = config[key]
    try:
        target = check(node, key)
        taken = inspect.signature(target).parameters
        partial = hydra.utils.instantiate(node, _partial_=True, _convert_="all")
        return partial(**{name: value for name, value in arguments.items() if name in taken})
    except (InstantiationException, TypeError, ValueError) as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, UserError):
                raise cause from error
            cause = cause.__cause__
        reason = one_line(error.__cause__ or error)
        raise UserError(f"{key}: {node.get('_target_')} cannot be made ({reason})") from error


def check(node: DictConfig, key: str) -> Callable[..., Any]:
    """Return a section's target, its arguments checked against the target's signature."""
    import hydra.utils

    try:
        target = hydra.utils.get_object(node["_target_"])
    except (ImportError, ValueError, OmegaConfBaseException) as error:
        raise UserError(f"{key}._target_={node.get('_target_')}: {one_line(error)}") from error
    parameters = inspect.signature(target).parameters
    for name, value in ((str(name), value) for name, value in node.items()):
        if name.startswith("_"):
            continue
        if name not in parameters:
            if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
                continue
            known = ", ".join(p for p in parameters if p != "self")
            raise UserError(f"{key}.{name}: is unknown, {key} takes {known}")
        if isinstance(value, DictConfig) and "_target_" in value:
            check(value, f"{key}.{name}")
        elif not _fits(value, parameters[name].annotation):
            raise UserError(f"{key}.{name}={value}: must be of type {parameters[name].annotation}")
    return typing.cast(Callable[..., Any], target)


_PLAIN: dict[str, Any] = {"int": int, "float": (int, float), "str": str, "bool": bool, "None": NoneType}


def _fits(value: Any, annotation: Any) -> bool:
    """Whether a plain value has a plain type; what is not plain is left to the target."""
    if isinstance(annotation, UnionType):
        return any(_fits(value, part) for part in typing.get_args(annotation))
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    expected = _PLAIN.get("None" if name == "NoneType" else name)
    if expected is None:
        return True
    return isinstance(value, expected) and (name == "bool" or not isinstance(value, bool))


def given_architecture(text: str, space: "SearchSpace[Any]") -> Any:
    """Return the architecture written in an argument, in a file of JSON, or in the result of a run folder.

    Raises:
        UserError: A folder or file is none of an architecture.
        ValueError: The text is none of this space.
    """
    path = Path(text)
    try:
        if len(text) < 4096 and path.is_dir():
            return space.from_json(json.loads((path / "result.json").read_text())["best_architecture"])
        text = path.read_text() if len(text) < 4096 and path.is_file() else text
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{text}: is no run folder or file of an architecture ({error})") from error
    if text.lstrip().startswith("{"):
        value = json.loads(text)
        return space.from_json(value.get("architecture", value))
    return space.parse(text)
