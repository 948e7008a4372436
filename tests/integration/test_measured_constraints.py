"""Searches under limits of metrics that only evaluations show: an energy beside the accuracies of a table."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import seminas
from seminas.commands.main import app
from seminas.errors import UserError
from seminas.runs.results import SearchResult
from support import SMALL_CONTROLLER

ENERGY = '''
import seminas
from seminas.config.evaluators import TableSettings
from seminas.evaluators.table import TableEvaluator


class Energy(seminas.Evaluator):
    """The accuracies of digits101, and an energy of a made-up formula."""

    metrics = (
        seminas.Metric("energy", "minimize", "J"),
        seminas.Metric("speed", "maximize"),
        seminas.Metric("macs", "minimize"),
    )

    def __init__(self, space, lacks: int = -1, killed_at: int = 0, fails: bool = False):
        self.table = TableEvaluator(space, 0, TableSettings(path="digits101"))
        self.space, self.lacks, self.killed_at, self.fails, self.number = space, lacks, killed_at, fails, 0

    def members(self):
        return self.table.members()

    def exact_costs(self, space):
        return self.table.exact_costs(space)

    def evaluate_one(self, architecture):
        self.number += 1
        if self.number == self.killed_at:
            raise KeyboardInterrupt  # Stands in for a kill.
        if self.fails:
            raise RuntimeError("no device")
        (accuracy,) = self.table.val_accuracies([architecture])
        if self.number == self.lacks:
            return {"val_accuracy": float(accuracy)}
        energy = float(20 - architecture.edges.bit_count() - 3 * architecture.operations.bit_count())
        return {"val_accuracy": float(accuracy), "energy": energy, "speed": 100 - energy, "macs": 1.0}
'''
STRATEGIES = (
    "evolution",
    "local_search",
    "gaussian_process",
    pytest.param("seminas", marks=pytest.mark.long),
)
Search = Callable[..., SearchResult]


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Search:
    """Return a function that searches digits101 under limits of the energy."""
    (tmp_path / "energy.py").write_text(ENERGY)
    (tmp_path / "evaluator").mkdir()
    section = {"_target_": "energy.Energy", "lacks": -1, "killed_at": 0, "fails": False}
    (tmp_path / "evaluator" / "energy.yaml").write_text(json.dumps(section))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "energy", raising=False)

    def run(folder: str, strategy: str, constraints: dict[str, float], *overrides: str, **about: Any) -> Any:
        return seminas.search(
            [f"strategy={strategy}", "evaluator=energy", "logger=csv", *SMALL_CONTROLLER, *overrides],
            tmp_path,
            folder=tmp_path / folder,
            quiet=True,
            search={"constraints": constraints, "max_queries": 16, **about},
        )

    return run


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_best_is_feasible_and_the_files_say_so(search: Search, tmp_path: Path, strategy: str) -> None:
    result = search("run", strategy, {"energy": 9})
    records = result.history
    assert len({record.key for record in records}) == 16
    assert all(record.feasible == (record.metrics["energy"] <= 9) for record in records)
    feasible = [record for record in records if record.feasible]
    assert 0 < result.num_feasible == len(feasible) < 16  # type: ignore[operator]
    assert result.best_value == max(record.value or 0.0 for record in feasible)
    assert max(record.value or 0.0 for record in records) >= result.best_value
    assert {i["index"] for i in result.incumbents} <= {record.index for record in feasible}
    assert result.best_there_is is None
    written = json.loads((tmp_path / "run" / "result.json").read_text())
    assert written["num_feasible"] == len(feasible) and seminas.load_run(tmp_path / "run") == result
    shown = CliRunner().invoke(app, ["status", str(tmp_path / "run")]).output
    assert f"feasible     {len(feasible)} of 16" in shown and result.best_key in shown


def test_the_limit_of_a_maximized_metric_is_its_least_value(search: Search) -> None:
    low, high = search("low", "evolution", {"speed": 91}), search("high", "evolution", {"energy": 9})
    assert [(r.key, r.feasible) for r in low.history] == [(r.key, r.feasible) for r in high.history]


def test_nothing_feasible_is_a_result_without_an_architecture(search: Search, tmp_path: Path) -> None:
    result = search("none", "gaussian_process", {"energy": 0}, max_queries=8)
    assert (result.best_value, result.best_key, result.best_architecture) == (None, None, None)
    assert (result.num_feasible, result.num_queries, result.incumbents) == (0, 8, [])
    assert result.is_final and json.loads((tmp_path / "none" / "result.json").read_text())["best_key"] is None
    energies = [record.metrics["energy"] for record in result.history]
    assert np.mean(energies[5:]) < np.mean(energies[:5])  # It looks for feasible ones alone.
    run = CliRunner().invoke
    assert "feasible     0 of 8" in run(app, ["status", str(tmp_path / "none")]).output
    done = run(app, ["arch", "export", str(tmp_path / "none"), "-o", str(tmp_path / "out")])
    assert done.exit_code == 2 and "has no architecture within search.constraints" in done.output
    search("some", "random", {"energy": 9}, max_queries=8)
    done = run(app, ["report", str(tmp_path / "none")])
    assert done.exit_code == 2 and "0 finished, 1 without a feasible evaluation" in done.output
    assert (
        "evaluations within the limits"
        in run(app, ["report", str(tmp_path / "some"), "--format", "md"]).output
    )


def test_a_search_prints_that_nothing_is_feasible(
    search: Search, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search("none", "random", {"energy": 0}, max_queries=5)
    seminas.search(
        [
            "strategy=random",
            "evaluator=energy",
            "logger=csv",
            "search.max_queries=5",
            "search.constraints.energy=0",
        ],
        tmp_path,
        folder=tmp_path / "shown",
    )
    shown = capsys.readouterr().out
    assert "none is within search.constraints" in shown and "0 of 5 evaluations" in shown


@pytest.mark.parametrize("strategy", ["evolution", "gaussian_process"])
def test_objectives_and_limits_share_a_search(search: Search, strategy: str) -> None:
    result = search("run", strategy, {"energy": 9}, objectives=["val_accuracy", "parameters"])
    feasible = {record.index: record for record in result.history if record.feasible}
    assert result.pareto and {member["index"] for member in result.pareto} <= set(feasible)
    points = [(r.value, r.metrics["parameters"]) for r in feasible.values() if r.value is not None]
    best = {p for p in points if not any(q[0] >= p[0] and q[1] <= p[1] and q != p for q in points)}
    assert {(m["values"]["val_accuracy"], m["values"]["parameters"]) for m in result.pareto} == best


@pytest.mark.parametrize("strategy", [pytest.param("gaussian_process", marks=pytest.mark.long), "evolution"])
def test_a_killed_search_goes_on_exactly(search: Search, tmp_path: Path, strategy: str) -> None:
    whole = search("whole", strategy, {"energy": 9})
    with pytest.raises(KeyboardInterrupt):
        search("killed", strategy, {"energy": 9}, "evaluator.killed_at=13")
    resumed = search("killed", strategy, {"energy": 9}, "evaluator.killed_at=13")
    assert [(r.key, r.feasible) for r in resumed.history] == [(r.key, r.feasible) for r in whole.history]
    with pytest.raises(UserError, match="search.constraints.energy"):
        search("killed", strategy, {"energy": 8}, "evaluator.killed_at=13")


def test_imported_evaluations_are_within_the_limits_or_not(search: Search, tmp_path: Path) -> None:
    search("first", "random", {"energy": 9})
    result = search(
        "second", "gaussian_process", {"energy": 9}, import_from=[str(tmp_path / "first")], max_queries=6
    )
    lines = [json.loads(line) for line in (tmp_path / "second" / "history.jsonl").read_text().splitlines()]
    imported = [line for line in lines if line["index"] < 0]
    assert len(imported) == 16 and all(
        line["feasible"] == (line["metrics"]["energy"] <= 9) for line in imported
    )
    assert result.num_feasible == sum(line["feasible"] for line in lines[16:])


def test_an_evaluation_without_the_metric_has_failed(search: Search) -> None:
    result = search("run", "evolution", {"energy": 9}, "evaluator.lacks=3")
    (failed,) = [record for record in result.history if record.error]
    assert failed.error == "energy: is missing, search.constraints limits it" and failed.feasible is None
    with pytest.raises(UserError, match="energy: is missing, search.constraints limits it; the search ends"):
        search("first", "random", {"energy": 9}, "evaluator.lacks=1")
    with pytest.raises(UserError, match="no evaluation succeeded"):
        search("fails", "random", {"energy": 9}, "evaluator.fails=true", max_queries=4)


@pytest.mark.parametrize(
    ("constraints", "overrides", "line"),
    [
        ({"watts": 3}, (), "search.constraints.watts: is no exact cost"),
        (
            {"val_accuracy": 0.9},
            (),
            "search.constraints.val_accuracy: is the metric that the search optimizes",
        ),
        ({"macs": -3}, (), "search.constraints.macs=-3: must be a finite number of at least 0"),
        (
            {"energy": 3},
            ("strategy=bananas",),
            "search.constraints.energy=3: strategy Bananas takes no limit of a",
        ),
        (
            {"energy": 3},
            ("strategy=seminas_evolution",),
            "search.constraints.energy=3: strategy SemiNASEvolution",
        ),
        (
            {"energy": 3},
            ("strategy=nao",),
            "strategy.improvement=None: must be 1 with search.constraints.energy=3",
        ),
        (
            {"energy": 3},
            ("strategy=seminas", "strategy.improvement=0.5"),
            "strategy.improvement=0.5: must be 1",
        ),
    ],
)
def test_wrong_limits_are_one_line(
    search: Search, tmp_path: Path, constraints: dict[str, float], overrides: tuple[str, ...], line: str
) -> None:
    with pytest.raises(UserError) as raised:
        search("run", "random", constraints, *overrides)
    assert line in str(raised.value) and "\n" not in str(raised.value)
    assert not (tmp_path / "run" / "history.jsonl").exists()


def test_exact_costs_come_before_metrics_of_the_same_name(search: Search) -> None:
    result = search("run", "random", {"macs": 60_000}, max_queries=5)
    assert result.num_feasible is None and all(record.feasible is None for record in result.history)


def test_a_command_may_measure_the_limited_metric(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import json, sys\nwidth, depth = map(int, sys.argv[1:])\n"
        "print(json.dumps({'val_accuracy': width * depth / 100, 'energy': width + depth}))\n"
    )
    result = seminas.search(
        [
            *("space=sequence", "evaluator=command", "strategy=evolution", "logger=csv"),
            *("space.positions={width: [1, 2, 3, 4], depth: [1, 2, 3]}", "evaluator.metrics={energy: min}"),
            *("evaluator.metric=val_accuracy", "evaluator.mode=max"),
        ],
        folder=tmp_path / "run",
        quiet=True,
        evaluator={"command": f"{sys.executable} {script} {{width}} {{depth}}"},
        search={"constraints": {"energy": 5}, "max_queries": 12},
    )
    assert (result.best_value, result.num_feasible) == (0.06, 9)
