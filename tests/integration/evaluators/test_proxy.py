"""Test zero-cost proxies in commands: as an evaluator, as features of strategies and predictors, and in reports."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from typer.testing import CliRunner

from seminas.commands import search
from seminas.commands.main import app
from seminas.config.messages import one_line
from seminas.errors import UserError
from seminas.runs.folder import RunFolder
from seminas.runs.records import read_history
from seminas.runs.result_file import read_result
from seminas.runs.results import SearchResult

Configure = Callable[..., dict[str, Any]]
PROXY = ["space=nasbench201", "evaluator=proxy", "strategy=evolution", "search.max_queries=8"]
SEARCH = [
    "space=nasbench201",
    "evaluator=landscape",
    "strategy=gaussian_process",
    "strategy.max_candidates=100",
    "search.max_queries=12",
    "logger=csv",
]
WITH_PROXIES = [*SEARCH, "proxies=zero_cost", "proxies.sample=20", "proxies.first_round=0.4"]
WRONG = {
    "evaluator.proxy=zen": "evaluator.proxy=zen: must be one of synflow, naswot, jacobian, parameters, macs, rank_mean",
    "evaluator.networks.batch_size=1": "evaluator.networks.batch_size=1: must be at least 2",
    "evaluator.ranked=[]": "evaluator.ranked=[]: must be some of synflow, naswot, jacobian, parameters, macs",
    "space=nasbench_macro": (
        "evaluator.proxy: space=nasbench_macro builds no networks (method build_network)"
    ),
}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the proxies of these tests in a folder of their own."""
    folder = tmp_path_factory.getbasetemp() / "proxies"
    monkeypatch.setenv("SEMINAS_CACHE", str(folder))


def run(config: dict[str, Any], folder: Path) -> SearchResult:
    search.run(config, RunFolder(folder), quiet=True)
    result = read_result(folder / "result.json")
    assert isinstance(result, SearchResult)
    return result


@pytest.mark.parametrize("proxy", ["synflow", "rank_mean"])
def test_a_search_for_a_proxy_is_reported(configure: Configure, tmp_path: Path, proxy: str) -> None:
    overrides = [f"evaluator.proxy={proxy}", "evaluator.sample=10"]
    result = run(configure("search", *PROXY, *overrides), tmp_path / "run")
    records = read_history(tmp_path / "run")
    values = [record.value for record in records if record.value is not None]
    assert result.best_value == max(values) and len(set(values)) > 4
    assert result.metric.name == proxy and result.test_value is None
    assert result.cost_s > 0 and result.parameters
    reported = CliRunner().invoke(app, ["report", str(tmp_path), "--format", "md"])
    assert reported.exit_code == 0 and f"{proxy} (maximize)" in reported.stdout


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_errors_of_the_networks_name_their_settings(configure: Configure, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="^evaluator.networks.device=cuda: must be cpu or auto"):
        run(configure("search", *PROXY, "evaluator.networks.device=cuda"), tmp_path / "run")


@pytest.mark.parametrize("override", WRONG)
def test_a_wrong_setting_is_one_line_and_leaves_no_folder(
    configure: Configure, tmp_path: Path, override: str
) -> None:
    with pytest.raises((UserError, HydraException, OmegaConfBaseException)) as raised:
        run(configure("search", *PROXY, override), tmp_path / "run")
    assert one_line(raised.value) == WRONG[override]
    assert list(tmp_path.iterdir()) == []


def test_proxies_without_a_model_that_reads_them_are_refused(configure: Configure, tmp_path: Path) -> None:
    config = configure(
        "search", "space=nasbench201", "evaluator=landscape", "strategy=random", "proxies=zero_cost"
    )
    with pytest.raises(UserError) as raised:
        run(config, tmp_path / "run")
    assert one_line(raised.value) == "proxies=zero_cost: must be none with strategy=random"
    assert list(tmp_path.iterdir()) == []


def test_a_search_with_proxies_counts_them_and_resumes_exactly(configure: Configure, tmp_path: Path) -> None:
    config = configure("search", *WITH_PROXIES)
    whole = tmp_path / "runs" / "whole"
    result = run(config, whole)
    records = read_history(whole)
    first = [record for record in records if record.round == 0]
    assert [record.origin for record in first] == ["proxies"] * 2 + ["random"] * 3
    assert result.proxies_s > 0 and result.cost_s == pytest.approx(12 + result.proxies_s)
    with (whole / "metrics.csv").open() as file:
        seconds = [
            float(row["round/proxies_s"]) for row in csv.DictReader(file) if row.get("round/proxies_s")
        ]
    assert sum(seconds) == pytest.approx(result.proxies_s, rel=1e-3)

    killed = tmp_path / "killed"
    killed.mkdir()
    for name in ("config.yaml", "plan.json"):
        shutil.copy(whole / name, killed)
    lines = (whole / "history.jsonl").read_text().splitlines(keepends=True)
    asked = (whole / "asked.jsonl").read_text().splitlines(keepends=True)
    (killed / "history.jsonl").write_text("".join(lines[:7]) + lines[7][:20])
    (killed / "asked.jsonl").write_text("".join(asked[:8]))
    resumed = run(config, killed)
    assert (killed / "history.jsonl").read_text() == "".join(lines)
    assert resumed.cost_s == pytest.approx(result.cost_s)

    plain = run(configure("search", *SEARCH), tmp_path / "runs" / "plain")
    assert plain.proxies_s == 0 and plain.cost_s == 12
    assert "proxies_s" not in json.loads((plain.folder / "result.json").read_text())
    reported = CliRunner().invoke(app, ["report", str(tmp_path / "runs"), "--format", "md"])
    assert reported.exit_code == 0
    assert "gaussian_process, proxies zero_cost" in reported.stdout
    assert "gaussian_process, proxies none" in reported.stdout


@pytest.mark.parametrize("strategy", ["seminas", "bananas"])
def test_other_strategies_read_proxies_too(configure: Configure, tmp_path: Path, strategy: str) -> None:
    small = ["controller.teachers.steps=10", "controller.student.steps=10", "search.pseudo_label_ratio=2"]
    overrides = [o for o in WITH_PROXIES if not o.startswith("strategy")]
    overrides += [f"strategy={strategy}", *(["strategy.pool=50", *small] if strategy == "seminas" else [])]
    result = run(configure("search", *overrides), tmp_path)
    assert result.num_queries == 12 and result.proxies_s > 0
