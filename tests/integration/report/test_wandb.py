"""Test logging to W&B. The tests read W&B's offline files. The files have the record format of a LevelDB log."""

import contextlib
import importlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb
from typer.testing import CliRunner

from integration.sweeps.running import call
from seminas.commands import search
from seminas.commands.main import app
from seminas.errors import UserError
from seminas.loop.wandb_media import MOST_DRAWN, columns
from seminas.runs.folder import RunFolder
from seminas.runs.records import read_history
from seminas.runs.wandb import WandB
from seminas.runs.wandb_file import item_values, read_records

Configure = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def sweep(small_table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wandb")
    overrides = ["evaluator=table", f"evaluator.path={small_table}", "strategy=bananas", "strategy.steps=20"]
    overrides += ["logger=[csv,wandb]", "search.max_queries=30", "seed=0,1", "hydra.sweep.dir=my-sweep"]
    done = call("seminas-search", "-m", *overrides, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "my-sweep"


@pytest.mark.long
def test_each_job_is_a_run_of_the_sweeps_group(sweep: Path) -> None:
    files = sorted(sweep.glob("*/wandb/offline-run-*/run-*.wandb"))
    assert len(files) == 2
    for seed, file in enumerate(files):
        runs = [r.run for r in read_records(file) if r.WhichOneof("record_type") == "run"]
        assert runs[0].run_group == "my-sweep" and list(runs[0].tags) == [f"seed={seed}"]
        assert runs[0].display_name == f"seed={seed}"
        exits = [r.exit.exit_code for r in read_records(file) if r.WhichOneof("record_type") == "exit"]
        assert exits == [0]


@pytest.mark.long
def test_all_that_was_logged_is_there(sweep: Path) -> None:
    file = sorted(sweep.glob("*/wandb/offline-run-*/run-*.wandb"))[0]
    folder = file.parents[2]
    history = [
        item_values(r.history.item) for r in read_records(file) if r.WhichOneof("record_type") == "history"
    ]
    config: dict[str, Any] = {}
    for r in read_records(file):
        if r.WhichOneof("record_type") == "config":
            config |= item_values(r.config.update)
    assert config["strategy"]["steps"] == 20 and config["search"]["max_queries"] == 30
    queries = [row for row in history if "val_accuracy" in row]
    told = read_history(folder)
    assert [row["val_accuracy"] for row in queries] == [r.val_accuracy for r in told]
    assert [row.get("prediction") for row in queries] == [r.prediction for r in told]
    assert sum("round/fit_s" in row for row in history) == 2
    result = json.loads((folder / "result.json").read_text())
    (final,) = [row for row in history if "final/test_accuracy" in row]
    assert final["final/test_accuracy"] == result["test_accuracy"]
    (media,) = [row for row in history if "architectures/path" in row]
    for name in ("search_curve", "best_architecture", "predictions"):
        assert (file.parent / "files" / media[f"{name}/path"]).read_bytes()[1:4] == b"PNG"
    table = json.loads((file.parent / "files" / media["architectures/path"]).read_text())
    assert table["columns"] == columns("val_accuracy")
    assert [row[2] for row in table["data"]] == [r.key for r in told]
    drawn = [row for row in table["data"] if row[-1] is not None]
    assert len(drawn) == MOST_DRAWN
    best = sorted((r.val_accuracy or 0 for r in told), reverse=True)[MOST_DRAWN - 1]
    assert min(row[3] for row in drawn) == best
    # The table's artifact contains the drawings as files.
    (artifact,) = [r.artifact for r in read_records(file) if r.WhichOneof("record_type") == "artifact"]
    paths = [Path(entry.path) for entry in artifact.manifest.contents]
    assert sum(path.suffix == ".png" for path in paths) == MOST_DRAWN
    assert "architectures.table.json" in {path.name for path in paths}


def test_the_dashboards_definition_is_written_without_a_network(tmp_path: Path) -> None:
    file = tmp_path / "view.json"
    done = CliRunner().invoke(app, ["dashboard", "--group", "my-sweep", "--out", str(file)])
    assert done.exit_code == 0, done.stderr
    text = file.read_text()
    sections = json.loads(text)["spec"]["section"]["panelBankConfig"]["sections"]
    panels = [panel["config"] for section in sections for panel in section["panels"]]
    over_labels = [p for p in panels if p.get("xAxis") == "config:search.value.num_labeled"]
    assert [p["yAxis"] for p in over_labels] == ["summary:final/test_accuracy"]
    assert "my-sweep" in text
    (runs,) = json.loads(text)["spec"]["section"]["runSets"]
    assert {"section": "config", "name": "search.value.num_labeled"} in runs["grouping"]


@pytest.fixture
def no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give W&B the state of a user who has never logged in."""
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    wandb.teardown()
    yield
    wandb.teardown()


@pytest.mark.usefixtures("no_login")
def test_a_dashboard_needs_a_login_and_says_so() -> None:
    done = CliRunner().invoke(app, ["dashboard"])
    assert done.exit_code == 2 and done.stderr.startswith("error: W&B: ") and "--out FILE" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture
def deaf() -> Iterator[int]:
    """Yield the port of a local server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.long
@pytest.mark.timeout(90)
@pytest.mark.parametrize("answers", ["refuses", "hangs"])
@pytest.mark.usefixtures("no_login")
def test_a_run_goes_on_where_wandb_does_not_answer(
    answers: str,
    deaf: int,
    configure: Configure,
    small_table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{9 if answers == 'refuses' else deaf}")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setattr("seminas.runs.wandb.START_S", 1.0)
    with contextlib.suppress(ImportError):  # W&B asks for the user twice, and waits five seconds each time.
        identity = importlib.import_module("wandb.sdk.lib.identity")
        monkeypatch.setattr(identity, "_RESOLVE_TIMEOUT_SECONDS", 0.2, raising=False)
    overrides = ["evaluator=table", f"evaluator.path={small_table}", "strategy=random"]
    overrides += ["logger=[csv,wandb]", "logger.wandb.offline=false", "search.max_queries=10"]
    folder = tmp_path / "run"
    search.run(configure("search", *overrides), RunFolder(folder), quiet=True)
    assert "this run is logged offline" in caplog.text
    assert json.loads((folder / "result.json").read_text())["num_queries"] == 10
    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    assert sum(r.WhichOneof("record_type") == "history" for r in read_records(file)) >= 10


@pytest.mark.usefixtures("no_login")
def test_without_a_key_the_run_is_refused(configure: Configure, small_table: Path, tmp_path: Path) -> None:
    overrides = ["evaluator=table", f"evaluator.path={small_table}", "strategy=random"]
    config = configure("search", *overrides, "logger=[csv,wandb]", "logger.wandb.offline=false")
    with pytest.raises(UserError, match=r"^logger\.wandb\.offline=false: [^\n]+$"):
        search.run(config, RunFolder(tmp_path / "run"), quiet=True)


def test_a_run_ends_where_wandb_takes_nothing_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logger = WandB(save_dir=str(tmp_path), offline=True, project="p")
    run = logger.experiment
    released = threading.Event()
    monkeypatch.setattr("seminas.runs.wandb.END_S", 0.2)
    finish = run.finish
    monkeypatch.setattr(run, "finish", lambda code: released.wait())
    logger.close(0)
    released.set()
    assert "wandb sync" in caplog.text and str(tmp_path) in caplog.text
    finish(0)
