"""Searches that begin from other tasks' results."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seminas
from seminas.config.strategies import GaussianProcessSettings
from seminas.errors import UserError
from seminas.spaces.nasbench101 import NASBench101
from seminas.strategies.gaussian_process import GaussianProcess
from seminas.tables import find_table
from seminas.tables.table import accuracy_column, load_table, save_table
from seminas.transfer.agreement import trust
from support import SMALL_CONTROLLER, made_up_table

DIGITS = ["evaluator=table", "evaluator.path=digits101", "strategy=gaussian_process", "search.max_queries=12"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of another task, with cells of digits101."""
    path = tmp_path_factory.mktemp("tables") / "other.npz"
    save_table(made_up_table(NASBench101(), 300), path)
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search of another seed, as a run folder."""
    folder = tmp_path_factory.mktemp("source") / "run"
    seminas.search(DIGITS, seed=7, folder=folder, quiet=True)
    return folder


def searched(folder: Path, *overrides: str) -> Any:
    """Run a small search of digits101."""
    return seminas.search([*DIGITS, *overrides], folder=folder, quiet=True)


@pytest.mark.parametrize(
    "strategy",
    [
        ["strategy=gaussian_process"],
        ["strategy=seminas", *SMALL_CONTROLLER],
        ["strategy=seminas_evolution", *SMALL_CONTROLLER],
    ],
    ids=lambda strategy: strategy[0],
)
def test_the_best_of_a_run_come_first_and_the_history_says_so(
    strategy: list[str], source: Path, tmp_path: Path
) -> None:
    chosen = [*strategy, f"strategy.transfer_from=[{source}]", "strategy.transfer_first=3"]
    result = searched(tmp_path / "run", *chosen)
    lines = [json.loads(line) for line in (source / "history.jsonl").read_text().splitlines()]
    best = sorted(lines, key=lambda line: -line["val_accuracy"])[:3]
    assert {record.key for record in result.history[:3]} == {line["key"] for line in best}
    assert [r.index for r in result.history if r.origin == "transfer"] == [0, 1, 2]


def test_a_killed_search_goes_on_without_its_source(source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "source"
    shutil.copytree(source, copy)
    given = f"strategy.transfer_from=[{copy}]"
    whole = searched(tmp_path / "a", given)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b" / "result.json").unlink()
    for name, kept in (("history.jsonl", 8), ("asked.jsonl", 9)):
        path = tmp_path / "b" / name
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:kept]))
    shutil.rmtree(copy)
    again = searched(tmp_path / "b", given)
    assert [r.key for r in again.history] == [r.key for r in whole.history]


def test_a_changed_source_is_refused(source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "source"
    shutil.copytree(source, copy)
    given = f"strategy.transfer_from=[{copy}]"
    searched(tmp_path / "run", given)
    (tmp_path / "run" / "result.json").unlink()
    history = copy / "history.jsonl"
    history.write_text("".join(history.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(UserError, match="has changed since"):
        searched(tmp_path / "run", given)


def test_a_sweep_and_a_table_are_several_sources(source: Path, table: Path, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    for name in ("0", "1"):
        shutil.copytree(source, sweep / name)
    searched(tmp_path / "run", f"strategy.transfer_from=[{sweep},{table}]")
    recorded = json.loads((tmp_path / "run" / "sources.json").read_text())
    assert [item["name"] for item in recorded] == [f"{sweep}/0", f"{sweep}/1", str(table)]
    assert len(recorded[2]["architectures"]) == 300


@pytest.mark.parametrize("number", [0, 1])
def test_a_run_without_accuracies_is_refused(number: int, source: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    shutil.copytree(source, empty)
    history = empty / "history.jsonl"
    history.write_text("".join(history.read_text().splitlines(keepends=True)[:number]))
    with pytest.raises(UserError, match=r"strategy.transfer_from='?.*evaluations"):
        searched(tmp_path / "run", f"strategy.transfer_from=[{empty}]")
    assert not (tmp_path / "run" / "history.jsonl").exists()


def test_a_source_of_another_space_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other"
    seminas.search(
        ["space=nasbench_macro", "evaluator=landscape", "strategy=random", "search.max_queries=4"],
        folder=other,
        quiet=True,
    )
    with pytest.raises(UserError, match="space=nasbench101 has"):
        searched(tmp_path / "run", f"strategy.transfer_from=[{other}]")


def test_the_own_column_is_refused_also_in_a_copy(tmp_path: Path) -> None:
    copy = tmp_path / "copy.npz"
    shutil.copy(find_table("digits101"), copy)
    for name in ("digits101", str(copy)):
        with pytest.raises(UserError, match="the search's own"):
            searched(tmp_path / "run", f"strategy.transfer_from=[{name}]")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["strategy.transfer_from=[nowhere]"], "transfer_from='?nowhere"),
        (["strategy.transfer_first=3"], "null without strategy.transfer_from"),
        (["strategy.transfer_from=[TABLE:none]"], "a column of validation accuracies"),
        (["strategy.transfer_from=[TABLE]", "proxies=zero_cost"], "null with proxies"),
    ],
)
def test_wrong_settings_are_one_line(overrides: list[str], message: str, table: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message) as error:
        searched(tmp_path / "run", *[o.replace("TABLE", str(table)) for o in overrides])
    assert "\n" not in str(error.value)


def test_a_table_without_accuracies_is_refused(tmp_path: Path) -> None:
    made = made_up_table(NASBench101(), 20)
    path = tmp_path / "costs.npz"
    seconds = {name: c for name, c in made.columns.items() if c.kind == "seconds"}
    save_table(replace(made, columns=seconds, defaults={}), path)
    with pytest.raises(UserError, match="it has none"):
        searched(tmp_path / "run", f"strategy.transfer_from=[{path}]")


def test_a_strategy_outside_a_search_refuses_sources() -> None:
    settings = GaussianProcessSettings(transfer_from=["nowhere"])
    with pytest.raises(UserError, match="null outside seminas-search"):
        GaussianProcess(NASBench101(), 0, settings)


def test_a_source_that_agrees_gets_the_weight() -> None:
    rng = np.random.default_rng(0)
    targets = rng.normal(size=20)
    expected = np.stack([targets + 0.3 * rng.normal(size=20), rng.normal(size=20), -targets], axis=1)
    agrees, random, negated = trust(expected, targets)
    assert agrees > 3 * random and negated == 0 and agrees > 0.5


@pytest.mark.long
def test_a_source_that_helps_finds_the_best_and_a_negated_one_does_not_prevent_it(tmp_path: Path) -> None:
    """The accuracies of digits101 with noise are the source. A search of 12 then beats the one without a source."""
    space = NASBench101()
    digits = load_table(find_table("digits101"), space)
    column = digits.column("val")
    assert column is not None
    values = column.at().mean(axis=1, keepdims=True)
    noisy = values + np.random.default_rng(0).normal(0, 0.1 * values.std(), values.shape)
    paths = {}
    for name, wrong in (("like", noisy), ("negated", 1 - noisy)):
        paths[name] = tmp_path / f"{name}.npz"
        val = accuracy_column(wrong.clip(0, 1))
        save_table(replace(digits, columns={"val": val}, defaults={"val": "val"}), paths[name])
    best = {}
    for name in ("none", *paths):
        given = [] if name == "none" else [f"strategy.transfer_from=[{paths[name]}]"]
        found = [searched(tmp_path / f"{name}{s}", *given, f"seed={s}").best_value for s in range(3)]
        best[name] = float(np.mean(found))
    assert best["like"] > best["none"]
    assert best["negated"] > best["none"] - 0.01
