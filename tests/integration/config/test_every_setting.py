"""Test wrong values for every key of every primary config: one line, no traceback, and no folder left."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seminas.commands import predictor, search, supernet, train
from seminas.config.check import checked, flat, without_hydra
from seminas.config.compose import CONFIG_DIR, VERSION_BASE, register
from seminas.config.messages import one_line
from seminas.errors import UserError
from seminas.runs.folder import RunFolder

VALUES = ("x", "-1", "[1]", "{a: 1}", "1e400", "null", "")
RUNS = {"search": search.run, "predictor": predictor.run, "train": train.run, "supernet": supernet.run}
BASES = {
    "search": [],
    "predictor": ["evaluator.path=digits101"],
    "train": ["space=nasbench101", "data=digits", "logger=[csv,wandb]"],
    "supernet": ["space=mobilenet_small", "data=digits"],
}
OPTIONS = {
    "search": [
        *(["evaluator=table", "evaluator.path=digits101", f"strategy={s}"] for s in ("evolution", "nao")),
        ["space=nasbench201", "data=cifar10"],
        ["evaluator=landscape", "space=mobilenet", "strategy=random"],
        [
            *("evaluator=lightning", "evaluator.module=own_nets.Net", "evaluator.data=own_nets.Data"),
            *("evaluator.monitor=val_acc", "evaluator.mode=max", "evaluator.max_epochs=2"),
            *("space=sequence", "space.positions={width: [2, 4], depth: [1, 2]}", "strategy=random"),
            *("evaluator.module_arguments={sleeps_s: 0.0}", "evaluator.metrics={worse: min}"),
        ],
        [
            *(
                "evaluator=command",
                "evaluator.command='true {width}'",
                "evaluator.metric=a",
                "evaluator.mode=min",
            ),
            *("space=sequence", "space.positions={width: [2, 4], depth: [1, 2]}", "strategy=random"),
        ],
    ],
    "predictor": [["evaluator.path=digits101", "model=random_forest"]],
    "train": [
        ["data=imagenet_wds", "data.images.train=a", "data.images.test=b", "recipe=modern"],
        ["data=pictures", "space=mobilenet_small"],
    ],
    "supernet": [],
}
FURTHER = [
    *(
        ["evaluator=table", "evaluator.path=digits101", f"strategy={s}"]
        for s in ("bananas", "local_search", "seminas_evolution")
    ),
    ["evaluator=table", "evaluator.path=digits101", "strategy=gaussian_process", "space=nasbench_macro"],
    ["evaluator=supernet", "space=mobilenet_small", "data=digits", "evaluator.recipe.per_batch=null"],
]
"""Options of a search that only the campaign tries."""
USER_ERRORS = (UserError, HydraException, OmegaConfBaseException)


class ClaimedError(Exception):
    """An exception that says that the run would begin."""


class Composed:
    """A command's config. It is composed once, and overrides are then merged into it as Hydra does."""

    def __init__(self, command: str, base: list[str]) -> None:
        register()
        with initialize_config_dir(str(CONFIG_DIR), version_base=VERSION_BASE):
            self._config = compose(command, base, return_hydra_config=True)
        HydraConfig.instance().set_config(self._config)
        self._command = command

    def leaves(self) -> list[str]:
        plain: Any = OmegaConf.to_container(without_hydra(self._config), resolve=False)
        return list(flat(plain))

    def checked(self, *overrides: str) -> dict[str, Any]:
        config = self._config.copy()
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        ConfigLoaderImpl._apply_overrides_to_config(parsed, config)
        return checked(without_hydra(config), self._command)


@contextlib.contextmanager
def no_run_begins() -> Iterator[None]:
    """End each run when it would claim its folder. Then all objects are built, but nothing is computed."""

    def refuse(*_: Any) -> None:
        raise ClaimedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "claim", refuse)
        yield


def outcome(composed: Composed, command: str, override: str, folder: Path) -> str:
    """Return the error line of an override, or an empty text if the run would begin."""
    try:
        config = composed.checked(override)
        with no_run_begins():
            RUNS[command](config, RunFolder(folder), True)
    except ClaimedError:
        return ""
    except USER_ERRORS as error:
        return one_line(error)
    raise AssertionError(f"{override}: the run neither began nor was refused")


def try_all(command: str, base: list[str], tmp_path: Path, values: Sequence[str] = VALUES) -> None:
    composed = Composed(command, base)
    here = tmp_path / "here"
    here.mkdir()
    with contextlib.chdir(here):
        _try_all(composed, command, tmp_path, values)


def _try_all(composed: Composed, command: str, tmp_path: Path, values: Sequence[str]) -> None:
    # This call imports the libraries once. Some bases name missing data, and their error line is no fault of a setting.
    without_data = outcome(composed, command, "seed=0", tmp_path / "run")
    for key in composed.leaves():
        for value in values:
            override = f"{key}={value}"
            started = time.process_time()
            line = outcome(composed, command, override, tmp_path / "run")
            assert time.process_time() - started < 2, override
            assert "\n" not in line and not (tmp_path / "run").exists(), override
            assert not [*Path.cwd().iterdir()], f"{override} leaves something in the working directory"
            # The line names the key, or the file or folder in the value.
            as_read = "inf" if value == "1e400" else value
            names_it = key.rpartition(".")[2] in line or as_read in line or "must be" in line
            assert line in ("", without_data) or names_it, (override, line)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("command", "values"),
    [("predictor", ("x", "-1", "{a: 1}")), *(pytest.param(c, VALUES, marks=pytest.mark.long) for c in BASES)],
)
def test_wrong_values_of_every_setting_are_refused_in_one_line(
    command: str, values: Sequence[str], tmp_path: Path
) -> None:
    try_all(command, BASES[command], tmp_path, values)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("command", "base"),
    [
        *((c, base) for c, bases in OPTIONS.items() for base in bases),
        *(pytest.param("search", base, marks=pytest.mark.campaign) for base in FURTHER),
    ],
)
def test_the_same_of_every_option(command: str, base: list[str], tmp_path: Path) -> None:
    try_all(command, base, tmp_path)
