"""Test the Python API: ``import seminas``."""

import inspect
import json
import subprocess
import sys
import time
import typing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser

import seminas
from integration.sweeps.running import call
from seminas.commands.api import as_overrides
from seminas.runs.folder import RunFolder
from support import ROOT

TABLE: dict[str, Any] = {"evaluator": "table", "evaluator.path": "digits101", "quiet": True}


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def test_importing_is_quick_and_imports_no_library() -> None:
    program = (
        "import time; start = time.perf_counter(); import seminas, sys; print(time.perf_counter() - start); "
    )
    program += "print({'torch', 'numpy', 'hydra'} & set(sys.modules))"
    done = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(3)
    ]
    assert min(float(seconds) for seconds, _ in done) < 0.3
    assert {libraries for _, libraries in done} == {"set()"}


def test_all_names_are_there_and_classes_need_no_pytorch() -> None:
    program = "import seminas, sys; [getattr(seminas, name) for name in seminas.__all__]; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert set(seminas.__all__) <= set(dir(seminas))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        seminas.nonsense  # noqa: B018


def test_a_search_is_the_one_of_the_command(tmp_path: Path) -> None:
    here = seminas.search(**TABLE, strategy="evolution", seed=3, search={"max_queries": 9}, folder="here")
    overrides = ["evaluator=table", "evaluator.path=digits101", "strategy=evolution", "seed=3"]
    done = call("seminas-search", *overrides, "search.max_queries=9", "hydra.run.dir=there", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here" / "history.jsonl").read_bytes() == (
        tmp_path / "there" / "history.jsonl"
    ).read_bytes()
    there = seminas.load_run("there")
    assert isinstance(there, seminas.SearchResult) and there.config == here.config
    assert here.num_queries == 9 == len(here.history)
    assert here.best_val_accuracy == max(record.val_accuracy or 0 for record in here.history)
    assert here.best_architecture == there.best_architecture and here.test_accuracy == there.test_accuracy
    assert here.folder == Path("here") and seminas.load_run(here.folder) == here


def test_overrides_and_settings_by_name_are_the_same() -> None:
    named = seminas.search(
        **TABLE, strategy="random", search={"max_queries": 6, "num_labeled": 3}, logger=["csv"]
    )
    listed = seminas.search(
        [
            *("evaluator=table", "evaluator.path=digits101", "strategy=random", "search.max_queries=6"),
            *("search.num_labeled=3", "logger=[csv]"),
        ],
        quiet=True,
    )
    assert named.config == listed.config and named.history == listed.history
    assert named.folder != listed.folder and named.folder.parent.parent == Path("runs")
    assert (named.folder / "metrics.csv").exists()


def test_a_search_goes_on_in_its_folder() -> None:
    first = seminas.search(**TABLE, strategy="random", search={"max_queries": 5}, folder="run")
    assert seminas.search(**TABLE, strategy="random", search={"max_queries": 5}, folder="run") == first
    longer = seminas.search(**TABLE, strategy="random", search={"max_queries": 8}, folder="run")
    assert longer.history[:5] == first.history[:5] and longer.num_queries == 8 and longer.num_resumed == 1


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"strategy": "nonsense"}, "strategy=nonsense: must be one of bananas, "),
        ({"seed": "x"}, "seed=x: must be a whole number"),
        ({"search": {"nonsense": 1}}, "search.nonsense: is unknown"),
        ({"search": {"max_queries": 1}}, "search.max_queries=1: must be at least 2"),
        ({"nonsense": 1}, "nonsense: is unknown"),
        ({"overrides": ["seed=1,2"]}, "seed=1,2: is several values"),
        ({"overrides": ["="]}, "Could not override"),
        ({"config_dir": "nowhere"}, "config_dir=nowhere: is no folder"),
        ({"strategy": {"a": 1}, "space": 5}, "space="),
    ],
    ids=str,
)
def test_an_error_is_an_exception_of_one_line_and_leaves_nothing(
    settings: dict[str, Any], line: str, tmp_path: Path
) -> None:
    with pytest.raises(seminas.UserError) as error:
        seminas.search(
            **{"overrides": ["evaluator=table", "evaluator.path=digits101"], "quiet": True} | settings
        )
    assert line in str(error.value) and "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_an_exception(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(seminas.UserError, match="file/run"):
        seminas.search(**TABLE, strategy="random", search={"max_queries": 4}, folder="file/run")


def test_runs_without_a_result_are_told(tmp_path: Path) -> None:
    with pytest.raises(seminas.UserError, match="nowhere: holds no run"):
        seminas.load_run("nowhere")
    with RunFolder(tmp_path / "run").claim({"seed": 0}):
        pass
    with pytest.raises(seminas.UserError, match="run: has no result yet, it is stopped"):
        seminas.load_run("run")


