"""Searches under limits of exact costs, and the command that measures latency tables."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import seminas
from seminas.commands.main import app
from seminas.config.evaluators import TableSettings
from seminas.errors import UserError
from seminas.evaluators.table import TableEvaluator
from seminas.spaces.mobilenet import MobileNet
from seminas.spaces.nasbench101 import NASBench101
from support import SMALL_CONTROLLER

DIGITS = ["evaluator=table", "evaluator.path=digits101", "search.max_queries=24", *SMALL_CONTROLLER]


@pytest.mark.parametrize(
    "strategy",
    [
        "random",
        "evolution",
        "local_search",
        "gaussian_process",
        "bananas",
        pytest.param("seminas", marks=pytest.mark.long),
    ],
)
def test_no_strategy_proposes_an_architecture_beyond_the_limits(strategy: str, tmp_path: Path) -> None:
    limits = {"macs": 60_000, "parameters": 2_500}
    result = seminas.search(
        DIGITS, strategy=strategy, folder=tmp_path / "run", quiet=True, search={"constraints": limits}
    )
    space = NASBench101()
    costs = TableEvaluator(space, 0, TableSettings(path="digits101")).exact_costs(space)
    cells = [space.from_json(record.architecture) for record in result.history]
    assert len(cells) == 24
    assert (costs(cells, list(limits)) <= list(limits.values())).all()
    # The best of the feasible cells, and not of all cells.
    assert result.best_there_is is not None
    assert result.best_value <= result.best_there_is["val_accuracy"] < 0.9941


def test_a_killed_search_goes_on_with_the_same_history(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"quiet": True, "search": {"constraints": {"macs": 60_000}}}
    whole = seminas.search([*DIGITS, "strategy=evolution"], folder=tmp_path / "a", **settings)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b" / "result.json").unlink()
    history = tmp_path / "b" / "history.jsonl"
    history.write_text("".join(history.read_text().splitlines(keepends=True)[:11]))
    asked = tmp_path / "b" / "asked.jsonl"
    if asked.exists():
        asked.write_text("".join(asked.read_text().splitlines(keepends=True)[:11]))
    resumed = seminas.search([*DIGITS, "strategy=evolution"], folder=tmp_path / "b", **settings)
    assert [r.key for r in resumed.history] == [r.key for r in whole.history]
    with pytest.raises(UserError, match="constraints"):
        seminas.search(
            [*DIGITS, "strategy=evolution", "search.constraints.macs=5e4"], folder=tmp_path / "b", quiet=True
        )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "search.constraints.macs=100",
            "search.constraints.macs=100: must be at least 18,496, the smallest value",
        ),
        (
            "search.constraints={macs: -1}",
            "search.constraints.macs=-1: must be a finite number of at least 0",
        ),
        (
            "search.constraints={macs: nan}",
            "search.constraints.macs=nan: must be a finite number of at least 0",
        ),
        (
            "search.constraints={macs: inf}",
            "search.constraints.macs=inf: must be a finite number of at least 0",
        ),
        ("search.constraints={macs: much}", "search.constraints={macs: much}: must be a number"),
        ("search.constraints.latency_ms=3", "it states macs, parameters; latency_ms needs space.latency"),
        ("search.constraints.energy=3", "search.constraints.energy: is no exact cost"),
        (
            "search.constraints={macs: 25000, parameters: 900}",
            "search.constraints.parameters=900",
        ),
    ],
)
def test_a_wrong_constraint_is_one_line_before_anything_is_paid_for(
    override: str, message: str, tmp_path: Path
) -> None:
    if "900" in override:
        seminas.search(
            [*DIGITS, "strategy=random", "search.max_queries=2", override.replace("900", "9000")],
            folder=tmp_path / "fits",
            quiet=True,
        )
        override, message = (
            override.replace("900", "800"),
            "search.constraints.parameters=800: must be at least 812",
        )
    with pytest.raises(UserError) as error:
        seminas.search([*DIGITS, "strategy=random", override], folder=tmp_path / "run", quiet=True)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "run" / "history.jsonl").exists()


@pytest.mark.long
def test_a_search_on_a_chain_keeps_to_the_limits(tmp_path: Path) -> None:
    overrides = ["space=mobilenet", "evaluator=landscape", "strategy=random", "search.max_queries=20"]
    result = seminas.search(
        [*overrides, "search.constraints={macs: 350e6, parameters: 4.5e6}"],
        folder=tmp_path / "run",
        quiet=True,
    )
    space = MobileNet()
    architectures = [space.from_json(record.architecture) for record in result.history]
    sums = space.cost_sums()
    assert max(sums["macs"].total(a) for a in architectures) <= 350e6
    assert max(sums["parameters"].total(a) for a in architectures) <= 4.5e6


@pytest.mark.parametrize("device", ["cpu", pytest.param("onnxruntime", marks=pytest.mark.long)])
def test_a_measured_table_limits_a_search(device: str, tmp_path: Path) -> None:
    if device == "onnxruntime":
        pytest.importorskip("onnxruntime")
    table = tmp_path / "table.csv"
    small = ["space=mobilenet_small", "space.factor=0.1", "space.image=[3,16,16]"]
    options = ["--device", device, "--repetitions", "3", "--warmup", "1", "--networks", "3", "-o", str(table)]
    done = CliRunner().invoke(app, ["data", "latency", *small, *options])
    assert done.exit_code == 0, done.output
    lines = table.read_text().splitlines()
    comments = [line for line in lines if line.startswith("#")]
    assert any(f"device: {device}" in line for line in comments)
    assert any("Spearman" in line and "3 random whole networks" in line for line in comments)
    rows = np.genfromtxt(lines[len(comments) + 1 :], delimiter=",", usecols=2)
    assert lines[len(comments)] == "position,choice,median_ms,iqr_ms,runs"
    assert len(rows) == 2 + 21 * 6 and (rows > 0).all()
    result = seminas.search(
        [*small, f"space.latency={table}", "evaluator=landscape", "strategy=random", "search.max_queries=5"],
        folder=tmp_path / "run",
        quiet=True,
        search={"constraints": {"latency_ms": float(rows.sum() / 6)}},
    )
    assert (
        json.loads((tmp_path / "run" / "result.json").read_text())["num_queries"] == len(result.history) == 5
    )


def test_a_latency_table_that_cannot_be_measured_is_one_line(tmp_path: Path) -> None:
    out = ["-o", str(tmp_path / "t.csv")]
    for arguments, message in (
        (["space=nasbench201"], "seminas data latency: space=nasbench201 has no networks of stages"),
        (["space=mobilenet_small", "--device", "tpu"], "--device=tpu: must be one of cpu, cuda, onnxruntime"),
        (["space=nowhere"], "nowhere"),
        (["space=mobilenet_small", "space.factor=-1"], "space.factor=-1"),
    ):
        done = CliRunner().invoke(app, ["data", "latency", *arguments, *out])
        assert done.exit_code == 2 and message in done.output and done.output.count("\n") == 1, done.output
    assert not list(tmp_path.iterdir())
