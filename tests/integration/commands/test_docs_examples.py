"""The Python examples of the pages, and the examples of several files, run in a folder of their own."""

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

import seminas
from integration.sweeps.running import call
from pages import PAGES, blocks, commands, page_name
from seminas.runs.records import read_history
from support import BIN, ROOT, SMALL_CONTROLLER, command

DOCS = ROOT / "docs"
LONG = (
    "README.md",
    "python.md",
    "hydra_sweeper.md",
    "optuna.md",
    "own_training.md",
    "own_space.md",
    "objectives.md",
    "ask_tell.md",
)
"""Pages of large searches."""
WITH_PYTHON = [
    pytest.param(page, marks=pytest.mark.long if page.name in LONG else ())
    for page in PAGES
    if blocks(page, "python")
]
SMALL = """
import functools
import seminas
small = {"encoder": {"hidden": 16, "layers": 2}, "teachers": {"steps": 20}, "student": {"steps": 20}}
few = {"pool": 200, "num_seeds": 10, "max_steps": 5}
seminas.search = functools.partial(seminas.search, controller=small, strategy=few)
"""
"""Python that makes the controller of later searches small."""


def write_files(page: Path, folder: Path) -> list[str]:
    """Write the blocks of a page that are files; returns their names."""
    files = [block for block in blocks(page) if block.title]
    for file in files:
        (folder / file.title).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.title).write_text(file.text)
    return [file.title for file in files]


def run_commands(page: Path, block: int, folder: Path) -> list[subprocess.CompletedProcess[str]]:
    """Run the commands of a block of a page in this process, with a small controller."""
    found = commands(blocks(page, "bash")[block].text)
    return [
        call(*words, *(SMALL_CONTROLLER if words[0] == "seminas-search" else ()), cwd=folder)
        for words in found
    ]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", WITH_PYTHON, ids=page_name)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    """Blocks with a title are files, each a script too. The others are one script, in their order."""
    untitled = "\n".join(block.text for block in blocks(page, "python") if not block.title)
    texts = [untitled, *(block.text for block in blocks(page, "python"))]
    if any("import seminas\n" in text for text in texts) and not hasattr(seminas, "search"):
        pytest.skip("the Python API is not there")
    scripts = [name for name in write_files(page, tmp_path) if name.endswith(".py")]
    (tmp_path / "page.py").write_text(untitled)
    for name in [*scripts, "page.py"]:
        done = subprocess.run(
            [sys.executable, name], cwd=tmp_path, capture_output=True, text=True, timeout=200, env=os.environ
        )
        assert done.returncode == 0, f"{name}: {done.stderr}"


@pytest.mark.long
def test_the_python_of_the_readme_runs_with_a_small_controller(tmp_path: Path) -> None:
    (block,) = blocks(ROOT / "README.md", "python")
    program = f"{SMALL}\n{block.text}\nprint(result.strategy, result.num_queries)\n"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *_, shown, about = done.stdout.splitlines()
    assert 0.9 < float(shown.split()[0]) <= 1 and about == "seminas 50"


def test_the_own_space_of_the_page_is_the_example() -> None:
    files = {block.title: block.text for block in blocks(DOCS / "own_space.md")}
    example = ROOT / "examples" / "own_space"
    for name in ("widths.py", "space/widths.yaml", "evaluator/perceptron.yaml"):
        assert files[name] == (example / name).read_text()


@pytest.mark.long
def test_the_loop_of_the_page_is_the_example_and_goes_on_in_a_folder(tmp_path: Path) -> None:
    (block,) = [block for block in blocks(DOCS / "ask_tell.md") if block.title]
    example = ROOT / "examples" / "ask_tell.py"
    assert block.text == example.read_text()
    shown = [
        subprocess.run(
            [sys.executable, example, *folder], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout
        for folder in ([], ["mine"], ["mine"])
    ]
    assert shown[0] == shown[1] == shown[2]
    assert shown[0].startswith("best of 60: 0.9") and "'kernel': 5" in shown[0]
    failures = [r for r in read_history(tmp_path / "mine") if r.error is not None]
    assert all("are too large" in str(record.error) for record in failures) and failures


@pytest.mark.long
def test_the_search_of_the_page_for_a_loss_reaches_its_target(tmp_path: Path) -> None:
    page = DOCS / "own_space.md"
    write_files(page, tmp_path)
    (searched,) = commands(blocks(page, "bash")[2].text)
    done = command(*searched, "hydra.run.dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "val_loss" in done.stdout and "nats" in done.stdout and "accuracy" not in done.stdout + done.stderr
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    records = read_history(tmp_path / "run")
    values = [record.value for record in records if record.value is not None]
    assert result["ended_by"] == "target" and result["best_value"] == min(values) <= 0.3
    assert all(record.metrics["weights"] > 64 * 4 for record in records)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_further_searches_of_the_page_on_own_spaces(tmp_path: Path) -> None:
    """The first one is run by test_commands."""
    page = DOCS / "own_space.md"
    write_files(page, tmp_path)
    for block, evaluations in ((1, 10), (3, 20)):
        (searched,) = commands(blocks(page, "bash")[block].text)
        done = command(*searched, *SMALL_CONTROLLER, f"hydra.run.dir={block}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        result = json.loads((tmp_path / str(block) / "result.json").read_text())
        assert result["num_queries"] == evaluations and result["best_val_accuracy"] > 0.85
    assert result["strategy"] == "climb"


@pytest.mark.timeout(300)
def test_a_space_with_rules_is_counted_sampled_and_searched(tmp_path: Path) -> None:
    page = DOCS / "own_space.md"
    write_files(page, tmp_path)
    counted, sampled, searched = run_commands(page, 4, tmp_path)
    assert int(counted.stdout) > 10_000 and len(sampled.stdout.splitlines()) == 3, counted.stderr
    assert searched.returncode == 0, searched.stderr
    (result,) = (json.loads(path.read_text()) for path in tmp_path.glob("runs/*/*/result.json"))
    assert result["num_queries"] == 20 and {"kernel", "depth"} <= set(result["best_architecture"])


@pytest.mark.timeout(300)
def test_ones_own_results_become_a_table_and_are_searched(tmp_path: Path) -> None:
    page = DOCS / "tables.md"
    write_files(page, tmp_path)
    header, *_ = (tmp_path / "results.csv").read_text().splitlines()
    rows = [
        f"{d},{w},{k},{0.8 + d / 100 + w / 1000 + k / 500:.3f}"
        for d, w, k in product([2, 4, 8], [16, 32, 64], [3, 5])
        if (d, w) != (8, 64)
    ]
    (tmp_path / "results.csv").write_text("\n".join([header, *rows]) + "\n")
    packed, searched, counted = run_commands(page, 1, tmp_path)
    assert packed.returncode == 0 and "16 architectures" in packed.stdout, packed.stderr
    assert searched.returncode == 0, searched.stderr
    assert counted.stdout == "16\n"
    (result,) = (json.loads(path.read_text()) for path in tmp_path.glob("runs/*/*/result.json"))
    assert result["num_queries"] == 8 and result["best_val_accuracy"] > 0.88
    assert set(result["best_architecture"]) == {"depth", "width", "kernel"}


@pytest.mark.campaign
@pytest.mark.long
@pytest.mark.timeout(300)
def test_two_searches_of_the_page_on_reproducibility_are_equal(tmp_path: Path) -> None:
    page = DOCS / "reproducibility.md"
    *searches, compared = commands(blocks(page, "bash")[0].text)
    for words in searches:
        assert command(*words, *SMALL_CONTROLLER, cwd=tmp_path).returncode == 0
    subprocess.run(compared, cwd=tmp_path, check=True)


@pytest.fixture
def python_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands find this Python, as in an activated environment."""
    monkeypatch.setenv("PATH", os.pathsep.join([str(BIN), os.environ["PATH"]]))


