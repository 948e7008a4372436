"""The commands as a user runs them."""

import csv
import json
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from seminas.spaces.nasbench101 import NASBench101
from seminas.tables.table import save_table
from support import (
    ROOT,
    SMALL_CONTROLLER,
    SMALL_STRATEGY,
    background,
    command,
    made_up_table,
    strategy_overrides,
)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["space=nasbench102"], r"error: space=nasbench102: must be one of .*nasbench101.*"),
        (
            ["strategy=annealing"],
            r"error: strategy=annealing: must be one of bananas, evolution, .*, seminas_evolution",
        ),
        (["search.num_labelled=5"], r"error: Could not override 'search.num_labelled'.*"),
        (["search.num_labeled=many"], r"error: search.num_labeled: .*'many'.*"),
        (["search.num_labeled=1"], r"error: search.num_labeled=1: must be at least 2"),
        (["search.num_labeled=2001"], r"error: search.num_labeled=2001: must be at most the 2000 .*"),
        (["search.pseudo_label_ratio=-1"], r"error: search.pseudo_label_ratio=-1: must be at least 0"),
        (["evaluator.path=missing.npz"], r"error: missing.npz: there is no such file"),
        (["evaluator.path=short.npz"], r"error: short.npz: is no packed table, or a damaged one; .*"),
        (["evaluator.path=foreign.npz"], r"error: foreign.npz: is no packed table; .*"),
        (["evaluator.repeat=best"], r"error: evaluator.repeat=best: must be one of random, mean"),
        (["controller.encoder=cnn"], r"error: controller.encoder=cnn: must be one of graph, lstm, paper"),
        (["controller.hidden=wide"], r"error: strategy.controller.hidden=wide: must be of type .*"),
        (["+strategy.temperature=1"], r"error: strategy.temperature: is unknown, strategy takes .*"),
        (["space._target_=nowhere.Space"], r"error: space._target_=nowhere.Space: .*"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_folder(
    small_table: Path, tmp_path: Path, overrides: list[str], message: str
) -> None:
    if "short.npz" in overrides[0]:
        (tmp_path / "short.npz").write_bytes(small_table.read_bytes()[:5_000])
    if "foreign.npz" in overrides[0]:
        np.savez(tmp_path / "foreign.npz", accuracy=np.zeros(5))
    before = sorted(tmp_path.rglob("*"))
    done = command(
        "seminas-search", "evaluator=table", f"evaluator.path={small_table}", *overrides, cwd=tmp_path
    )
    assert done.returncode == 2
    assert re.fullmatch(message + "\n", done.stderr), done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_table_must_be_named(tmp_path: Path) -> None:
    done = command("seminas-search", "evaluator=table", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr == "error: evaluator.path: must be set\n"
    assert list(tmp_path.iterdir()) == []


def test_help_and_config_are_quick_and_say_what_there_is(tmp_path: Path) -> None:
    for name in ("seminas-search", "seminas-predictor"):
        done = command(name, "--help", cwd=tmp_path, timeout=20)
        assert done.returncode == 0
        assert (
            "nasbench101" in done.stdout and "num_labeled" in done.stdout and "hydra.run.dir" in done.stdout
        )
    assert "data" in command("seminas", "--help", cwd=tmp_path).stdout


def test_a_sweep_leaves_a_folder_a_job(small_table: Path, tmp_path: Path) -> None:
    overrides = [o for o in strategy_overrides(small_table) if not o.startswith("search.num_labeled")]
    done = command(
        "seminas-search",
        "-m",
        *overrides,
        "search.num_labeled=4,1,6",
        "search.pseudo_label_ratio=0,5",
        "hydra.sweep.dir=sweep",
        cwd=tmp_path,
    )
    # The jobs of a value that cannot be fail, each with its line, and the others run.
    assert done.returncode == 2
    assert len(re.findall(r"^error: .*search.num_labeled=1: must be at least 2$", done.stderr, re.M)) == 2
    folders = sorted(path.parent for path in tmp_path.glob("sweep/*/result.json"))
    assert len(folders) == 4
    failed = [path.parent for path in (tmp_path / "sweep").glob("*/error.json")]
    assert len(failed) == 2 and not any((folder / "config.yaml").exists() for folder in failed)
    for folder in folders:
        config = json.loads((folder / "result.json").read_text())["config"]["search"]
        assert f"search.num_labeled={config['num_labeled']}" in folder.name
        assert f"search.pseudo_label_ratio={config['pseudo_label_ratio']}" in folder.name


def test_a_table_is_imported_shown_and_searched(tmp_path: Path) -> None:
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["adjacency", "ops", "val"])
        writer.writerow(["1", "", "90"])
        for name in ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"):
            writer.writerow(["101", name, "91.5"])
            writer.writerow(["111", name, "92.5"])
    imported = command(
        "seminas", "data", "import", "nasbench101", "t.csv", "--val", "val", "--scale", "percent", "-o", "t.npz",
        cwd=tmp_path,
    )  # fmt: skip
    assert imported.returncode == 0, imported.stderr
    assert "7 architectures" in imported.stdout
    about = command("seminas", "data", "info", "t.npz", cwd=tmp_path).stdout
    assert "nasbench101" in about and "t.csv" in about and "0.9250" in about
    wrong = command(
        "seminas", "data", "import", "nasbench101", "t.csv", "--val", "acc", "-o", "u.npz", cwd=tmp_path
    )
    assert wrong.returncode == 2 and wrong.stderr.startswith("error: t.csv: has no column 'acc'")
    assert not (tmp_path / "u.npz").exists()
    done = command(
        "seminas-search", "evaluator=table", "evaluator.path=t.npz", "search.max_queries=5", "hydra.run.dir=run",
        *SMALL_STRATEGY, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "validation accuracy" in done.stdout and "search_curve.png" in done.stdout
    shown = command("seminas", "arch", "show", "run", "--json", "--figure", "cell.png", cwd=tmp_path)
    about_best = json.loads(shown.stdout)
    assert about_best["key"] == json.loads((tmp_path / "run" / "result.json").read_text())["best_key"]
    assert (tmp_path / "cell.png").read_bytes()[:4] == b"\x89PNG"


def test_space_count_and_sample(tmp_path: Path) -> None:
    assert command("seminas", "space", "count", "nasbench101", cwd=tmp_path).stdout == "423624\n"
    lines = command("seminas", "space", "sample", "nasbench101", "-n", "3", cwd=tmp_path).stdout.splitlines()
    assert len({json.loads(line)["key"] for line in lines}) == 3
    wrong = command("seminas", "space", "count", "nowhere", cwd=tmp_path)
    assert wrong.returncode == 2 and wrong.stderr.startswith("error: space=nowhere: must be one of")
    wrong = command("seminas", "arch", "show", '{"matrix": [[0]], "operations": []}', cwd=tmp_path)
    assert wrong.returncode == 2 and len(wrong.stderr.splitlines()) == 1


def test_ones_own_space_and_evaluator(tmp_path: Path) -> None:
    """The example of the README, as it stands there."""
    example = ROOT / "examples" / "own_space"
    sources = sorted(path for path in example.rglob("*") if path.suffix in (".py", ".yaml"))
    assert sum(len(path.read_text().splitlines()) for path in sources) < 60
    assert f"```python\n{(example / 'widths.py').read_text()}```" in (ROOT / "README.md").read_text()
    shutil.copytree(example, tmp_path, dirs_exist_ok=True)
    line = "seminas-search --config-dir . space=widths evaluator=perceptron search.max_queries=20"
    assert line in (ROOT / "README.md").read_text()
    done = command(*line.split(), *SMALL_CONTROLLER, "hydra.run.dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["num_queries"] == 20 and result["best_val_accuracy"] > 0.85


def test_memory_of_a_search_over_the_whole_space(space: NASBench101, tmp_path: Path) -> None:
    save_table(made_up_table(space, len(space)), tmp_path / "all.npz")
    process = background(
        "seminas-search", "evaluator=table", "evaluator.path=all.npz", "search.num_labeled=20",
        "search.num_rounds=1", "controller.labeled_steps=30", "controller.pseudo_steps=30", cwd=tmp_path,
    )  # fmt: skip
    # Its own memory; beside that, 0.4 to 0.5 GB of torch's libraries are mapped, which all jobs share.
    own_kb = 0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        if found := re.search(r"RssAnon:\s+(\d+) kB", status):
            own_kb = max(own_kb, int(found[1]))
        time.sleep(0.01)
    assert process.returncode == 0
    assert 1e5 < own_kb < 7e5
