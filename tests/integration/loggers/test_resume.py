"""A run that was killed, or is extended, goes on with one record in each logger."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wandb
from mlflow.tracking import MlflowClient
from pictures import write_pictures

from learning import SMALL, training_overrides
from logged import (
    ALL,
    LOGGERS,
    database,
    mlflow_runs,
    points,
    run,
    run_and_kill,
    wandb_files,
    wandb_history,
)
from seminas.runs.csv import CSV
from seminas.runs.logger_ids import read_logger_id, write_logger_id
from seminas.runs.records import read_history
from seminas.runs.wandb_file import read_records

QUERIES, MORE = 12, 16
NOT_KEPT = ("csv", "tensorboard")
"""Loggers that forget the result of a search when the search is extended; the others keep it at its step."""


@pytest.fixture(scope="module")
def search(small_table: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is logged of a search that was killed, went on, and was extended: after each part, by logger."""
    folder = tmp_path_factory.mktemp("search") / "run"
    overrides = ["evaluator=table", f"evaluator.path={small_table}", "strategy=evolution", ALL]
    run_and_kill("search", folder, [*overrides, f"search.max_queries={QUERIES}"], 7)
    assert len(read_history(folder)) == 7
    parts = {}
    for number in (QUERIES, MORE):
        run("search", folder, [*overrides, f"search.max_queries={number}"])
        parts[number] = {logger: points(logger, folder) for logger in LOGGERS}
    return {"folder": folder, **parts}


