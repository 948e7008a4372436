"""A logger that cannot be used: one line before anything is made, or a warning where the run goes on."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from logged import points, run
from seminas.errors import UserError
from seminas.runs.records import read_history
from support import BIN

Configure = Callable[..., dict[str, Any]]
TABLE = ["evaluator=table", "evaluator.path=digits101", "strategy=random", "search.max_queries=4"]
LACKING = {
    "tensorboard": "logger=tensorboard: needs tensorboard (pip install 'seminas[tensorboard]')",
    "mlflow": "logger=mlflow: needs mlflow (pip install 'seminas[mlflow]')",
    "alembic": "logger=mlflow: needs alembic (pip install 'seminas[mlflow]')",
}


@pytest.mark.parametrize(
    "package",
    ["mlflow", *(pytest.param(name, marks=pytest.mark.long) for name in ("tensorboard", "alembic"))],
)
def test_a_missing_package_is_one_line(
    configure: Configure, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    commands = {"search": TABLE, "predictor": ["evaluator.path=digits101"]}
    commands |= {"train": ["space=nasbench101", "data=digits"]}
    commands |= {"supernet": ["space=mobilenet_small", "data=digits"]}
    logger = "tensorboard" if package == "tensorboard" else "mlflow"
    for name, overrides in commands.items():
        with pytest.raises(UserError) as error:
            configure(name, *overrides, f"logger=[csv,{logger}]")
        assert str(error.value) == LACKING[package]
    # A server keeps its own database.
    server = [f"logger=[{logger}]", "logger.mlflow.tracking_uri=http://localhost:5000"]
    if package == "alembic":
        configure("search", *TABLE, *server)


def test_a_missing_package_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['mlflow'] = None\n")
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [BIN / "seminas-search", *TABLE, "logger=[csv,mlflow]", "hydra.run.dir=run"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (2, f"error: {LACKING['mlflow']}\n")
    assert not (tmp_path / "run").exists()


def test_a_server_that_does_not_answer_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError, match=r"^logger\.mlflow\.tracking_uri=http://127\.0\.0\.1:9: [^\n]+$"):
        run("search", tmp_path, [*TABLE, "logger=mlflow", "logger.mlflow.tracking_uri=http://127.0.0.1:9"])


@pytest.mark.long
def test_a_run_goes_on_where_mlflow_takes_nothing_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log_batch = MlflowClient.log_batch

    def breaks_down(self: MlflowClient, run_id: str, metrics: Any = (), **others: Any) -> Any:
        if any(metric.step == 2 for metric in metrics):
            raise MlflowException("the server is\nnot there")
        return log_batch(self, run_id, metrics, **others)

    monkeypatch.setattr(MlflowClient, "log_batch", breaks_down)
    run("search", tmp_path, [*TABLE, "logger=[csv,mlflow]"])
    warnings = [r.getMessage() for r in caplog.records if "MLflow takes nothing any more" in r.getMessage()]
    assert len(warnings) == 1 and "the server is" in warnings[0] and "\n" not in warnings[0]
    assert len(read_history(tmp_path)) == 4 and len(points("csv", tmp_path)["val_accuracy"]) == 4
    assert [step for step, _ in points("mlflow", tmp_path)["val_accuracy"]] == [0, 1]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("loggers.json", "[1]"),
        ("loggers.json", '{"mlflow": NaN}'),
        ("metrics.csv", "a,b\n1,2\n"),
        ("metrics.csv", "a,step\n1,2,3\n"),
        ("metrics.csv", "a,step\n1,x\n"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, file: str, content: str) -> None:
    (tmp_path / file).write_text(content)
    with pytest.raises(UserError) as error:
        run("search", tmp_path, [*TABLE, "logger=mlflow" if file == "loggers.json" else "logger=csv"])
    assert str(error.value).startswith(
        (f"{tmp_path / file}: holds no ", f"{tmp_path / file}: is no list of ")
    )
    assert "\n" not in str(error.value)
    assert (tmp_path / file).read_text() == content
