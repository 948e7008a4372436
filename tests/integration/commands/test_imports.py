"""Test searches that import evaluations of earlier runs and of CSV files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seminas.commands import search
from seminas.config.check import checked
from seminas.config.compose import compose
from seminas.errors import UserError
from seminas.runs.folder import RunFolder
from seminas.runs.records import read_history, read_imported
from seminas.runs.results import SearchResult
from support import strategy_overrides

CHAIN = ["space=chain", "evaluator=chain", "strategy=evolution"]
SPACE = """
_target_: seminas.spaces.sequence.SequenceSpace
name: NAME
positions: {a: [x, y, z], b: [1, 2, 3], c: [1, 2, 3]}
"""
EVALUATOR = """
from seminas import Evaluator, Metric


class Sum(Evaluator):
    metrics = (Metric("energy", "minimize", "J"),)

    def evaluate_one(self, architecture):
        return {"val_accuracy": sum(architecture) / 10, "energy": float(architecture[0])}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a space of 27 chains, another space, and an evaluator."""
    (tmp_path / "sums.py").write_text(EVALUATOR)
    texts = {"space/chain": SPACE.replace("NAME", "chain"), "space/other": SPACE.replace("NAME", "other")}
    for name, text in {**texts, "evaluator/chain": "_target_: sums.Sum\n"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def run(folder: Path, *overrides: str) -> SearchResult:
    config = checked(compose("search", [*CHAIN, *overrides], folder.parent), "search")
    search.run(config, RunFolder(folder), quiet=True)
    result = RunFolder(folder).result()
    assert isinstance(result, SearchResult)
    return result


@pytest.mark.parametrize("asynchronous", ["true", "false"])
def test_what_is_imported_is_known_and_is_no_query(folder: Path, asynchronous: str) -> None:
    first = run(folder / "first", "search.max_queries=12")
    settings = ["search.import_from=[first]", "search.max_queries=9", f"search.asynchronous={asynchronous}"]
    second = run(folder / "second", *settings)
    assert (second.num_imported, second.num_queries, len(second.history)) == (12, 9, 9)
    imported = read_imported(folder / "second")
    assert [record.index for record in imported] == list(range(-12, 0))
    assert {record.source for record in imported} == {"first"}
    pairs = [(record.key, record.val_accuracy) for record in imported]
    assert pairs == [(record.key, record.val_accuracy) for record in first.history]
    assert not {record.key for record in second.history} & {record.key for record in imported}
    values = [record.val_accuracy or 0 for record in [*imported, *second.history]]
    assert second.best_val_accuracy == max(values)
    # A third search imports both, and keeps the sources.
    third = run(folder / "third", "search.import_from=[second]", "search.max_queries=2")
    assert third.num_imported == 21
    assert {record.source for record in read_imported(folder / "third")} == {"first", "second"}


def test_a_search_with_imports_goes_on_without_their_source(folder: Path) -> None:
    run(folder / "first", "search.max_queries=8")
    settings = ["search.import_from=[first]", "search.max_queries=10"]
    whole = run(folder / "whole", *settings)
    run(folder / "cut", *settings)
    lines = (folder / "cut" / "history.jsonl").read_text().splitlines(keepends=True)
    (folder / "cut" / "history.jsonl").write_text("".join(lines[: 8 + 4]))
    (folder / "cut" / "result.json").unlink()
    (folder / "first").rename(folder / "gone")
    assert [r.key for r in run(folder / "cut", *settings).history] == [r.key for r in whole.history]
    assert run(folder / "cut", *settings[:1], "search.max_queries=15").num_queries == 15


def test_imports_keep_further_metrics_for_objectives(folder: Path) -> None:
    run(folder / "old", "search.max_queries=8")
    both = "search.objectives=[val_accuracy,energy]"
    result = run(folder / "new", "search.import_from=[old]", "search.max_queries=5", both)
    imported = read_imported(folder / "new")
    assert [r.metrics for r in imported] == [r.metrics for r in read_history(folder / "old")]
    assert all(set(record.metrics) == {"energy"} for record in imported) and result.pareto
    rows = "a;b;c;val_accuracy;energy\nz;3;3;0,6;2,5\nx;1;1;0,05;\n"
    (folder / "mine.csv").write_text(rows)
    run(folder / "csv", "search.import_from=[mine.csv]", "search.max_queries=5")
    assert [record.metrics for record in read_imported(folder / "csv")] == [{"energy": 2.5}, {}]
    with pytest.raises(UserError, match="energy: is missing, it is one of search.objectives"):
        run(folder / "lacks", "search.import_from=[mine.csv]", "search.max_queries=5", both)
    (folder / "mine.csv").write_text(rows.replace("2,5", "much"))
    with pytest.raises(UserError, match="line 2: energy=much: is no number"):
        run(folder / "wrong", "search.import_from=[mine.csv]", "search.max_queries=5")
    config = (folder / "old" / "config.yaml").read_text()
    (folder / "old" / "config.yaml").write_text(config.replace("direction: minimize", "direction: maximize"))
    with pytest.raises(
        UserError, match=r"has energy \(maximize, J\), so that it cannot be imported for energy"
    ):
        run(folder / "other", "search.import_from=[old]", "search.max_queries=5")


def test_a_csv_file_is_imported(folder: Path) -> None:
    (folder / "mine.csv").write_text("a;b;c;val_accuracy\nz;3;3;0,6\nx;1;1;0,05\nz;3;3;0,7\n")
    result = run(folder / "run", "search.import_from=[mine.csv]", "search.max_queries=5")
    records = read_imported(folder / "run")
    assert [(r.architecture, r.val_accuracy, r.source) for r in records] == [
        ({"a": "z", "b": "3", "c": "3"}, 0.6, "mine.csv"),
        ({"a": "x", "b": "1", "c": "1"}, 0.05, "mine.csv"),
    ]
    assert result.best_val_accuracy == 0.6 and result.num_queries == 5
    assert RunFolder(folder / "run").state().name == "done"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a,b,c\nx,1,1\n", r"mine.csv: has no column 'val_accuracy'"),
        ("a,b,val_accuracy\nx,1,0.5\n", r"mine.csv: an architecture of chain needs columns a, b, c"),
        ("a,b,c,val_accuracy\nx,1,1,0.5\nx,9,1,0.5\n", r"mine.csv: line 3: "),
        ("a,b,c,val_accuracy\nx,1,1,50\n", r"mine.csv: line 2: val_accuracy=50: must be a fraction"),
        ("a,b,c,val_accuracy\nx,1,1,nan\n", r"mine.csv: line 2: val_accuracy=nan: must be a fraction"),
        ("a,b,c,val_accuracy\nx,1,1,\n", r"mine.csv: line 2: val_accuracy=: is no number"),
        ("", r"mine.csv: "),
    ],
)
def test_a_wrong_file_is_one_line_and_nothing_is_made(folder: Path, text: str, line: str) -> None:
    (folder / "mine.csv").write_text(text)
    with pytest.raises(UserError, match=line):
        run(folder / "run", "search.import_from=[mine.csv]", "search.max_queries=5")
    assert not (folder / "run").exists()


def test_a_wrong_run_is_one_line_and_nothing_is_made(folder: Path) -> None:
    run(folder / "first", "search.max_queries=6", "space=other")
    (folder / "empty").mkdir()
    for source, line in {
        "first": "first: is a search of another space",
        "empty": "empty: holds no search to import",
        "none": "search.import_from=none: must be a run folder or a CSV file",
    }.items():
        with pytest.raises(UserError, match=line):
            run(folder / "run", f"search.import_from=[{source}]", "search.max_queries=5")
    assert not (folder / "run").exists()


def test_a_cell_outside_the_table_is_refused(
    configure: Callable[..., dict[str, Any]], small_table: Path, tmp_path: Path, space: Any
) -> None:
    cell = space.at([space.size - 1])[0]
    line = json.dumps(space.to_json(cell)).replace('"', '""')
    (tmp_path / "cells.csv").write_text(f'architecture,val_accuracy\n"{line}",0.5\n')
    overrides = strategy_overrides(small_table, [f"search.import_from=[{tmp_path}/cells.csv]"])
    with pytest.raises(UserError, match=r"cells.csv: "):
        search.run(configure("search", *overrides), RunFolder(tmp_path / "run"), quiet=True)
    assert not (tmp_path / "run").exists() and read_history(tmp_path / "run") == []
