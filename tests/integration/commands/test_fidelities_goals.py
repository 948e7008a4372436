"""Searches with fidelities for several objectives, and under limits of measured metrics."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fidelity_table import cut, energy_of, search, write_table
from seminas.errors import UserError
from seminas.runs.records import Record, read_history

pytestmark = pytest.mark.integration
PARAMETERS = {"objectives": ["val_accuracy", "parameters"]}
ENERGY = {"objectives": ["val_accuracy", "energy"]}
LIMIT = {"constraints": {"energy": 9}}
ALL = {"objectives": ["val_accuracy", "energy", "parameters"], **LIMIT}
CASES = [
    ("halving", "evolution", {**PARAMETERS, **LIMIT}, 4),
    pytest.param("halving", "evolution", PARAMETERS, 8, marks=pytest.mark.long),
    pytest.param("hyperband", "random", LIMIT, 6, marks=pytest.mark.long),
    ("controller", "random", {**PARAMETERS, **LIMIT}, 4),
    pytest.param("controller", "random", PARAMETERS, 8, marks=pytest.mark.long),
    pytest.param("halving", "gaussian_process", ALL, 8, marks=pytest.mark.long),
    pytest.param("halving", "seminas", ENERGY, 8, marks=pytest.mark.long),
    pytest.param("controller", "evolution", ENERGY, 8, marks=pytest.mark.long),
    pytest.param("controller", "random", LIMIT, 8, marks=pytest.mark.long),
    pytest.param("controller", "gaussian_process", ALL, 8, marks=pytest.mark.long),
]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a packed table with fidelities, and beside it the config of an evaluator with an energy."""
    return write_table(tmp_path_factory.mktemp("table"))


def run(table: Path, folder: Path, fidelity: str, strategy: str, about: dict[str, Any], cost: float) -> Any:
    measured = "energy" in str(about)
    more = [f"fidelity={fidelity}", f"strategy={strategy}", "evaluator.num_workers=2"]
    more += ["evaluator=energy"] if measured else []
    more += ["fidelity.first=4"] if fidelity == "controller" else []
    return search(table, folder, *more, search={**about, "max_cost": cost})


def dominated(record: Record, others: Sequence[Record], names: Sequence[str]) -> bool:
    def costs(one: Record) -> tuple[float, ...]:
        return (-(one.value or 0.0), *(one.metrics[name] for name in names))

    mine = costs(record)
    return any(costs(o) != mine and all(a <= b for a, b in zip(costs(o), mine, strict=True)) for o in others)


@pytest.mark.parametrize(("fidelity", "strategy", "about", "cost"), CASES)
def test_results_are_of_full_trainings_and_a_killed_search_goes_on(
    table: Path, tmp_path: Path, fidelity: str, strategy: str, about: dict[str, Any], cost: float
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    result = run(table, whole, fidelity, strategy, about, cost)
    records = read_history(whole)
    reached: defaultdict[str, int] = defaultdict(int)
    for record in sorted(records, key=lambda r: r.number or 0):
        assert record.epochs is not None and record.epochs > reached[record.key], "paid twice"
        assert record.cost == pytest.approx((record.epochs - reached[record.key]) / 9)
        reached[record.key] = record.epochs
    full = [record for record in records if record.epochs == 9]
    if "constraints" in about:
        for record in full:
            assert record.metrics["energy"] == pytest.approx(energy_of(record.value or 0.0, 9))
        assert all(record.feasible == (record.metrics["energy"] <= 9) for record in records)
        full = [record for record in full if record.feasible]
    assert full and result.best_value == max(record.value or 0.0 for record in full)
    if "objectives" in about:
        names = about["objectives"][1:]
        front = {record.index for record in full if not dominated(record, full, names)}
        assert {member["index"] for member in result.pareto} == front
    assert any(record.origin == "promotion" for record in records)
    killed.mkdir()
    for file in whole.iterdir():
        if file.is_file():
            (killed / file.name).write_bytes(file.read_bytes())
    cut(killed, len(records) - 6)
    run(table, killed, fidelity, strategy, about, cost)
    for name in ("history.jsonl", "asked.jsonl"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()


def test_the_reference_point_is_of_full_trainings(table: Path, tmp_path: Path) -> None:
    """The values after few epochs are higher than all after nine, so their worst would exclude the whole front."""
    result = run(table, tmp_path, "halving", "random", ENERGY, 4)
    full = [record.value or 0.0 for record in read_history(tmp_path) if record.epochs == 9]
    least = min(full) - 0.1 * ((max(full) - min(full)) or abs(min(full)))
    assert len(full) <= 10 and result.reference["val_accuracy"] == pytest.approx(least)
    assert result.hypervolume > 0


def test_nothing_feasible_is_a_result_without_an_architecture(table: Path, tmp_path: Path) -> None:
    about = {"constraints": {"energy": 0}}
    result = run(table, tmp_path / "run", "halving", "random", about, 4)
    assert (result.best_value, result.best_key, result.num_feasible) == (None, None, 0)
    with pytest.raises(UserError, match="no full training has ended; the same command goes on with a larger"):
        run(table, tmp_path / "short", "halving", "random", about, 1)


@pytest.mark.parametrize(
    ("about", "strategy", "message"),
    [
        (PARAMETERS, "bananas", "search.objectives=[val_accuracy, parameters]: strategy Bananas takes one"),
        (LIMIT, "bananas", "search.constraints.energy=9: strategy Bananas takes no limit"),
        (
            {"objectives": ["val_accuracy", "weight"]},
            "random",
            "search.objectives=[val_accuracy, weight]: has",
        ),
    ],
)
def test_a_strategy_that_takes_no_such_goal_is_one_line(
    table: Path, tmp_path: Path, about: dict[str, Any], strategy: str, message: str
) -> None:
    with pytest.raises(UserError) as error:
        run(table, tmp_path / "run", "halving", strategy, about, 4)
    assert str(error.value).startswith(message) and "\n" not in str(error.value)
    assert not (tmp_path / "run" / "history.jsonl").exists()
