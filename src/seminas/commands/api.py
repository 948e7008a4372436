"""The Python API: the commands as functions. ``import seminas`` offers them."""

import math
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seminas.commands.job import Run, as_user_error, record_crash
from seminas.commands.space import import_path
from seminas.config.check import checked
from seminas.config.compose import compose
from seminas.config.messages import no_option, one_line
from seminas.config.names import quoted
from seminas.errors import UserError
from seminas.runs.folder import RunFolder
from seminas.runs.results import Result, SearchResult, TrainingResult
from seminas.storage.values import Json

PathLike = str | os.PathLike[str]
R = TypeVar("R", bound=Result)


def search(
    overrides: Sequence[str] | None = None,
    config_dir: PathLike | None = None,
    *,
    folder: PathLike | None = None,
    quiet: bool = False,
    **settings: Json,
) -> SearchResult:
    """Search for the best architecture, as ``seminas-search`` does.

    ``seminas.search(evaluator="table", strategy="random", seed=1, search={"max_queries": 50})`` is
    ``seminas-search evaluator=table strategy=random seed=1 search.max_queries=50``. A script whose evaluations run in
    processes calls it under ``if __name__ == "__main__":``, because each process imports the script.

    Args:
        overrides: Settings as on the command line, such as ``["strategy=random", "search.max_queries=50"]``.
        config_dir: A further folder of YAML files, as ``--config-dir``. Classes that they name are imported from the
            working directory or from an installed package.
        folder: The run folder, ``runs/DATE/TIME`` if there is none. An interrupted search in it goes on; a finished one
            is not repeated.
        quiet: Whether to print nothing.
        settings: Settings by name; a section is a dictionary.

    Returns:
        The result, of which ``history`` has all evaluations.

    Raises:
        UserError: A setting or the folder will not do, or the search cannot go on.
    """
    from seminas.commands.search import run

    return _result(SearchResult, _run("search", run, overrides, config_dir, folder, quiet, settings))


def train(
    overrides: Sequence[str] | None = None,
    config_dir: PathLike | None = None,
    *,
    folder: PathLike | None = None,
    quiet: bool = False,
    **settings: Json,
) -> TrainingResult:
    """Train one network to the end, as ``seminas-train`` does.

    Args:
        overrides, config_dir, folder, quiet, settings: As of ``search``.

    Returns:
        The result.

    Raises:
        UserError: A setting or the folder will not do, or the training cannot go on.
    """
    from seminas.commands.train import run

    return _result(TrainingResult, _run("train", run, overrides, config_dir, folder, quiet, settings))


def load_run(folder: PathLike) -> Result:
    """Return the result of a finished run: a ``SearchResult``, ``TrainingResult``, ``SupernetResult`` or another.

    Args:
        folder: The run folder.

    Raises:
        UserError: It holds no run, or one without a result yet, or the result cannot be read.
    """
    run_folder = RunFolder(Path(folder))
    result = run_folder.result()
    if result is None:
        state = run_folder.state()
        reason = "holds no run" if state.name == "missing" else f"has no result yet, it is {state.name}"
        raise UserError(f"{run_folder}: {reason}")
    return result


def _result(kind: type[R], folder: Path) -> R:
    result = load_run(folder)
    assert isinstance(result, kind)
    return result


def _run(
    command: str,
    run: Run,
    overrides: Sequence[str] | None,
    config_dir: PathLike | None,
    folder: PathLike | None,
    quiet: bool,
    settings: Mapping[str, Json],
) -> Path:
    """Run a command; returns its run folder."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise UserError(f'seminas.{command}: a script calls it under if __name__ == "__main__":')
    import_path([Path.cwd()])
    extra = None if config_dir is None else Path(config_dir)
    if extra is not None and not extra.is_dir():
        raise UserError(f"config_dir={extra}: is no folder")
    with _composed(command, [*(overrides or ()), *as_overrides(settings)], extra) as (config, hydra):
        values = checked(config, command)
        run_folder = RunFolder(Path(hydra.run.dir if folder is None else folder))
        origin: Any = OmegaConf.to_container(hydra, resolve=False)
    origin["runtime"] |= {"output_dir": str(run_folder.path.resolve()), "cwd": str(Path.cwd())}
    if extra is not None:
        source = {"path": str(extra.resolve()), "schema": "file", "provider": "command-line"}
        origin["runtime"]["config_sources"].append(source)
    try:
        if not run_folder.is_claimed():
            run_folder.write_origin(config, origin)
        run(values, run_folder, quiet)
    except (UserError, OSError) as error:
        run_folder.remove_if_unused(f"{command}.log")
        user_error = as_user_error(error, run_folder)
        if user_error is None:
            record_crash(run_folder, error)
            raise
        raise user_error from error
    except Exception as error:
        record_crash(run_folder, error)
        raise
    return run_folder.path


@contextmanager
def _composed(
    command: str, overrides: Sequence[str], config_dir: Path | None
) -> Iterator[tuple[DictConfig, DictConfig]]:
    """Compose a command's config; gives it and Hydra's section. A Hydra app that calls this keeps its own."""
    process = HydraConfig.instance()
    before = process.cfg
    try:
        config = compose(command, overrides, config_dir)
        hydra: Any = process.cfg
        yield config, hydra.hydra
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(one_line(error)) from error
    except ValueError as error:
        raise no_option(error, overrides) from error
    finally:
        process.cfg = before


def as_overrides(settings: Mapping[str, Json], prefix: str = "") -> list[str]:
    """Return settings as overrides of Hydra's: ``{"a": {"b": [1, "x"]}}`` is ``a.b=[1,'x']``."""
    overrides = []
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            overrides += as_overrides(value, f"{prefix}{name}.")
        else:
            overrides.append(f"{prefix}{name}={_written(value)}")
    return overrides


def _written(value: Json) -> str:
    """Return a value in Hydra's override grammar."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{_written(item)}" for name, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(map(_written, value)) + "]"
    return quoted(str(value))
