"""Test searches of made-up landscapes: their results, their reports, and their errors."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from typer.testing import CliRunner

from seminas.commands import search
from seminas.commands.main import app
from seminas.config.evaluators import LandscapeSettings
from seminas.config.messages import one_line
from seminas.errors import UserError
from seminas.evaluators.landscape import LandscapeEvaluator
from seminas.runs.folder import RunFolder
from seminas.runs.records import read_history
from seminas.spaces.mobilenet import MobileNet

Configure = Callable[..., dict[str, Any]]
LANDSCAPE = ["evaluator=landscape", "space=mobilenet", "strategy=evolution", "search.max_queries=20"]
WRONG = {
    "space=nasbench101": (
        "evaluator=landscape: space=nasbench101 is no chain of choices; choose one, such as space=mobilenet"
    ),
    "evaluator.seed=-1": "evaluator.seed=-1: must be at least 0",
    "evaluator.seed=x": "evaluator.seed=x: must be a whole number",
    "evaluator.noise=-0.1": "evaluator.noise=-0.1: must be from 0 to 1",
    "evaluator.noise=much": "evaluator.noise=much: must be a number",
    "evaluator.num_workers=0": "evaluator.num_workers=0: must be at least 1",
    "evaluator.sed=1": "evaluator.sed: is unknown; did you mean evaluator.seed?",
}


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    search.run(config, RunFolder(folder), quiet=True)
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


def test_a_search_of_a_landscape_is_resumed_reported_and_shown(configure: Configure, tmp_path: Path) -> None:
    config = configure("search", *LANDSCAPE, "evaluator.seed=3")
    whole = tmp_path / "whole"
    result = run(config, whole)
    space = MobileNet()
    landscape = LandscapeEvaluator(space, 0, LandscapeSettings(seed=3))
    best = space.from_json(result["best_architecture"])
    records = read_history(whole)
    assert len(records) == result["num_queries"] == result["cost_s"] == 20
    assert result["best_val_accuracy"] == landscape.val_accuracies([best])[0]
    assert result["best_val_accuracy"] == max(r.val_accuracy for r in records if r.val_accuracy)
    assert result["test_accuracy"] == landscape.test(best)
    assert result["incumbents"][-1]["test_accuracy"] == result["test_accuracy"]
    assert result["best_there_is"] == landscape.best_there_is()

    killed = tmp_path / "killed"
    killed.mkdir()
    for name in ("config.yaml", "plan.json"):
        shutil.copy(whole / name, killed)
    lines = (whole / "history.jsonl").read_text().splitlines(keepends=True)
    (killed / "history.jsonl").write_text("".join(lines[:13]) + lines[13][:20])
    assert {**run(config, killed), "wall_s": 0} == {**result, "wall_s": 0}
    assert (killed / "history.jsonl").read_text() == "".join(lines)

    reported = CliRunner().invoke(app, ["report", str(whole), "--format", "md"])
    assert reported.exit_code == 0 and "**mobilenet, landscape 3, noise 0.002**" in reported.stdout
    assert f"| {100 * landscape.regret(best):.2f} ± 0.00 |" in reported.stdout  # type: ignore[operator]
    shown = CliRunner().invoke(app, ["arch", "show", str(whole)])
    assert shown.exit_code == 0 and result["best_key"] in shown.stdout


def test_simulated_workers_and_a_landscape_for_each_seed(configure: Configure, tmp_path: Path) -> None:
    overrides = [*LANDSCAPE, "evaluator.seed=null", "evaluator.num_workers=4"]
    results = [run(configure("search", *overrides, f"seed={s}"), tmp_path / str(s)) for s in (0, 1)]
    assert [r["num_workers"] for r in results] == [4, 4] and [r["makespan_s"] for r in results] == [5, 5]
    assert results[0]["best_there_is"] != results[1]["best_there_is"]
    reported = CliRunner().invoke(app, ["report", str(tmp_path), "--format", "md"])
    assert "**mobilenet, a landscape for each seed, noise 0.002**" in reported.stdout
    assert "| evolution | 2 | 20 |" in reported.stdout


def test_no_regret_is_reported_under_a_budget(configure: Configure, tmp_path: Path) -> None:
    result = run(configure("search", *LANDSCAPE, "space.max_macs=600e6"), tmp_path)
    assert result["best_there_is"] is None and result["test_accuracy"] is not None


@pytest.mark.parametrize("override", WRONG)
def test_a_wrong_setting_is_one_line_and_leaves_no_folder(
    configure: Configure, tmp_path: Path, override: str
) -> None:
    with pytest.raises((UserError, HydraException, OmegaConfBaseException)) as raised:
        config = configure("search", *LANDSCAPE, override)
        search.run(config, RunFolder(tmp_path / "run"), quiet=True)
    assert one_line(raised.value) == WRONG[override]
    assert list(tmp_path.iterdir()) == []
