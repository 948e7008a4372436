"""Test the commands as a user runs them."""

import csv
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from integration.sweeps.running import call
from seminas.commands import search
from seminas.commands.job import options_last
from seminas.commands.main import app, main
from seminas.config.compose import CONFIG_DIR
from seminas.runs.folder import RunFolder
from seminas.spaces.base import SearchSpace
from seminas.spaces.nasbench101 import NASBench101
from seminas.tables.table import Table, accuracy_column, save_table
from support import (
    ROOT,
    SMALL_CONTROLLER,
    SMALL_STRATEGY,
    background,
    command,
    made_up_table,
)

Configure = Callable[..., dict[str, Any]]
OWN_SPACE = "seminas-search --config-dir . space=widths evaluator=perceptron search.max_queries=20"


@pytest.fixture(autouse=True)
def imports_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo the imports that a command in this process makes from the user's folders, for the sake of other tests."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "widths", raising=False)


def seminas(*arguments: str | Path) -> Result:
    """Run ``seminas`` in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("name", ["search", pytest.param("predictor", marks=pytest.mark.long)])
def test_help_says_what_there_is_without_loading_torch(tmp_path: Path, name: str) -> None:
    code = f"import sys; from seminas.commands.{name} import main\n"
    code += "try:\n    main()\nfinally:\n    print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    for word in ("nasbench101", "num_labeled", "hydra.run.dir"):
        assert word in done.stdout
    assert done.stdout.endswith("False\n")


def test_seminas_is_a_command_and_a_module(tmp_path: Path) -> None:
    (by_name,) = entry_points(group="console_scripts", name="seminas")
    assert by_name.load() is main
    done = command("python", "-m", "seminas", "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("data", "space", "arch", "sweep", "status", "report", "dashboard"):
        assert re.search(rf"\b{name}\b", done.stdout)


@pytest.mark.long
def test_a_sweep_leaves_a_folder_a_job(small_table: Path, tmp_path: Path) -> None:
    overrides = ["evaluator=table", f"evaluator.path={small_table}", "strategy=evolution"]
    done = call(
        "seminas-search",
        "-m",
        *overrides,
        "search.max_queries=8",
        "search.num_labeled=4,1,6",
        "search.pseudo_label_ratio=0,5",
        "hydra.sweep.dir=sweep",
        cwd=tmp_path,
    )
    # Each job with an illegal value fails with one line, and the other jobs run.
    assert done.returncode == 2
    assert len(re.findall(r"^error: .*search.num_labeled=1: must be at least 2$", done.stderr, re.M)) == 2
    folders = sorted(path.parent for path in tmp_path.glob("sweep/*/result.json"))
    assert len(folders) == 4
    failed = [path.parent for path in (tmp_path / "sweep").glob("*/error.json")]
    assert len(failed) == 2 and not any((folder / "config.yaml").exists() for folder in failed)
    for folder in folders:
        config = json.loads((folder / "result.json").read_text())["config"]["search"]
        assert f"search.num_labeled={config['num_labeled']}" in folder.name
        assert f"search.pseudo_label_ratio={config['pseudo_label_ratio']:g}" in folder.name


def test_a_table_is_imported_shown_and_searched(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["adjacency", "ops", "val"])
        writer.writerow(["1", "", "90"])
        for name in ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"):
            writer.writerow(["101", name, "91.5"])
            writer.writerow(["111", name, "92.5"])
    columns = ("--val", "val", "--scale", "percent")
    imported = seminas("data", "import", "nasbench101", "t.csv", *columns, "-o", "t.npz")
    assert imported.exit_code == 0, imported.stderr
    assert "7 architectures" in imported.stdout
    about = seminas("data", "info", "t.npz").stdout
    assert "nasbench101" in about and "t.csv" in about and "0.9250" in about
    wrong = seminas("data", "import", "nasbench101", "t.csv", "--val", "acc", "-o", "u.npz")
    assert wrong.exit_code == 2 and wrong.stderr.startswith("error: t.csv: has no column 'acc'")
    assert not (tmp_path / "u.npz").exists()
    overrides = ["evaluator=table", "evaluator.path=t.npz", "search.max_queries=5", *SMALL_STRATEGY]
    search.run(configure("search", *overrides), RunFolder(Path("run")))
    printed = capsys.readouterr().out
    assert "validation accuracy" in printed and "search_curve.png" in printed
    about_best = json.loads(seminas("arch", "show", "run", "--json", "--figure", "cell.png").stdout)
    assert about_best["key"] == json.loads((tmp_path / "run" / "result.json").read_text())["best_key"]
    assert (tmp_path / "cell.png").read_bytes()[:4] == b"\x89PNG"


def test_space_count_and_sample() -> None:
    assert seminas("space", "count", "nasbench101").stdout == "423624\n"
    lines = seminas("space", "sample", "nasbench101", "-n", "3").stdout.splitlines()
    assert len({json.loads(line)["key"] for line in lines}) == 3
    wrong = seminas("space", "count", "nowhere")
    assert wrong.exit_code == 2 and wrong.stderr.startswith("error: space=nowhere: must be one of")
    wrong = seminas("arch", "show", '{"matrix": [[0]], "operations": []}')
    assert wrong.exit_code == 2 and len(wrong.stderr.splitlines()) == 1


# A sequence has no positions of its own.
@pytest.mark.parametrize(
    "name", sorted({p.stem for p in (CONFIG_DIR / "space").glob("*.yaml")} - {"sequence"})
)
def test_arch_show_finds_the_space_of_a_run(configure: Configure, tmp_path: Path, name: str) -> None:
    from seminas.commands.space import load_space

    table = tmp_path / "table.npz"
    save_table(random_table(load_space(name)), table)
    overrides = [f"space={name}", "evaluator=table", f"evaluator.path={table}", "strategy=random"]
    folder = RunFolder(tmp_path / "run")
    search.run(configure("search", *overrides, "search.max_queries=5"), folder, quiet=True)
    shown = seminas("arch", "show", folder.path, "--json")
    assert shown.exit_code == 0, shown.stderr
    about, result = json.loads(shown.stdout), json.loads((folder.path / "result.json").read_text())
    assert about["space"] == load_space(name).name == result["space"]
    assert about["key"] == result["best_key"] and about["architecture"] == result["best_architecture"]


def random_table(space: SearchSpace[Any]) -> Table:
    """Return a table of the first forty architectures of a space, with random accuracies."""
    accuracies = np.random.default_rng(0).uniform(0.5, 0.9, (40, 1)).round(4)
    columns = {"val": accuracy_column(accuracies)}
    origin = {"file": "made up", "licence": "none"}
    return Table(space.name, space.fingerprint(), np.arange(40), columns, {"val": "val"}, origin)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def own_space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example of docs/own_space.md in a folder of its own, where its command has run, into ``run``."""
    folder = tmp_path_factory.mktemp("own_space")
    shutil.copytree(ROOT / "examples" / "own_space", folder, dirs_exist_ok=True)
    done = call(*OWN_SPACE.split(), *SMALL_CONTROLLER, "hydra.run.dir=run", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(
    ("typed", "sorted_arguments"),
    [
        ("seed=1 --config-dir . strategy=random", "seed=1 strategy=random --config-dir ."),
        ("-m seed=1,2 --config-dir=. a=b", "seed=1,2 a=b -m --config-dir=."),
        ("--info plugins -i seed=1 --cfg job x=y", "seed=1 x=y --info plugins -i --cfg job"),
        ("--experimental-rerun job.pickle x=y", "x=y --experimental-rerun job.pickle"),
        ("--config-dir", "--config-dir"),
        ("", ""),
    ],
)
def test_options_may_stand_between_overrides(typed: str, sorted_arguments: str) -> None:
    assert options_last(typed.split()) == sorted_arguments.split()


@pytest.mark.long
def test_ones_own_space_and_evaluator(own_space: Path) -> None:
    """The example of docs/own_space.md, as it stands there."""
    example = ROOT / "examples" / "own_space"
    sources = sorted(path for path in example.rglob("*") if path.suffix in (".py", ".yaml"))
    assert sum(len(path.read_text().splitlines()) for path in sources) < 60
    assert OWN_SPACE in (ROOT / "docs" / "own_space.md").read_text()
    result = json.loads((own_space / "run" / "result.json").read_text())
    assert result["num_queries"] == 20 and result["best_val_accuracy"] > 0.85


def test_ones_own_space_is_found_from_another_folder(
    own_space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = json.loads((own_space / "run" / "result.json").read_text())
    shown = seminas("arch", "show", own_space / "run", "--json", "--figure", "best.png")
    assert shown.exit_code == 0, shown.stderr
    about = json.loads(shown.stdout)
    assert about["space"] == "widths" and about["architecture"] == result["best_architecture"]
    assert (tmp_path / "best.png").read_bytes()[:4] == b"\x89PNG"


def test_a_run_on_ones_own_space_is_reported_from_another_folder(
    own_space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    reported = seminas("report", own_space / "run", "--out", "report")
    assert reported.exit_code == 0, reported.stderr
    assert (tmp_path / "report" / "figures" / "evaluated.png").exists()


@pytest.mark.long
def test_memory_of_a_search_over_the_whole_space(space: NASBench101, tmp_path: Path) -> None:
    save_table(made_up_table(space, len(space)), tmp_path / "all.npz")
    process = background(
        "seminas-search", "evaluator=table", "evaluator.path=all.npz", "search.num_labeled=20",
        "search.num_rounds=1", "controller.teachers.steps=30", "controller.student.steps=30", cwd=tmp_path,
    )  # fmt: skip
    # This is the process's private memory. In addition, all jobs share 0.4 to 0.5 GB of mapped torch libraries.
    own_kb = 0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        if match := re.search(r"RssAnon:\s+(\d+) kB", status):
            own_kb = max(own_kb, int(match[1]))
        time.sleep(0.01)
    assert process.returncode == 0
    assert 1e5 < own_kb < 7e5
