"""Test results: they are written and read back, and invalid ones give one line."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seminas.errors import UserError
from seminas.runs.result_file import read_result, write_result
from seminas.runs.results import PredictorResult, Result, SearchResult, SupernetResult
from seminas.runs.speech_results import SpeechSupernetResult
from support import training_result

COMMON: dict[str, Any] = {"space": "nasbench101", "seed": 3, "wall_s": 1.5, "config": {"seed": 3}}
RESULTS: list[Result] = [
    SearchResult(
        **COMMON,
        strategy="random",
        evaluator="table",
        num_queries=5,
        num_failures=1,
        best_architecture={"matrix": [[0, 1], [0, 0]]},
        best_key="k",
        best_value=0.9,
        test_value=None,
        parameters=None,
        incumbents=[{"index": 0, "value": 0.9, "test_value": None}],
        best_there_is=None,
        cost_s=2.0,
    ),
    PredictorResult(
        **COMMON,
        model="seminas",
        num_labeled=10,
        num_pseudo_labeled=0,
        num_ranked=90,
        kendall_tau=None,
        spearman_rho=0.5,
        fit_s=0.1,
        top_k={"top_1_regret": 0.1},
        pseudo_label_ratio=0.0,
    ),
    training_result(**COMMON),
    SupernetResult(
        **COMMON, mean_val_accuracy=0.3, measured=[{"key": "k", "architecture": [1], "val_accuracy": 0.3}]
    ),
    SpeechSupernetResult(
        **COMMON,
        metric_name="val_focus_rate",
        mean={"val_focus_rate": 0.3},
        measured=[{"key": "k", "architecture": [1], "values": {"val_focus_rate": 0.3}}],
    ),
]


@pytest.mark.parametrize("result", RESULTS, ids=lambda r: r.KIND)
def test_a_result_is_read_back_as_it_was_written(tmp_path: Path, result: Result) -> None:
    write_result(tmp_path / "result.json", result)
    assert read_result(tmp_path / "result.json") == result
    about = json.loads((tmp_path / "result.json").read_text())
    assert about["kind"] == result.KIND and about["version"] == 2


def test_a_search_of_version_1_is_read(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_result(path, RESULTS[0])
    values = json.loads(path.read_text())
    del values["kind"], values["version"]
    path.write_text(json.dumps(values))
    assert read_result(path) == RESULTS[0]


def test_a_study_of_a_predictor_of_version_1_is_read(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_result(path, RESULTS[1])
    values = json.loads(path.read_text())
    for name in ("kind", "version", "pseudo_label_ratio"):
        del values[name]
    values |= {"num_pseudo_labeled": 20, **values.pop("top_k")}  # Version 1 had no section top_k.
    values["config"] = {
        "seed": 3,
        "predictor": {"num_labeled": 10},
        "model": {"_target_": "seminas.regressors.ControllerRegressor", "pseudo_label_ratio": 2},
    }
    path.write_text(json.dumps(values))
    result = read_result(path)
    assert isinstance(result, PredictorResult)
    assert (result.top_k, result.pseudo_label_ratio) == ({"top_1_regret": 0.1}, 2.0)
    assert result.config == {
        "seed": 3,
        "predictor": {"num_labeled": 10, "pseudo_label_ratio": 2},
        "model": {"_target_": "seminas.predictors.controller.ControllerPredictor"},
    }
    assert (
        replace(result, config=COMMON["config"], pseudo_label_ratio=0.0, num_pseudo_labeled=0) == RESULTS[1]
    )


def test_there_is_no_result_where_there_is_no_file(tmp_path: Path) -> None:
    assert read_result(tmp_path / "result.json") is None


def test_a_number_that_is_not_finite_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_result(tmp_path / "result.json", replace(RESULTS[0], wall_s=float("nan")))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"version": 3}, "is a result of version 3, this seminas reads up to 2"),
        ({"kind": "poem"}, "is a result of the unknown kind 'poem'"),
        ({"config": None}, "is no result (it has no config)"),
        ({"best_key": ...}, "is no result (it has no best_key)"),
        ({"test_accuracy": "0.9"}, "is no result (its test_accuracy: '0.9' is no float | None)"),
        ({"seed": [1]}, "is no result (its seed: [1] is no int)"),
        ({"best_there_is": "x"}, "is no result (its best_there_is: 'x' is no dict[str, float] | None)"),
        ({"incumbents": [1]}, "is no result (its incumbents: 1 is no Incumbent)"),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    path = tmp_path / "result.json"
    write_result(path, RESULTS[0])
    values = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in values.items() if v is not ...}))
    with pytest.raises(UserError) as error:
        read_result(path)
    assert str(error.value).startswith(f"{path}: {line}") and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{}",
        "[]",
        "7",
        '{"wall_s": NaN}',
        "\x00",
        '"x"',
        '{"config": []}',
        '{"config": {"model": 3}}',
    ],
)
def test_what_is_no_result_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(UserError, match="is no result|unknown kind") as error:
        read_result(path)
    assert "\n" not in str(error.value)
