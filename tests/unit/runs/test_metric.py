"""Test metrics: their checks, their directions and their texts."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from seminas.errors import UserError
from seminas.evaluators.evaluation import Evaluation, checked, measured
from seminas.runs.metric import ACCURACY, Metric, check_metrics, metric_of, metrics_section

LOSS = Metric("val_loss", "minimize", "nats")
LATENCY = Metric("latency_ms", "minimize", "ms")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("val loss", "minimize"), "metric.name='val loss': must be letters, digits and underscores"),
        (("round", "minimize"), "metric.name=round: must be none of cost_s"),
        (("best_loss", "minimize"), "metric.name=best_loss: must be none of"),
        (("val_loss", "minimise"), "val_loss: direction='minimise': must be maximize or minimize"),
        (("val_loss", None), "val_loss: direction=None: must be maximize or minimize"),
        (("val_loss", "minimize", ""), "val_loss: unit='': must be a text"),
    ],
)
def test_a_wrong_metric_is_one_line(arguments: tuple[Any, ...], line: str) -> None:
    with pytest.raises(UserError) as raised:
        Metric(*arguments)
    assert str(raised.value).startswith(line) and "\n" not in str(raised.value)


def test_the_better_of_two_values_follows_from_the_direction() -> None:
    assert LOSS.better(3.7, 120.0) and not LOSS.better(3.7, 3.7) and LOSS.better(1e9, None)
    assert LOSS.best([120.0, 3.7, 5.0]) == 3.7 and LOSS.score(3.7) == -3.7
    assert ACCURACY.better(0.9, 0.8) and ACCURACY.best([0.1, 0.3]) == 0.3
    assert LOSS.scores([3.7, None]) == [-3.7, None] and ACCURACY.scores([0.3, None]) == [0.3, None]


def test_texts_and_names_follow_from_the_unit_and_the_name() -> None:
    assert ACCURACY.text(0.93125) == "0.9313" and ACCURACY.labeled(ACCURACY.title) == "validation accuracy"
    assert (ACCURACY.best_name, ACCURACY.test_name) == ("best_val_accuracy", "test_accuracy")
    assert LOSS.text(120.123456) == "120.12 nats" and LOSS.labeled(LOSS.title) == "val_loss (nats)"
    assert (LOSS.best_name, LOSS.test_name) == ("best_val_loss", "test_loss")
    assert Metric("reward", "maximize").text(-1234.5678) == "-1234.6"


@pytest.mark.parametrize(
    "value", [0.5, 1, np.float32(0.5), np.array(0.5), torch.tensor(0.5), np.array([0.5])]
)
def test_numbers_of_any_library_are_values(value: Any) -> None:
    for metric in (ACCURACY, LOSS):
        evaluation = checked(measured(value, metric, 1.0), metric)
        assert type(evaluation.value) is float and evaluation.error is None


@pytest.mark.parametrize(
    ("returned", "line"),
    [
        (math.nan, "val_loss=nan: must be a finite number"),
        (math.inf, "val_loss=inf: must be a finite number"),
        ("3.7", "val_loss='3.7': must be a finite number"),
        (None, "val_loss=None: must be a finite number"),
        (True, "val_loss=True: must be a finite number"),
        (np.eye(2), "val_loss=array([[1., 0.], [0., 1.]]): must be a finite number"),
        (10**400, "val_loss=1000"),
        ({}, "val_loss: is missing, the evaluation gave no metric"),
        ({"loss": 3.7}, "val_loss: is missing, the evaluation gave loss"),
        ({"val_loss": None}, "val_loss=None: must be"),
        ({"val_loss": 3.7, "latency_ms": math.nan}, "latency_ms=nan: must be a finite number"),
        ({"val_loss": 3.7, "speed": 1}, "speed: is not among the declared metrics, latency_ms"),
    ],
)
def test_a_wrong_value_is_a_failure_that_names_the_metric(returned: Any, line: str) -> None:
    evaluation = checked(measured(returned, LOSS, 2.0), LOSS, [LATENCY])
    assert evaluation.value is None and evaluation.cost_s == 2.0 and evaluation.metrics == {}
    assert str(evaluation.error).startswith(line) and "\n" not in str(evaluation.error)


def test_a_dictionary_gives_the_objective_and_further_metrics() -> None:
    evaluation = checked(measured({"latency_ms": 5, "val_loss": 3.7}, LOSS, 2.0), LOSS, [LATENCY])
    assert evaluation == Evaluation(3.7, 2.0, metrics={"latency_ms": 5.0})
    assert checked(measured({"val_loss": -3.7}, LOSS, 2.0), LOSS, [LATENCY]).value == -3.7


@pytest.mark.parametrize(
    ("metric", "further", "line"),
    [
        ("val_loss", (), "metric='val_loss': must be a seminas.Metric"),
        (LOSS, LATENCY, "must be a list of seminas.Metric"),
        (LOSS, [LATENCY, LATENCY], "metrics: the name latency_ms is declared twice"),
        (LOSS, [Metric("val_loss", "maximize")], "metrics: the name val_loss is declared twice"),
    ],
)
def test_wrong_declarations_are_one_line(metric: Any, further: Any, line: str) -> None:
    with pytest.raises(UserError, match=line):
        check_metrics(metric, further)


def test_a_config_records_a_metric_unless_it_is_the_accuracy() -> None:
    assert metrics_section(ACCURACY, ()) == {} and metric_of({}) == metric_of({"metric": None}) == ACCURACY
    assert metric_of(metrics_section(LOSS, [LATENCY])) == LOSS
    for wrong in ("val_loss", {"name": "val_loss"}, {"name": "val_loss", "direction": "up"}):
        with pytest.raises(UserError, match="runs/a: has an invalid metric"):
            metric_of({"metric": wrong}, "runs/a")
