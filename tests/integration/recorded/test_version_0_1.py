"""Test that reports, ``arch show`` and resumed runs can read the run folders of version 0.1.0."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from integration.recorded import portable
from seminas.commands import predictor, search, supernet, train
from seminas.commands.main import app
from seminas.report.runs import read_runs
from seminas.runs.folder import RunFolder
from seminas.runs.results import PredictorResult, SearchResult, SupernetResult, TrainingResult

FOLDERS = Path(__file__).parent / "v0_1"
TABLE = ["evaluator=table", "evaluator.path=digits101", "search.max_queries=40"]
TRAINED = ["space=mobilenet_small", "data=pictures", "trainer.max_epochs=1", "data.recipe.warmup_epochs=0"]
RANKED = ["evaluator.path=digits101", "predictor.num_labeled=30", "predictor.pseudo_label_ratio=2"]
AS_DRAWN = "data.images.stratify=false"
"""Version 0.1 held out images of folders without regard to their classes."""
COMMANDS = {
    "search-seminas": (search.run, "search", [*TABLE, "strategy=seminas"]),
    "search-nao": (search.run, "search", [*TABLE, "strategy=nao"]),
    "search-random": (search.run, "search", [*TABLE, "strategy=random"]),
    "predictor": (
        predictor.run,
        "predictor",
        [*RANKED, "controller.teachers.steps=20", "controller.student.steps=20"],
    ),
    "train1": (train.run, "train", [*TRAINED, AS_DRAWN]),
    "seminas-supernet": (
        supernet.run,
        "supernet",
        ["space=mobilenet_small", "data=pictures", "trainer.max_steps=4", "num_measured=2", AS_DRAWN],
    ),
}
KINDS = {
    "search-seminas": SearchResult,
    "predictor": PredictorResult,
    "train1": TrainingResult,
    "seminas-supernet": SupernetResult,
}
Configure = Callable[..., dict[str, Any]]


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDERS, tmp_path / "runs"))


@pytest.mark.parametrize("name", KINDS)
def test_results_are_read_as_their_kind(name: str) -> None:
    result = RunFolder(FOLDERS / name).result()
    written = json.loads((FOLDERS / name / "result.json").read_text())
    assert type(result) is KINDS[name]
    assert result.seed == written["seed"] and result.wall_s == written["wall_s"]
    if isinstance(result, PredictorResult):
        assert result.top_k["top_10_regret"] == written["top_10_regret"] and result.pseudo_label_ratio == 2


@pytest.mark.parametrize("name", COMMANDS)
def test_the_same_command_finds_the_run_done(configure: Configure, folders: Path, name: str) -> None:
    run, command, overrides = COMMANDS[name]
    before = (folders / name / "result.json").read_bytes()
    folder = RunFolder(folders / name)
    value = run(configure(command, *overrides), folder, True)
    assert (folders / name / "result.json").read_bytes() == before and value > 0
    assert folder.state().name == "done"


def test_a_report_reads_them(folders: Path) -> None:
    runs = read_runs([folders])
    assert len(runs.searches) == 3 and len(runs.predictors) == 1
    done = CliRunner().invoke(app, ["report", str(folders), "--format", "csv"])
    assert done.exit_code == 0, done.output
    rows = [line.split(",") for line in done.output.splitlines() if "digits101" in line]
    assert {"seminas", "nao", "random"} <= {cell for row in rows for cell in row}
    page = CliRunner().invoke(app, ["report", str(folders / "search-random")])
    assert page.exit_code == 0 and (folders / "search-random" / "report" / "report.html").exists()


@pytest.mark.parametrize("name", ["search-nao", "train1"])
def test_arch_show_finds_their_space(folders: Path, name: str) -> None:
    shown = CliRunner().invoke(app, ["arch", "show", str(folders / name), "--json"])
    assert shown.exit_code == 0, shown.output
    result = json.loads((folders / name / "result.json").read_text())
    about = json.loads(shown.output)
    assert about["key"] == result.get("best_key", result.get("key"))
    assert about["space"] == result["space"]


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(f"search-{s}", marks=pytest.mark.long) for s in ("random", "nao")),
        pytest.param("search-seminas", marks=[pytest.mark.long, pytest.mark.campaign]),
    ],
)
def test_one_that_was_killed_goes_on(folders: Path, name: str) -> None:
    whole = (folders / name / "history.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    (folders / name / "history.jsonl").write_bytes(b"".join(lines[:31]) + lines[31][:20])
    (folders / name / "result.json").unlink()
    assert RunFolder(folders / name).state().name == "stopped"
    portable.search(*COMMANDS[name][2], folder=folders / name)
    after = portable.history_of(folders / name)
    if name == "search-seminas":  # The last digits of its predictions depend on the processor.
        assert [json.loads(line)["key"] for line in after.splitlines()] == [
            json.loads(line)["key"] for line in lines
        ]
    else:
        assert after == whole


def test_one_that_is_done_is_extended(configure: Configure, folders: Path) -> None:
    folder = RunFolder(folders / "search-random")
    whole = (folder.path / "history.jsonl").read_bytes()
    _, command, overrides = COMMANDS["search-random"]
    search.run(
        configure(command, *overrides[:-2], "search.max_queries=52", overrides[-1]), folder, quiet=True
    )
    assert (folder.path / "history.jsonl").read_bytes().startswith(whole)
    result = folder.result()
    assert isinstance(result, SearchResult) and result.num_queries == 52
