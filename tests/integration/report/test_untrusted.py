"""Test that a run folder from somebody else executes nothing. Its files may name any class or function."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from seminas.commands import search, train
from seminas.commands.architecture import read_architecture
from seminas.commands.main import app
from seminas.errors import UserError
from seminas.runs.folder import RunFolder
from seminas.spaces.nasbench101 import NASBench101

Configure = Callable[..., dict[str, Any]]
MACRO = {f"layer{p + 1}": ["0", "1", "2"] for p in range(8)}
CANARY = "CANARY"
TOUCH = {"_target_": "os.system", "command": f"touch {CANARY}"}
SPACES: dict[str, dict[str, Any]] = {
    "a function": {"_target_": "shutil.copyfile", "src": sys.executable, "dst": CANARY},
    "another class": {"_target_": "subprocess.Popen", "args": ["touch", CANARY]},
    "a method": {"_target_": "pathlib.Path.touch", "self": CANARY},
    "inside an argument": {"_target_": "seminas.spaces.mobilenet.MobileNet", "factor": TOUCH},
    "inside a list": {
        "_target_": "seminas.spaces.sequence.SequenceSpace",
        "name": "nasbench_macro",
        "positions": {**MACRO, "layer8": ["0", "1", TOUCH]},
    },
    "beside the arguments": {"_target_": "seminas.spaces.nasbench201.NASBench201", "more": TOUCH},
}


@pytest.fixture(scope="module")
def finished(configure: Configure, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the files of a finished search by name."""
    folder = tmp_path_factory.mktemp("finished")
    overrides = ["evaluator=table", "evaluator.path=digits101", "strategy=random", "search.max_queries=4"]
    search.run(configure("search", *overrides), RunFolder(folder), quiet=True)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(params=SPACES)
def foreign(
    request: pytest.FixtureRequest,
    finished: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Return the folder of a search with a harmful space. Building it would make a file in the working directory."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "foreign"
    folder.mkdir()
    for name, data in finished.items():
        (folder / name).write_bytes(data)
    result = json.loads(finished["result.json"])
    result["config"]["space"] = SPACES[request.param]
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "config.yaml").write_text(json.dumps(result["config"]))
    return folder


def seminas(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def assert_refused(done: Result, folder: Path) -> None:
    """Check that the error is one line with the folder or one of its files, and that nothing was executed."""
    *before, line = done.stderr.splitlines()
    assert done.exit_code == 2 and before in ([], ["runs: 1 finished"]), done.stderr
    assert line.startswith((f"error: {folder}: ", f"error: {folder}/")), line
    assert "space" in line and len(line) < 400
    assert not Path(CANARY).exists()


def assert_not_drawn(done: Result, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The page has all that needs no space, and one line says why the rest is missing; nothing was executed."""
    assert done.exit_code == 0, done.stderr
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert (
        line.startswith(f"{folder}: ")
        and "space" in line
        and line.endswith("its architectures are not drawn")
    )
    page = (folder / "report" / "report.html").read_text()
    assert (
        "Best so far" in page and "The architectures are not drawn" in page and "Number 1 of all" not in page
    )
    assert not Path(CANARY).exists()


def test_a_report_executes_nothing(foreign: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert_not_drawn(seminas("report", foreign), foreign, caplog)


def test_a_reports_table_needs_no_space(foreign: Path) -> None:
    done = seminas("report", foreign, "--format", "csv")
    assert done.exit_code == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2 and not Path(CANARY).exists()


def test_arch_show_executes_nothing(foreign: Path) -> None:
    assert_refused(seminas("arch", "show", foreign), foreign)


def test_status_executes_nothing(foreign: Path) -> None:
    done = seminas("status", foreign)
    assert done.exit_code == 0 and "evaluations  4 of 4" in done.stdout and not Path(CANARY).exists()


def test_architecture_from_reads_the_architecture_alone(space: NASBench101, foreign: Path) -> None:
    """Check that the user's config gives the space, and that the space in the file is never built."""
    best = json.loads((foreign / "result.json").read_text())["best_architecture"]
    assert space.to_json(read_architecture(str(foreign), space)) == best
    assert not Path(CANARY).exists()


def test_architecture_from_executes_no_architecture(
    configure: Configure, finished: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = json.loads(finished["result.json"])
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "result.json").write_text(json.dumps({**result, "best_architecture": TOUCH}))
    config = configure("train", "space=nasbench101", "data=digits", "architecture_from=foreign")
    with pytest.raises(UserError, match=r"^architecture_from=foreign: [^\n]+$"):
        train.run(config, RunFolder(tmp_path / "run"), quiet=True)
    assert not Path(CANARY).exists() and not (tmp_path / "run").exists()


@pytest.mark.parametrize("moved", [False, True], ids=["where its files say", "elsewhere"])
def test_a_class_that_a_run_folder_brings_along_is_never_imported(
    finished: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moved: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Give a foreign run Hydra files with any folders. Hydra's files say where a run found the user's classes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    folder = tmp_path / "foreign"
    classes = tmp_path / "classes" if moved else folder
    for new_folder in (folder / ".hydra", classes):
        new_folder.mkdir(parents=True, exist_ok=True)
    (classes / "evil.py").write_text(f"open({CANARY!r}, 'w').close()")
    runtime = {
        "cwd": str(classes),
        "output_dir": str(tmp_path / "there" if moved else folder),
        "config_sources": [],
    }
    (folder / ".hydra" / "hydra.yaml").write_text(json.dumps({"hydra": {"runtime": runtime}}))
    result = json.loads(finished["result.json"])
    result["config"]["space"] = {"_target_": "evil.Space"}
    (folder / "history.jsonl").write_bytes(finished["history.jsonl"])
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "config.yaml").write_text(json.dumps(result["config"]))
    assert_refused(seminas("arch", "show", folder), folder)
    assert_not_drawn(seminas("report", folder), folder, caplog)