@pytest.mark.long
@pytest.mark.parametrize("logger", LOGGERS)
@pytest.mark.parametrize("number", [QUERIES, MORE])
def test_a_search_has_each_point_once(search: dict[str, Any], number: int, logger: str) -> None:
    history, found = read_history(search["folder"])[:number], search[number][logger]
    for name in ("val_accuracy", "cost_s", "round"):
        assert [step for step, _ in found[name]] == list(range(number)), name
        values = [getattr(record, name) for record in history]
        assert [value for _, value in found[name]] == pytest.approx(values, rel=1e-6), name
    best = [value for _, value in found["best_val_accuracy"]]
    assert best == sorted(best) and len(best) == number
    ends = [QUERIES, MORE] if number == MORE and logger not in NOT_KEPT else [number]
    assert [step for step, _ in found["final/test_accuracy"]] == ends


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def training(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is logged of a training that was killed, went on, and was extended; and of one that ran at once."""
    base = tmp_path_factory.mktemp("train")
    overrides = training_overrides(root, f"architecture='{SMALL}'", "trainer.checkpoint_every=12")
    overrides += ["recipe.schedule=constant", ALL]
    # The checkpoint is of step 12; the points of the steps up to 19 were logged after it.
    wandb.setup()
    run_and_kill("train", base / "run", [*overrides, "trainer.max_epochs=3"], 20, shares_wandb=True)
    with (base / "run" / "metrics.csv").open("a") as file:
        file.write("2,0.5,1")  # The kill came in the middle of a row.
    run("train", base / "run", [*overrides, "trainer.max_epochs=3"])
    run("train", base / "run", [*overrides, "trainer.max_epochs=5"])
    run("train", base / "whole", [*overrides, "trainer.max_epochs=5", "logger=csv"])
    return {
        "folder": base / "run",
        "whole": points("csv", base / "whole"),
        **{logger: points(logger, base / "run") for logger in LOGGERS},
    }


@pytest.mark.long
@pytest.mark.parametrize("logger", LOGGERS)
def test_a_training_has_the_points_of_one_that_was_not_killed(training: dict[str, Any], logger: str) -> None:
    assert training["whole"]["train_loss"] and len(training["whole"]["val_accuracy"]) == 5
    found, whole = training[logger], training["whole"]
    for name in ("train_loss", "val_accuracy", "images_per_s"):
        assert [step for step, _ in found[name]] == [step for step, _ in whole[name]], name
    for name in ("train_loss", "val_accuracy"):
        values = [[value for step, value in of[name] if step < 21] for of in (found, whole)]
        assert values[0] == pytest.approx(values[1], rel=1e-6), name
    ends = [35] if logger in NOT_KEPT else [21, 35]
    assert [step for step, _ in found["final/test_accuracy"]] == ends


@pytest.mark.long
def test_a_killed_training_has_the_rows_of_one_that_was_not_killed(training: dict[str, Any]) -> None:
    rows = (training["folder"] / "metrics.csv").read_text().splitlines()
    whole = (training["folder"].parent / "whole" / "metrics.csv").read_text().splitlines()
    assert len(rows) == len(whole) and len({row.count(",") for row in rows}) == 1


@pytest.mark.long
@pytest.mark.parametrize("name", ["search", "training"])
def test_all_processes_logged_to_the_same_run(name: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(name)["folder"]
    ids = json.loads((folder / "loggers.json").read_text())
    files = wandb_files(folder)
    told = {r.run.run_id for f in files for r in read_records(f) if r.WhichOneof("record_type") == "run"}
    assert len(files) == 3 and told == {ids["wandb"]["seminas"]}
    # W&B's own steps go on, so that files of one run can be put together.
    own = [row["_step"] for file in files for row in wandb_history(file)]
    assert own == list(range(len(own)))
    (of_mlflow,) = mlflow_runs(folder)
    assert of_mlflow.info.run_id == ids["mlflow"]["mlflow.db"] and of_mlflow.info.status == "FINISHED"
    changed = "search.max_queries" if name == "search" else "trainer.max_epochs"
    before, after = (str(QUERIES), str(MORE)) if name == "search" else ("3", "5")
    assert of_mlflow.data.params[changed] == before and of_mlflow.data.tags[changed] == after


@pytest.mark.long
def test_a_kill_in_the_validation_after_a_checkpoint_loses_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = training_overrides(root, f"architecture='{SMALL}'", "trainer.max_epochs=2", "logger=csv")
    overrides += ["trainer.checkpoint_every=7"]  # The batches of an epoch.
    with monkeypatch.context() as patched:
        patched.setattr("seminas.training.classifier.Classifier.validation_step", killed)
        with pytest.raises(KilledError):
            run("train", tmp_path, overrides)
    run("train", tmp_path, overrides)
    assert [step for step, _ in points("csv", tmp_path)["val_accuracy"]] == [6, 13]


class KilledError(BaseException):
    """As if the process had ended."""


def killed(*_: Any) -> None:
    raise KilledError


@pytest.fixture
def predicted(small_table: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Runs a predictor once more in the same folder; returns the folder."""

    def again(loggers: str) -> Path:
        overrides = [f"evaluator.path={small_table}", "model=random_forest", "predictor.num_labeled=20"]
        run("predictor", tmp_path, [*overrides, loggers])
        return tmp_path

    return again


@pytest.mark.long
def test_a_run_that_lost_only_its_result_logs_nothing_twice(predicted: Callable[[str], Path]) -> None:
    folder = predicted(ALL)
    before = {logger: points(logger, folder) for logger in LOGGERS}
    (folder / "result.json").unlink()
    predicted(ALL)
    for logger in LOGGERS:
        after = points(logger, folder)
        assert after["kendall_tau"] == before[logger]["kendall_tau"] and len(after["kendall_tau"]) == 1, (
            logger
        )


def test_rows_stay_as_they_are_when_a_metric_is_new(tmp_path: Path) -> None:
    first = CSV(str(tmp_path))
    for step in range(3):
        first.log_metrics({"loss": step / 3}, step)
    first.save()
    rows = (tmp_path / "metrics.csv").read_bytes().splitlines()
    second = CSV(str(tmp_path), kept_steps=lambda: 2)
    second.log_metrics({"loss": 9.0}, 1)  # It is there.
    second.log_metrics({"accuracy": 0.5, "loss": 9.0}, 1)
    second.log_metrics({"loss": 0.25}, 2)
    second.save()
    second.log_metrics({"loss": 0.125}, 3)
    second.finalize("success")
    assert (tmp_path / "metrics.csv").read_bytes().splitlines() == [
        rows[0] + b",accuracy",
        rows[1] + b",",
        rows[2] + b",",
        b",1,0.5",
        b"0.25,2,",
        b"0.125,3,",
    ]


@pytest.mark.long
@pytest.mark.parametrize("how", ["deleted", "unknown"])
def test_a_run_that_mlflow_lost_begins_anew(predicted: Callable[[str], Path], how: str) -> None:
    folder = predicted("logger=mlflow")
    (before,) = mlflow_runs(folder)
    MlflowClient(database(folder)).delete_run(before.info.run_id)
    if how == "unknown":
        write_logger_id(folder, "mlflow", "mlflow.db", "0" * 32)
    (folder / "result.json").unlink()
    predicted("logger=mlflow")
    (after,) = mlflow_runs(folder)
    assert after.info.run_id != before.info.run_id and "kendall_tau" in after.data.metrics
    assert read_logger_id(folder, "mlflow", "mlflow.db") == after.info.run_id