@pytest.mark.long
def test_ones_own_space_is_searched_and_reported_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ROOT / "examples" / "own_space"
    program = "import seminas; r = seminas.search(config_dir='.', space='widths', evaluator='perceptron', "
    program += (
        f"search={{'max_queries': 4}}, strategy='random', quiet=True, folder={str(tmp_path / 'run')!r}); "
    )
    program += "print(r.num_queries, r.best_val_accuracy)"
    done = subprocess.run([sys.executable, "-c", program], cwd=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    number, best = done.stdout.split()
    assert number == "4" and float(best) == seminas.load_run("run").best_val_accuracy  # type: ignore[attr-defined]
    monkeypatch.delitem(sys.modules, "widths", raising=False)
    shown = call("seminas", "arch", "show", "run", "--json", cwd=tmp_path)
    assert shown.returncode == 0 and json.loads(shown.stdout)["space"] == "widths", shown.stderr


def test_a_hydra_app_keeps_its_own_config() -> None:
    before = HydraConfig.instance().cfg
    mine: Any = {"mine": 1}
    HydraConfig.instance().cfg = mine
    try:
        seminas.search(**TABLE, strategy="random", search={"max_queries": 4})
        assert HydraConfig.instance().cfg is mine
    finally:
        HydraConfig.instance().cfg = before


@pytest.mark.long
def test_a_script_without_a_guard_is_told(tmp_path: Path) -> None:
    """Check that a script does not start a second search when a worker process imports it."""
    (tmp_path / "script.py").write_text(
        "import seminas\nseminas.search(search={'max_queries': 2}, strategy='random', quiet=True)\n"
    )
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, timeout=100)
    assert 'seminas.search: a script calls it under if __name__ == "__main__":' in done.stderr
    assert done.returncode != 0


def test_a_training_is_the_one_of_the_command() -> None:
    result = seminas.train(
        space="nasbench101", data="digits", trainer={"max_steps": 2}, quiet=True, folder="run", seed=1
    )
    assert isinstance(result, seminas.TrainingResult) and result.steps == 2
    assert 0 <= result.test_accuracy <= 1 and seminas.load_run("run") == result


@pytest.mark.parametrize(
    "value",
    [
        "x",
        "it's",
        "a,b",
        "1",
        "${no}",
        "back\\",
        " ",
        "",
        "null",
        1,
        -1.5,
        1e-12,
        True,
        None,
        [],
        {},
        [1, "a,b", None],
        {"a": [1]},
    ],
    ids=repr,
)
def test_values_are_written_as_hydra_reads_them(value: Any) -> None:
    (text,) = as_overrides({"key": value})
    (override,) = OverridesParser.create().parse_overrides([text])
    read = override.value()
    unquoted = getattr(read, "text", read)
    read = [getattr(item, "text", item) for item in read] if isinstance(read, list) else unquoted
    assert read == value or text == "key.a=[1]"


def public_callables() -> list[tuple[str, Any]]:
    callables: list[tuple[str, Any]] = []
    for name in seminas.__all__:
        item = getattr(seminas, name)
        if inspect.isclass(item):
            members = inspect.getmembers(item, lambda m: inspect.isfunction(m) or isinstance(m, property))
            callables += [
                (f"{name}.{member}", value.fget if isinstance(value, property) else value)
                for member, value in members
                if not member.startswith("_") or (member == "__init__" and member in vars(item))
            ]
        elif inspect.isfunction(item):
            callables.append((name, item))
    return callables


def mentions_any(hint: Any) -> bool:
    if typing.get_origin(hint) is np.ndarray:
        return False  # NumPy uses Any for an open shape.
    return hint is Any or any(mentions_any(part) for part in typing.get_args(hint))


@pytest.mark.parametrize(
    ("name", "function"), public_callables(), ids=lambda v: v if isinstance(v, str) else ""
)
def test_no_public_signature_says_any(name: str, function: Any) -> None:
    import torch

    hints = typing.get_type_hints(function, localns={"Tensor": torch.Tensor})
    assert not [argument for argument, hint in hints.items() if mentions_any(hint)]
    assert inspect.getdoc(function), f"{name} has no docstring"


def test_attributes_of_results_say_no_any() -> None:
    for kind in (
        seminas.SearchResult,
        seminas.TrainingResult,
        seminas.PredictorResult,
        seminas.SupernetResult,
    ):
        assert not [name for name, hint in typing.get_type_hints(kind).items() if mentions_any(hint)]


def test_time_of_a_call_is_no_tax() -> None:
    """Measure a second call. It must not import anything."""
    seminas.search(**TABLE, strategy="random", search={"max_queries": 4})
    start = time.process_time()
    seminas.search(**TABLE, strategy="random", search={"max_queries": 4})
    assert time.process_time() - start < 2


APP = """
import hydra
import seminas
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

OmegaConf.register_new_resolver("run_name", lambda: "mine")


@hydra.main(version_base="1.3", config_path=None)
def app(config):
    study = seminas.Study({"x": [1, 2, 3]}, "random")
    print(len(study.ask(2)))
    settings = {"evaluator": "table", "strategy": "random", "search": {"max_queries": 3}, "logger": []}
    result = seminas.search(["evaluator.path=digits101"], folder="run", quiet=True, **settings)
    print(result.num_queries, HydraConfig.get().job.name, OmegaConf.create({"a": "${run_name:}"}).a)


app()
"""


@pytest.mark.long
def test_a_users_hydra_app_may_search_and_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(APP)
    done = subprocess.run(
        [sys.executable, "mine.py"], cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2", "3", "mine", "mine"]
