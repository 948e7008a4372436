"""Each logger gets the numbers, the config and the figures of each command."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from pictures import write_pictures

from integration.sweeps.running import call
from learning import SMALL, training_overrides
from logged import ALL, LOGGERS, database, mlflow_runs, points, run, tensorboard
from seminas.runs.folder import RunFolder
from seminas.runs.records import read_history

Overrides = dict[str, list[str]]


@pytest.fixture(scope="module")
def overrides(small_table: Path, tmp_path_factory: pytest.TempPathFactory) -> Overrides:
    """A small run of each command."""
    root = write_pictures(tmp_path_factory.mktemp("pictures"))
    table = ["evaluator=table", f"evaluator.path={small_table}"]
    small = ["space=mobilenet_small", "data=pictures", f"data.images.root={root}", "num_measured=3"]
    small += ["data.images.num_validation=40", "data.images.num_calibration=16", "trainer.accelerator=cpu"]
    return {
        "search": [*table, "strategy=bananas", "strategy.steps=20", "search.max_queries=20"],
        "train": training_overrides(root, f"architecture='{SMALL}'", "trainer.max_epochs=2"),
        "supernet": [*small, "trainer.max_steps=12"],
        "predictor": [f"evaluator.path={small_table}", "model=random_forest", "predictor.num_labeled=20"],
    }


@pytest.fixture(scope="module")
def ran(overrides: Overrides, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Runs a command with all loggers, once; returns its folder."""
    folders: dict[str, Path] = {}

    def folder_of(name: str) -> Path:
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp(name)
            run(name, folders[name], [*overrides[name], ALL])
        return folders[name]

    return folder_of


def result_in(folder: Path) -> Any:
    result = RunFolder(folder).result()
    assert result is not None
    return result


def single(step: int, value: float) -> list[Any]:
    """One point; TensorBoard keeps 32 bits of a number."""
    return [(step, pytest.approx(value, rel=1e-6))]


@pytest.mark.parametrize("logger", LOGGERS)
def test_a_search(ran: Callable[[str], Path], logger: str) -> None:
    folder = ran("search")
    found, history, result = points(logger, folder), read_history(folder), result_in(folder)
    told = {
        "val_accuracy": [(r.index, r.val_accuracy) for r in history],
        "cost_s": [(r.index, r.cost_s) for r in history],
        "prediction": [(r.index, r.prediction) for r in history if r.prediction is not None],
        "round": [(r.index, r.round) for r in history],
    }
    assert len(history) == 20 and told["prediction"]
    for name, of_history in told.items():
        assert found[name] == [(step, pytest.approx(value, rel=1e-6)) for step, value in of_history], name
    assert found["best_val_accuracy"][-1] == single(19, result.best_val_accuracy)[0]
    assert [step for step, _ in found["round/fit_s"]] == [
        max(r.index for r in history if r.round == number) for number in range(1, history[-1].round + 1)
    ]
    origins = Counter(record.origin for record in history if record.origin is not None)
    improved = [
        r
        for i, r in enumerate(history)
        if r.val_accuracy > max((o.val_accuracy for o in history[:i]), default=0)
    ]
    for origin, number in origins.items():
        assert sum(value for _, value in found[f"round/from_{origin}"]) == number
        number = sum(record.origin == origin for record in improved)
        assert sum(value for _, value in found[f"round/improvements_from_{origin}"]) == number
    assert origins["random"] >= 10 and len(improved) > 1
    for name in ("best_val_accuracy", "test_accuracy", "num_queries", "wall_s"):
        assert found[f"final/{name}"] == single(20, getattr(result, name)), name


