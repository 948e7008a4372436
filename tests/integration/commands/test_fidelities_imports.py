"""Searches with fidelities that import evaluations: labels of their epochs, and no cost."""

import shutil
from collections import defaultdict
from pathlib import Path

import pytest

from fidelity_table import cut, search, write_table
from seminas.errors import UserError
from seminas.runs.records import read_history, read_imported

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a packed table with fidelities."""
    return write_table(tmp_path_factory.mktemp("table"))


@pytest.fixture(scope="module")
def old(table: Path) -> Path:
    """Return a finished search with short and full trainings."""
    search(table, table.parent / "old", "fidelity=halving", "strategy=random", "search.max_cost=5", "seed=7")
    return table.parent / "old"


@pytest.mark.parametrize(
    ("fidelity", "strategy", "more"),
    [
        ("halving", "evolution", ["search.objectives=[val_accuracy,parameters]"]),
        pytest.param("controller", "random", [], marks=pytest.mark.long),
        pytest.param("hyperband", "random", [], marks=pytest.mark.long),
        pytest.param("halving", "seminas", [], marks=pytest.mark.long),
        pytest.param(
            "controller", "seminas", ["search.objectives=[val_accuracy,parameters]"], marks=pytest.mark.long
        ),
    ],
)
def test_imported_trainings_are_labels_of_their_epochs_and_cost_nothing(
    table: Path, old: Path, tmp_path: Path, fidelity: str, strategy: str, more: list[str]
) -> None:
    source = tmp_path / "old"
    shutil.copytree(old, source)
    arguments = [f"fidelity={fidelity}", f"strategy={strategy}", "search.max_cost=4", *more]
    arguments += ["evaluator.num_workers=2", f"search.import_from=[{source}]"]
    result = search(table, tmp_path / "whole", *arguments)
    imported, records = read_imported(tmp_path / "whole"), read_history(tmp_path / "whole")
    before = read_history(source)
    assert [(r.key, r.epochs, r.value, r.partial) for r in imported] == [
        (r.key, r.epochs, r.value, r.partial) for r in before
    ]
    assert result.num_imported == len(before) > len({record.key for record in before})
    assert result.total_cost == pytest.approx(sum(record.cost or 0.0 for record in records)) and records
    known: defaultdict[str, int] = defaultdict(int)
    for record in imported:
        known[record.key] = max(known[record.key], record.epochs or 0)
    trained: defaultdict[str, int] = defaultdict(int)
    for record in sorted(records, key=lambda r: r.number or 0):
        assert record.epochs is not None and record.epochs > max(known[record.key], trained[record.key])
        # A training of another search cannot go on here.
        assert record.cost == pytest.approx((record.epochs - trained[record.key]) / 9)
        trained[record.key] = record.epochs
    assert any(record.key in known for record in records), "nothing imported was promoted"
    full = [record.final for record in [*imported, *records] if record.final is not None]
    assert result.best_value == max(full)
    shutil.copytree(tmp_path / "whole", tmp_path / "killed")
    shutil.rmtree(source)
    cut(tmp_path / "killed", len(records) - 4)
    search(table, tmp_path / "killed", *arguments)
    for name in ("history.jsonl", "asked.jsonl"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_evaluations_without_epochs_are_full_trainings(table: Path, tmp_path: Path) -> None:
    search(table, tmp_path / "full", "strategy=random", "search.max_queries=6")
    more = ["fidelity=halving", "strategy=random", f"search.import_from=[{tmp_path / 'full'}]"]
    result = search(table, tmp_path / "run", *more, "search.max_cost=2")
    imported = read_imported(tmp_path / "run")
    assert [(record.epochs, record.partial) for record in imported] == [(9, None)] * 6
    records = read_history(tmp_path / "run")
    assert not {record.key for record in records} & {record.key for record in imported}
    assert result.best_value == max(record.final or 0.0 for record in [*imported, *records])


def cells(table: Path) -> list[str]:
    """Return the names of the cells of the table."""
    lines = (table.parent / "cells.csv").read_text().splitlines()[1:]
    return [line.split(",")[0] for line in lines]


def test_a_csv_file_may_have_epochs(table: Path, tmp_path: Path) -> None:
    a, b, c = cells(table)[:3]
    file = tmp_path / "mine.csv"
    lines = [f"{a},0.7,1", f"{a},0.6,3", f"{b},0.5,", f"{c},0.4,9", f"{a},0.9,3"]
    file.write_text("\n".join(["architecture,val_accuracy,epochs", *lines]) + "\n")
    more = ["fidelity=halving", "strategy=random", "search.max_cost=2", f"search.import_from=[{file}]"]
    search(table, tmp_path / "run", *more)
    imported = read_imported(tmp_path / "run")
    assert [(r.architecture, r.value, r.epochs, r.partial) for r in imported] == [
        (a, 0.7, 1, True),
        (a, 0.6, 3, True),
        (b, 0.5, 9, None),
        (c, 0.4, 9, None),
    ]


@pytest.mark.parametrize("epochs", ["2", "x", "1.5", "-1"])
def test_wrong_epochs_of_a_csv_file_are_one_line(table: Path, tmp_path: Path, epochs: str) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(f"architecture,val_accuracy,epochs\n{cells(table)[0]},0.5,{epochs}\n")
    more = ["fidelity=halving", "strategy=random", "search.max_cost=2", f"search.import_from=[{file}]"]
    with pytest.raises(UserError, match="line 2: epochs=.*: must be one of .1, 3, 9., or empty$") as error:
        search(table, tmp_path / "run", *more)
    assert "\n" not in str(error.value) and not (tmp_path / "run" / "history.jsonl").exists()


def test_a_run_without_a_common_level_is_one_line(table: Path, tmp_path: Path) -> None:
    short = ["fidelity=halving", "strategy=random", "search.max_cost=1", "fidelity.reduction=9"]
    with pytest.raises(UserError, match="no full training has ended"):
        search(table, tmp_path / "old", *short)
    more = ["fidelity=halving", "strategy=random", "search.max_cost=2", "fidelity.epochs=[3,9]"]
    with pytest.raises(UserError, match="old: has evaluations after .1. epochs alone, must have some after"):
        search(table, tmp_path / "run", *more, f"search.import_from=[{tmp_path / 'old'}]")
    assert not (tmp_path / "run" / "history.jsonl").exists()
