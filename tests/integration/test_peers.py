"""Test ``measurements/peers.py``: the rules of a comparison, its results file and its table."""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seminas.config.evaluators import LandscapeSettings
from seminas.evaluators.landscape import LandscapeEvaluator
from seminas.spaces.sequence import SequenceSpace
from seminas.tables.table import Table, accuracy_column, save_table
from support import ROOT

MEASUREMENTS = ROOT / "measurements"
SEEDS, QUERIES = 2, 8
MACRO = SequenceSpace("nasbench_macro", {f"layer{i}": ["0", "1", "2"] for i in range(1, 9)})


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(MEASUREMENTS))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in ("peers", "peers_parts")]:
        del sys.modules[name]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Return the file of a made-up table, in which larger choices are better."""
    rng = np.random.default_rng(0)
    index = np.arange(MACRO.size)
    val = 0.5 + np.array(MACRO.at(index)).sum(axis=1) / 50 + rng.normal(0, 0.005, MACRO.size)
    columns = {"val": accuracy_column(val[:, None].round(4)), "test": accuracy_column(val[:, None].round(2))}
    path = tmp_path / "made_up.npz"
    save_table(Table(MACRO.name, MACRO.fingerprint(), index, columns, {r: r for r in columns}, {}), path)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return the folder of a comparison with Optuna."""
    pytest.importorskip("optuna")
    return tmp_path / "out"


def compare(table: Path, out: Path, **options: Any) -> list[dict[str, Any]]:
    defaults = {"methods": "random,optuna_tpe", "queries": str(QUERIES), "seeds": SEEDS, "repeats": 200}
    overrides = ["space=nasbench_macro", f"evaluator.path={table}"]
    import_module("peers").main(overrides=overrides, out=out, **defaults | options)
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def run_once(overrides: list[str], methods: str, queries: str, out: Path) -> None:
    """Run the comparison with one seed."""
    main = import_module("peers").main
    main(overrides=overrides, methods=methods, queries=queries, seeds=1, repeats=1, out=out)


def cells_of(out: Path) -> dict[str, list[str]]:
    """Return the cells of the table by method."""
    lines = [line for line in (out / "table.md").read_text().splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]
    return {row[0]: row[1:] for row in rows}