@pytest.mark.usefixtures("python_on_the_path")
@pytest.mark.parametrize(
    ("block", "best"),
    [
        (0, "val_acc"),
        (1, "val_acc"),
        (2, "val_acc"),
        (4, "val_loss"),
        (6, "val_acc"),
    ],
)
@pytest.mark.long
@pytest.mark.timeout(300)
def test_searches_of_the_page_on_own_trainings(tmp_path: Path, block: int, best: str) -> None:
    page = DOCS / "own_training.md"
    write_files(page, tmp_path)
    (searched,) = commands(blocks(page, "bash")[block].text)
    few = ["search.max_queries=3", "strategy=random", "hydra.run.dir=run"]
    done = command(*searched, *few, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert best in done.stdout and "Trainer" not in done.stdout + done.stderr
    values = [record.value for record in read_history(tmp_path / "run")]
    assert len(values) == 3 and all(value is not None and 0 < value < 3 for value in values)


def test_the_files_of_the_page_on_own_trainings_are_the_examples() -> None:
    files = {block.title: block.text for block in blocks(DOCS / "own_training.md") if block.title}
    places = {
        "train.py": "command",
        "experiment/perceptron.yaml": "command",
        "digits_net.py": "lightning_module",
        "experiment/digits_net.yaml": "lightning_module",
        "experiment/digits_recipe.yaml": "lightning_module",
    }
    assert set(files) == set(places)
    for name, folder in places.items():
        assert files[name] == (ROOT / "examples" / folder / name).read_text()
        assert "import seminas" not in files[name] and "from seminas" not in files[name]


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("experiment", ["digits_net", "digits_recipe"])
def test_the_search_of_the_example_of_a_lightning_module(tmp_path: Path, experiment: str) -> None:
    example = ROOT / "examples" / "lightning_module"
    few = ["search.max_queries=2", "strategy=random", f"hydra.run.dir={tmp_path / 'run'}"]
    done = command("seminas-search", "--config-dir", ".", f"experiment={experiment}", *few, cwd=example)
    assert done.returncode == 0, done.stderr
    records = read_history(tmp_path / "run")
    assert all(r.value is not None and (r.value > 0.5 or experiment == "digits_recipe") for r in records)
    recipe = {"learning_rate", "shift"} if experiment == "digits_recipe" else set()
    assert all(set(r.architecture) == {"kernel", "depth", "width"} | recipe for r in records)