@pytest.mark.parametrize("logger", LOGGERS)
def test_a_training(ran: Callable[[str], Path], logger: str) -> None:
    folder = ran("train")
    found, result = points(logger, folder), result_in(folder)
    assert [step for step, _ in found["train_loss"]] == [9]
    assert [step for step, _ in found["val_accuracy"]] == [result.steps // 2 - 1, result.steps - 1]
    assert max(value for _, value in found["val_accuracy"]) == pytest.approx(result.val_accuracy)
    for name in ("val_accuracy", "test_accuracy"):
        assert found[f"final/{name}"] == single(result.steps, getattr(result, name)), name


@pytest.mark.long
@pytest.mark.parametrize("logger", LOGGERS)
def test_a_supernet(ran: Callable[[str], Path], logger: str) -> None:
    folder = ran("supernet")
    found = points(logger, folder)
    assert [step for step, _ in found["train_loss"]] == [9]
    assert found["final/mean_val_accuracy"] == single(12, result_in(folder).mean_val_accuracy)


@pytest.mark.long
@pytest.mark.parametrize("logger", LOGGERS)
def test_a_predictor(ran: Callable[[str], Path], logger: str) -> None:
    folder = ran("predictor")
    found, result = points(logger, folder), result_in(folder)
    assert result.top_k
    for name, value in {"kendall_tau": result.kendall_tau, **result.top_k}.items():
        assert found[name] == single(0, value), name


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("search", "search.max_queries", 20),
        ("train", "trainer.max_epochs", 2),
        pytest.param("supernet", "num_measured", 3, marks=pytest.mark.long),
        ("predictor", "predictor.num_labeled", 20),
    ],
)
def test_the_config_is_there_by_dotted_keys(
    ran: Callable[[str], Path], name: str, key: str, value: int
) -> None:
    folder = ran(name)
    (of_mlflow,) = mlflow_runs(folder)
    assert of_mlflow.data.params[key] == str(value) and of_mlflow.info.status == "FINISHED"
    # TensorBoard's plugin keeps them as a message of its own.
    (content,) = (
        c
        for tag, c in tensorboard(folder).PluginTagToContent("hparams").items()
        if tag == "_hparams_/session_start_info"
    )
    assert key.encode() in content


def test_the_figures_of_a_search_are_there(ran: Callable[[str], Path]) -> None:
    folder = ran("search")
    figures = ["best_architecture", "predictions", "search_curve"]
    events = tensorboard(folder)
    assert sorted(events.Tags()["images"]) == figures
    for name in figures:
        (image,) = events.Images(name)
        assert image.step == 20 and image.encoded_image_string[1:4] == b"PNG"
    (of_mlflow,) = mlflow_runs(folder)
    artifacts = MlflowClient(database(folder)).list_artifacts(of_mlflow.info.run_id)
    assert [a.path for a in artifacts] == [f"{name}.png" for name in figures]
    files = {path.name for path in (folder / "mlflow").rglob("*.png")}
    assert files == {f"{name}.png" for name in figures}


@pytest.mark.long
def test_jobs_of_a_sweep_share_an_experiment(small_table: Path, tmp_path: Path) -> None:
    overrides = ["evaluator=table", f"evaluator.path={small_table}", "strategy=random", "seed=0,1"]
    overrides += ["search.max_queries=4", "logger=mlflow", f"logger.mlflow.tracking_uri={database(tmp_path)}"]
    done = call("seminas-search", "-m", *overrides, "hydra.sweep.dir=my-sweep", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = mlflow_runs(tmp_path, "my-sweep")
    assert [(r.info.run_name, r.data.tags["seed"]) for r in found] == [("seed=0", "0"), ("seed=1", "1")]
    assert not list(tmp_path.glob("my-sweep/*/mlflow.db"))


@pytest.mark.long
@pytest.mark.parametrize("name", ["train", pytest.param("supernet", marks=pytest.mark.campaign)])
def test_the_first_of_two_ranks_logs(overrides: Overrides, tmp_path: Path, name: str) -> None:
    run(name, tmp_path, [*overrides[name], ALL, "trainer.devices=2"])
    result = result_in(tmp_path)
    final = "final/test_accuracy" if name == "train" else "final/mean_val_accuracy"
    for logger in LOGGERS:
        found = points(logger, tmp_path)
        steps = [step for step, _ in found["train_loss"]]
        assert steps == sorted(set(steps)) and (name == "train" or steps == [9]), logger
        ((_, value),) = found[final]
        assert value == pytest.approx(getattr(result, final.removeprefix("final/"))), logger