@pytest.mark.long
def test_all_methods_evaluate_distinct_architectures_and_the_table_says_so(
    table: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = compare(table, out)
    assert [(r["method"], r["seed"]) for r in rows] == [
        (m, s) for s in (0, 1) for m in ("random", "optuna_tpe")
    ]
    assert "left" in capsys.readouterr().out
    best_there_is = max(rows[0]["best_there_is"].values())
    for row in rows:
        assert len(set(row["architectures"])) == len(row["val_accuracies"]) == QUERIES
        best = row["incumbents"][-1]
        assert best["val_accuracy"] == max(row["val_accuracies"]) <= best_there_is
    assert (out / f"curves-{QUERIES}.png").stat().st_size > 1000
    for method, cells in cells_of(out).items():
        of_method = [row for row in rows if row["method"] == method]
        tests = [100 * row["incumbents"][-1]["test_accuracy"] for row in of_method]
        vals = [100 * max(row["val_accuracies"]) for row in of_method]
        assert cells[0] == str(SEEDS)
        for cell, values in ((cells[1], tests), (cells[2], vals)):
            assert cell == f"{statistics.fmean(values):.2f} ± {statistics.stdev(values):.2f}"
        assert float(cells[6]) == round(statistics.fmean(row["repeats"] for row in of_method), 1)
    assert set(cells_of(out)) == {"random", "optuna_tpe"}


@pytest.mark.long
def test_it_continues_with_its_results(table: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = compare(table, out)
    path = out / "results.jsonl"
    whole = path.read_bytes()
    compare(table, out)
    assert path.read_bytes() == whole and "4 of 4 searches are in" in capsys.readouterr().out
    path.write_bytes(whole[:-30])  # As a killed process leaves it.
    again = compare(table, out)
    assert path.read_bytes().startswith(whole[: whole.rindex(b'{"problem')])
    times = {"cpu_s": 0, "wall_s": 0}
    assert [row | times for row in again] == [row | times for row in first]
    with pytest.raises(SystemExit):
        run_once(["space=nasbench_macro", "evaluator=landscape"], "random", "2", out)
    assert "choose another --out" in capsys.readouterr().err


def test_a_framework_that_repeats_itself_gets_random_architectures() -> None:
    class Stubborn:
        def __init__(self) -> None:
            self.told: list[float] = []
            self.added: list[tuple[int, ...]] = []

        def ask(self) -> tuple[int, ...]:
            return (1,) * 8

        def tell(self, accuracy: float) -> None:
            self.told.append(accuracy)

        def add(self, choices: tuple[int, ...], accuracy: float) -> None:
            self.added.append(choices)

    searches = import_module("peers_parts.searches")
    peer, rng = Stubborn(), np.random.default_rng(0)
    evaluator = LandscapeEvaluator(MACRO, 0, LandscapeSettings())
    found, repeats, randoms = searches.run_peer(peer, MACRO, evaluator, 4, 3, rng)
    assert list(found) == [(1,) * 8, *peer.added] and len(found) == 4
    assert (repeats, randoms) == (9, 3)
    assert peer.told == [found[(1,) * 8]] * 10


@pytest.mark.long
@pytest.mark.parametrize("method", ["optuna_tpe", "optuna_gp", "smac_forest", "smac_gp", "nevergrad"])
def test_each_framework_that_is_installed_searches(method: str, tmp_path: Path) -> None:
    frameworks = import_module("peers_parts.frameworks")
    searches = import_module("peers_parts.searches")
    try:
        frameworks.PEERS[method].version()
    except frameworks.Missing as error:
        pytest.skip(str(error))
    peer = frameworks.PEERS[method].make([3] * 8, 0, QUERIES, tmp_path)
    evaluator = LandscapeEvaluator(MACRO, 0, LandscapeSettings())
    found, _, _ = searches.run_peer(peer, MACRO, evaluator, QUERIES, 5, np.random.default_rng(0))
    new = MACRO.sample(1, np.random.default_rng(1), exclude=list(found))[0]
    peer.add(new, 0.9)
    assert len(found) == QUERIES and len(peer.ask()) == 8


@pytest.mark.long
def test_its_help(tmp_path: Path) -> None:
    command = [sys.executable, str(MEASUREMENTS / "peers.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert "--methods" in done.stdout and not done.stderr


@pytest.mark.parametrize(
    ("overrides", "options", "words"),
    [
        (["space=mobilenet", "evaluator=landscape"], {"methods": "x"}, "--methods x: must be one of"),
        (["space=mobilenet", "evaluator=landscape"], {"queries": "5,no"}, "--queries 5,no: must be numbers"),
        (["space=mobilenet", "evaluator=landscape", "seed=1"], {}, "this command sets seed itself"),
        (
            ["space=nasbench201", "evaluator.path=missing.npz"],
            {},
            "evaluator.path=missing.npz: must be a file",
        ),
        (["evaluator=training"], {}, "evaluator=training: must be table or landscape"),
    ],
)
def test_its_errors_are_one_line(
    overrides: list[str],
    options: dict[str, Any],
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    defaults = {"methods": "random", "queries": "2", "seeds": 1, "repeats": 1, "out": tmp_path}
    with pytest.raises(SystemExit) as exit_status:
        import_module("peers").main(overrides=overrides, **defaults | options)
    said = capsys.readouterr().err
    assert exit_status.value.code == 2 and words in said and len(said.splitlines()) == 1


@pytest.mark.long
def test_cells_that_are_no_product_of_choices_have_no_other_framework(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_once(["space=nasbench101", "evaluator.path=digits101"], "random,optuna_tpe", "3,5", tmp_path)
    assert "left out: optuna_tpe, because the candidates are no product" in capsys.readouterr().out
    assert {path.name for path in tmp_path.glob("*.png")} == {"curves-3.png", "curves-5.png"}
