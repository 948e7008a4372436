"""The Python API: functions that run the commands. ``import seminas`` offers them."""

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

from seminas.commands.job import Run, recorded_errors
from seminas.commands.space import import_path
from seminas.config.check import checked
from seminas.config.compose import compose, hydra_unchanged
from seminas.config.messages import no_option, one_line
from seminas.config.names import override_value
from seminas.errors import UserError
from seminas.runs.folder import NO_RUN, RunFolder
from seminas.runs.results import Result, SearchResult, TrainingResult
from seminas.runs.speech_results import SpeechResult
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

    ``seminas.search(evaluator="table", strategy="random", seed=1, search={"max_queries": 50})`` runs the same search as
    ``seminas-search evaluator=table strategy=random seed=1 search.max_queries=50``. If evaluations run in worker
    processes, the calling script must call ``search`` under ``if __name__ == "__main__":``. The reason is that each
    worker process imports the script.

    Args:
        overrides: Settings in the form of the command line, such as ``["strategy=random", "search.max_queries=50"]``.
        config_dir: Additional folder of YAML files, as for ``--config-dir``. The files may name classes in the working
            directory or in an installed package.
        folder: Run folder. The default is ``runs/DATE/TIME``. The call resumes an interrupted search in the folder. It
            does not repeat a finished search.
        quiet: Whether to hide the progress and the result. Failed evaluations are always printed.
        settings: Settings by name. A section is a dictionary.

    Returns:
        The result. Its ``history`` lists all evaluations.

    Raises:
        UserError: A setting or the folder is not valid, or the search cannot continue.
    """
    with hydra_unchanged():  # A command registers with Hydra.
        from seminas.commands.search import run

    return _result(SearchResult, _run("search", run, overrides, config_dir, folder, quiet, settings))


def train(
    overrides: Sequence[str] | None = None,
    config_dir: PathLike | None = None,
    *,
    folder: PathLike | None = None,
    quiet: bool = False,
    **settings: Json,
) -> TrainingResult | SpeechResult:
    """Train one network to the end, as ``seminas-train`` does.

    Args:
        overrides, config_dir, folder, quiet, settings: The same arguments as of ``search``.

    Returns:
        The result. Of speech, it is a ``SpeechResult``.

    Raises:
        UserError: A setting or the folder is not valid, or the training cannot continue.
    """
    with hydra_unchanged():  # A command registers with Hydra.
        from seminas.commands.train import run

    result = load_run(_run("train", run, overrides, config_dir, folder, quiet, settings))
    assert isinstance(result, TrainingResult | SpeechResult)
    return result


def load_run(folder: PathLike) -> Result:
    """Return the result of a finished run, for example a ``SearchResult`` or a ``TrainingResult``.

    Args:
        folder: Run folder.

    Raises:
        UserError: The folder holds no run, the run has no result yet, or the result cannot be read.
    """
    run_folder = RunFolder(Path(folder))
    result = run_folder.result()
    if result is None:
        state = run_folder.state()
        reason = NO_RUN if state.name == "missing" else f"has no result yet, it is {state.name}"
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
    """Run a command and return its run folder."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise UserError(f'seminas.{command}: a script calls it under if __name__ == "__main__":')
    import_path([Path.cwd()])
    extra = None if config_dir is None else Path(config_dir)
    if extra is not None and not extra.is_dir():
        raise UserError(f"config_dir={extra}: is no folder")
    with composed(command, [*(overrides or ()), *as_overrides(settings)], extra) as (config, hydra):
        values = checked(config, command)
        run_folder = RunFolder(Path(hydra.run.dir if folder is None else folder))
        origin: Any = OmegaConf.to_container(hydra, resolve=False)
    origin["runtime"] |= {"output_dir": str(run_folder.path.resolve()), "cwd": str(Path.cwd())}
    if extra is not None:
        source = {"path": str(extra.resolve()), "schema": "file", "provider": "command-line"}
        origin["runtime"]["config_sources"].append(source)
    with recorded_errors(run_folder, f"{command}.log"):
        if not run_folder.is_claimed():
            run_folder.write_origin(config, origin)
        run(values, run_folder, quiet)
    return run_folder.path


@contextmanager
def composed(
    command: str, overrides: Sequence[str], config_dir: Path | None
) -> Iterator[tuple[DictConfig, DictConfig]]:
    """Compose a command's config, and yield the config and its ``hydra`` section.

    Composing replaces Hydra's config of this process. At the end of the block, all that it has changed in Hydra and
    OmegaConf is restored. So a Hydra app can call the Python API.
    """
    process = HydraConfig.instance()
    before = process.cfg
    try:
        with hydra_unchanged():
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
    """Return settings as Hydra overrides: ``{"a": {"b": [1, "x"]}}`` becomes ``a.b=[1,'x']``."""
    overrides = []
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            overrides += as_overrides(value, f"{prefix}{name}.")
        else:
            overrides.append(f"{prefix}{name}={override_value(value)}")
    return overrides
