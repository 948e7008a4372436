"""Test ``hydra/sweeper=seminas`` in a made-up Hydra app: spaces, values, folders, failures and a kill."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from typer.testing import CliRunner

import seminas
from integration.sweeps.apps import (
    RANDOM,
    SWEPT,
    history,
    ran,
    require_launcher,
    results,
    sweep,
    told,
    write_app,
)
from pages import blocks
from seminas.commands.main import app
from support import ROOT

TWO = [*SWEPT, "hydra.sweeper.direction=[maximize,minimize]", "hydra.sweeper.objectives=[accuracy,seconds]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_app(tmp_path)
    return tmp_path


def test_a_sweep_has_the_folders_and_files_that_users_of_hydra_know(folder: Path) -> None:
    done = sweep(folder, *SWEPT, "text=hello", *RANDOM, "hydra.sweeper.max_queries=6")
    assert done.returncode == 0, done.stderr
    assert ran(folder) == list(range(6))
    names = {path.name for path in (folder / "sweep").iterdir()}
    assert names == {*"012345", "study", "multirun.yaml", "optimization_results.yaml"}
    for number, record in enumerate(history(folder)):
        job = folder / "sweep" / str(number)
        assert (job / "train.log").exists()  # The name of the app's job is still its own.
        overrides = OmegaConf.load(job / ".hydra" / "overrides.yaml")
        chosen = record["architecture"]
        assert overrides[:1] == ["text=hello"] and set(overrides[1:]) == {
            f"{k}={v}" for k, v in chosen.items()
        }
        assert record["value"] == chosen["model.kernel"] + chosen["model.depth"] / 10
    best = max(history(folder), key=lambda record: record["value"])
    expected = {"best_params": best["architecture"], "best_value": best["value"]}
    expected |= {
        f"best_evaluated_{n}": expected[f"best_{m}"] for n, m in (("params", "params"), ("result", "value"))
    }
    assert results(folder) == {"name": "seminas", **expected}
    assert OmegaConf.load(folder / "sweep" / "multirun.yaml").hydra.sweeper.max_queries == 6


@pytest.mark.long
def test_the_jobs_are_those_of_a_study_on_the_same_space(folder: Path) -> None:
    done = sweep(folder, *SWEPT, "hydra.sweep.dir=sweep", "hydra.sweeper.strategy=evolution",
                 "hydra.sweeper.max_queries=15", "hydra.sweeper.seed=3", "hydra.sweeper.n_jobs=3",
                 "hydra.sweeper.direction=minimize")  # fmt: skip
    assert done.returncode == 0, done.stderr
    space = {"model.kernel": [3, 5, 7], "model.depth": {"values": [2, 3, 4, 5, 6], "ordered": True}}
    study = seminas.Study(space, "evolution", seed=3, metric="objective", direction="minimize")
    for _ in range(5):
        for trial in study.ask(3):
            study.tell(trial, trial.choices["model.kernel"] + trial.choices["model.depth"] / 10)
    assert [r["architecture"] for r in history(folder)] == [study.trial_of(r).choices for r in study.history]
    assert results(folder)["best_value"] == 3.2


@pytest.mark.parametrize(
    ("override", "key", "values"),
    [
        ("model.kernel=3,5,7", "model.kernel", [3, 5, 7]),
        ("model.kernel=tag(ordered, choice(3,5,7))", "model.kernel", [3, 5, 7]),
        ("model.kernel=range(1,10,4)", "model.kernel", [1, 5, 9]),
        ("model.kernel=shuffle(range(3,0,-1))", "model.kernel", [1, 2, 3]),
        ("model.kernel=int(interval(1,3))", "model.kernel", [1, 2, 3]),
        ("model.kernel=tag(log, int(interval(2,4)))", "model.kernel", [2, 3, 4]),
        ("model.kernel=tag(log, range(2,5))", "model.kernel", [2, 3, 4]),
        ("rate=range(0,0.3,0.1)", "rate", [0.0, 0.1, 0.2]),
        ("optimizer=glob(*)", "optimizer", ["adam", "sgd"]),
        ("optimizer=glob(*,exclude=s*),sgd", None, None),
    ],
)
def test_hydras_sweeps_are_positions(folder: Path, override: str, key: str | None, values: Any) -> None:
    write_app(folder, "0.5")
    done = sweep(folder, override, *RANDOM, "hydra.sweeper.max_queries=5")
    if key is None:
        assert done.returncode != 0 and not (folder / "sweep").exists()
        return
    assert done.returncode == 0, done.stderr
    found = [record["architecture"][key] for record in history(folder)]
    assert sorted(map(str, found)) == sorted(map(str, values)) and "exhausted" in done.stdout


def test_every_value_reaches_the_app_as_it_was_written(folder: Path) -> None:
    write_app(folder, "hash(print(repr(text)))")
    texts = ["null", "true", "1", "'1'", "'a b'", "[1,2]", r"'it\'s'", "1.0", "x-y/z"]
    done = sweep(folder, f"text={','.join(texts)}", *RANDOM)
    for shown in ("None", "True", "1", "'1'", "'a b'", "[1, 2]", '"it\'s"', "1.0", "'x-y/z'"):
        assert f"\n{shown}\n" in done.stdout, done.stdout + done.stderr


@pytest.mark.long
def test_an_interval_is_ordered_and_may_have_a_logarithmic_scale(folder: Path) -> None:
    write_app(folder, "-abs(rate - 0.02)")
    done = sweep(folder, "rate=tag(log, interval(1e-4, 1e-1))", "model.depth=int(interval(1,5000))",
                 *RANDOM, "hydra.sweeper.max_queries=20")  # fmt: skip
    assert done.returncode == 0, done.stderr
    config = OmegaConf.load(folder / "sweep" / "study" / "config.yaml")
    assert config.space.positions.rate == {"low": 1e-4, "high": 1e-1, "log": True}
    depths = [record["architecture"]["model.depth"] for record in history(folder)]
    assert all(isinstance(depth, int) for depth in depths) and len(set(depths)) > 10
    rates = sorted(record["architecture"]["rate"] for record in history(folder))
    assert rates[5] < 0.005 < rates[18]


@pytest.mark.long
def test_a_file_says_what_overrides_cannot(folder: Path) -> None:
    write_app(folder, "optimizer.lr + optimizer.get('momentum', 0)")
    (folder / "space.yaml").write_text(
        "positions:\n  optimizer: [sgd, adam]\n  +optimizer.nesterov: {values: [true, false], when: {optimizer: sgd}}\n"
        "  optimizer.momentum: {low: 0.5, high: 0.9, bins: 3, when: {optimizer: sgd}}\n"
        "forbidden: [{optimizer: sgd, model.kernel: 7}]\n"
    )
    done = sweep(folder, "model.kernel=3,7", "hydra.sweeper.space=space.yaml", *RANDOM)
    assert done.returncode == 0, done.stderr
    found = [record["architecture"] for record in history(folder)]
    assert len(found) == 2 * 3 + 2 and not any(record["error"] for record in history(folder))
    assert {tuple(a) for a in found if a["optimizer"] == "adam"} == {("model.kernel", "optimizer")}
    assert all(len(a) == 4 and a["model.kernel"] == 3 for a in found if a["optimizer"] == "sgd")
    assert results(folder)["best_params"]["optimizer.momentum"] == 0.9


@pytest.mark.long
def test_sweeps_may_stand_in_the_config_of_the_app(folder: Path) -> None:
    with (folder / "conf" / "config.yaml").open("a") as file:
        file.write(
            "hydra:\n  sweeper:\n    params: {model.kernel: 'choice(3,5)', model.depth: 'range(2,4)', rate: 5}\n"
        )
    done = sweep(folder, "model.depth=9", *RANDOM)
    assert done.returncode == 0, done.stderr
    assert sorted(record["value"] for record in history(folder)) == [3.9, 5.9]


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("exit(3)", "RuntimeError: the app exited with status 3"),
        ("None", "returned None: must be a finite number"),
        ("'0.9'", "returned '0.9': must be a finite number"),
        ("float('nan')", "returned nan: must be a finite number"),
        ("True", "returned True: must be a finite number"),
    ],
)
@pytest.mark.long
def test_a_failed_job_is_told_as_failed(folder: Path, formula: str, reason: str) -> None:
    write_app(folder, f"({formula}) if number in (0, 3) else 0.5 * number")
    done = sweep(folder, *SWEPT, *RANDOM, "hydra.sweeper.max_queries=5")
    assert done.returncode == 0, done.stderr
    assert [(r["number"], r["error"]) for r in history(folder) if r["error"]] == [(0, reason), (3, reason)]
    (line,) = [line for line in done.stdout.splitlines() if "Job 3 failed" in line]
    assert f"Job 3 failed: {reason} (model.kernel=" in line
    if "Zero" in reason:
        assert "Traceback" in (folder / "sweep" / "study" / "error.log").read_text()
    assert results(folder)["best_value"] == 2.0


@pytest.mark.long
def test_an_app_that_never_works_ends_the_sweep_and_is_run_again_when_it_does(folder: Path) -> None:
    write_app(folder, "1 / 0")
    arguments = [*SWEPT, *RANDOM, "hydra.sweeper.max_queries=8"]
    done = sweep(folder, *arguments)
    assert done.returncode == 2 and ran(folder) == [0, 1, 2, 3, 4]
    line = "error: all of the first 5 jobs failed; job 4: ZeroDivisionError: division by zero\n"
    assert done.stderr == line and not (folder / "sweep" / "optimization_results.yaml").exists()
    write_app(folder)
    done = sweep(folder, *arguments)
    assert done.returncode == 0, done.stderr
    assert ran(folder)[5:] == list(range(8)) and not any(record["error"] for record in history(folder))


@pytest.mark.long
def test_too_many_failures_end_the_sweep(folder: Path) -> None:
    write_app(folder, "1 / (number % 2)")
    done = sweep(folder, *SWEPT, *RANDOM, "hydra.sweeper.max_failures=2")
    assert done.returncode == 2 and ran(folder) == [0, 1, 2, 3, 4]
    line = "error: hydra.sweeper.max_failures=2: 3 jobs failed; job 4: ZeroDivisionError: division by zero\n"
    assert done.stderr == line
    more = [*SWEPT, *RANDOM, "hydra.sweeper.max_failures=5", "hydra.sweeper.max_queries=7"]
    assert sweep(folder, *more).returncode == 0 and ran(folder) == list(range(7))


def front_of(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the evaluations with an accuracy and seconds that no other one dominates, the first of equal ones."""
    points = {r["index"]: (r["value"], -r["metrics"]["seconds"]) for r in records if r["error"] is None}

    def is_beaten(i: int, p: tuple[float, float]) -> bool:
        others = [(j, q) for j, q in points.items() if j != i]
        return any(q[0] >= p[0] and q[1] >= p[1] and (q != p or j < i) for j, q in others)

    return [records[i] for i, point in points.items() if not is_beaten(i, point)]


@pytest.mark.long
def test_a_sweep_of_several_objectives_has_the_front_and_goes_on(folder: Path) -> None:
    write_app(folder, "(kernel - depth / 10, kernel * depth if number != 2 else 'slow')")
    arguments = [*TWO, "hydra.sweeper.strategy=evolution", "hydra.sweep.dir=sweep", "hydra.sweeper.seed=1"]
    settings = "hydra.sweeper.settings={population_size: 4}"
    done = sweep(folder, *arguments, "hydra.sweeper.max_queries=7", settings)
    assert done.returncode == 0, done.stderr
    records = history(folder)
    reason = "must be a list of 2 finite numbers, one for each of hydra.sweeper.direction"
    assert [r["number"] for r in records if r["error"]] == [2] and reason in records[2]["error"]
    values = [[r["value"], r["metrics"].get("seconds")] for r in front_of(records)]
    solutions = [
        {"params": r["architecture"], "values": v} for r, v in zip(front_of(records), values, strict=True)
    ]
    assert results(folder) == {"name": "seminas", "solutions": solutions} and len(solutions) > 1
    assert f"Number of Pareto solutions: {len(solutions)}" in done.stdout
    space = {"model.kernel": [3, 5, 7], "model.depth": {"values": [2, 3, 4, 5, 6], "ordered": True}}
    metrics = [seminas.Metric("accuracy", "maximize"), seminas.Metric("seconds", "minimize")]
    study = seminas.Study(space, "evolution", 1, metric=metrics[0], metrics=metrics[1:],
                          objectives=["accuracy", "seconds"], settings={"population_size": 4})  # fmt: skip
    for number in range(7):
        (trial,) = study.ask()
        kernel, depth = trial.choices.values()
        value = {"accuracy": kernel - depth / 10, "seconds": kernel * depth}
        study.tell(trial, **({"error": "slow"} if number == 2 else {"value": value}))
    assert [r["architecture"] for r in records] == [study.trial_of(r).choices for r in study.history]
    done = sweep(folder, *arguments, settings, "hydra.sweeper.max_queries=8")
    assert done.returncode == 0 and ran(folder) == list(range(8)), done.stderr
    done = sweep(folder, *arguments, "hydra.sweeper.max_queries=8")
    assert done.returncode == 2 and "strategy.population_size is 4" in done.stderr, done.stderr


@pytest.mark.long
def test_the_report_reads_the_front_of_a_sweep(folder: Path) -> None:
    write_app(folder, "(kernel - depth / 10, kernel * depth)")
    assert sweep(folder, *TWO, *RANDOM, "hydra.sweeper.max_queries=6").returncode == 0
    done = CliRunner().invoke(app, ["report", str(folder / "sweep"), "--out", str(folder / "page")])
    page = (folder / "page" / "report.html").read_text()
    assert done.exit_code == 0 and "Pareto fronts" in page and "seconds" in page, done.output


@pytest.mark.parametrize(("formula", "swept"), [("(kernel, depth)", SWEPT), ("(kernel, depth, 1)", TWO)])
def test_an_app_that_returns_another_number_of_values_never_works(
    folder: Path, formula: str, swept: list[str]
) -> None:
    write_app(folder, formula)
    done = sweep(folder, *swept, *RANDOM)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("error: all of the first 5 jobs failed; job 4: returned (")
    assert "hydra.sweeper.direction" in done.stderr


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ([], "hydra/sweeper=seminas: no override is swept"),
        (["rate=0.1"], "hydra/sweeper=seminas: no override is swept"),
        (["model.kernel=choice(3)"], "has one architecture only"),
        (["rate=interval(0.2,0.1)"], "rate=interval(0.2,0.1): must be an interval whose first number is below"),
        (["rate=tag(log,interval(0,1))"], "rate=tag(log,interval(0,1)): with the tag log, all numbers must be above 0"),
        (["rate=tag(lgo,interval(1,2))"], "rate=tag(lgo,interval(1,2)): has the tag lgo, must be log"),
        (["model.depth=range(5,2)"], "model.depth=range(5,2): must be a range with at least one number"),
        (["model.depth=3,3"], "model.depth=3,3: must be distinct choices, has 3 twice"),
        ([*SWEPT, "hydra.sweeper.strategy=tpe"], "hydra.sweeper.strategy=tpe: must be one of bananas, evolution,"),
        ([*SWEPT, "hydra.sweeper.direction=up"], "hydra.sweeper.direction=up: must be one of maximize, minimize"),
        ([*SWEPT, "hydra.sweeper.direction=[maximize,up]"], "hydra.sweeper.direction=[maximize, up]: must be maximize"),
        ([*SWEPT, "hydra.sweeper.objectives=[a,b]"], "hydra.sweeper.objectives=[a, b]: must be 1 distinct names, one"),
        ([*TWO, "hydra.sweeper.objectives=[a,a]"], "hydra.sweeper.objectives=[a, a]: must be 2 distinct names, one"),
        ([*TWO, "hydra.sweeper.objectives=a"], "hydra.sweeper.objectives=a: must be a list of names"),
        ([*TWO, "hydra.sweeper.objectives=[a,b-c]"], "hydra.sweeper.objectives=[a, b-c]: metric.name='b-c': must be"),
        ([*TWO, "hydra.sweeper.strategy=bananas"], "hydra.sweeper.objectives=[accuracy, seconds]: strategy Bananas"),
        ([*SWEPT, "hydra.sweeper.settings=3"], "hydra.sweeper.settings=3: must be a mapping from settings"),
        ([*SWEPT, "hydra.sweeper.settings={pol: 3}"], "hydra.sweeper.settings.pol: is unknown; did you mean hydra.sw"),
        ([*SWEPT, "hydra.sweeper.settings={pool: -3}"], "hydra.sweeper.settings.pool=-3: must be at least 0"),
        ([*SWEPT, "hydra.sweeper.settings={pool: x}"], "hydra.sweeper.settings.pool=x: must be a whole number"),
        ([*SWEPT, *RANDOM, "hydra.sweeper.settings={pool: 3}"], "settings.pool: is unknown; strategy=random has no"),
        ([*SWEPT, "hydra.sweeper.max_queries=0"], "hydra.sweeper.max_queries=0: must be a whole number, at least 1"),
        ([*SWEPT, "hydra.sweeper.max_queries=x"], "hydra.sweeper.max_queries=x: must be a whole number, at least 1"),
        ([*SWEPT, "hydra.sweeper.n_jobs=0"], "hydra.sweeper.n_jobs=0: must be a whole number, at least 1"),
        ([*SWEPT, "hydra.sweeper.seed=-1"], "hydra.sweeper.seed=-1: must be a whole number, at least 0"),
        ([*SWEPT, "hydra.sweeper.max_failures=-1"], "hydra.sweeper.max_failures=-1: must be a whole number"),
        ([*SWEPT, "hydra.sweeper.space=no.yaml"], "hydra.sweeper.space=no.yaml: cannot be read (No such file"),
        ([*SWEPT, "hydra.sweeper.space=list.yaml"], "hydra.sweeper.space=list.yaml: must have positions"),
        ([*SWEPT, "hydra.sweeper.space=twice.yaml"], "has the position model.depth, which is also an override"),
        ([*SWEPT, "hydra.sweeper.space=wrong.yaml"], "hydra.sweeper.space=wrong.yaml: space.rate.low=2: must be below"),
        ([*SWEPT, "hydra.sweeper.budget=3"], "budget"),
        (["optimizer=sgd,rmsprop"], "optimizer=rmsprop: must be one of adam, sgd"),
        (["model.width=1,2"], "model.width"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_before_any_job_runs(folder: Path, overrides: list[str], line: str) -> None:
    (folder / "list.yaml").write_text("- 1\n")
    (folder / "twice.yaml").write_text("positions: {model.depth: [1, 2]}\n")
    (folder / "wrong.yaml").write_text("positions: {rate: {low: 2, high: 1}}\n")
    done = sweep(folder, "hydra.sweep.dir=sweep", *overrides)
    assert done.returncode in (1, 2) and line in done.stderr, done.stderr
    if "budget" not in line:  # Hydra itself finds this one.
        assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert ran(folder) == [] and not (folder / "sweep").exists()


@pytest.mark.parametrize(
    ("last", "is_refused"),
    [
        ("float(config.rate)", True),
        ("return", True),
        ("return None", True),
        ("f = lambda: 1.0\n\n    def g():\n        return f()", True),
        ("if config.rate:\n        return 0.5", False),
        ("try:\n        pass\n    finally:\n        return 0.5", False),
    ],
)
def test_an_app_that_returns_nothing_is_refused_before_any_job_runs(
    folder: Path, last: str, is_refused: bool
) -> None:
    script = (folder / "train.py").read_text()
    (folder / "train.py").write_text(re.sub("return eval.*", lambda match: last, script))
    done = sweep(folder, *SWEPT, *RANDOM, "hydra.sweeper.max_queries=1")
    if not is_refused:
        assert done.returncode == 0, done.stderr
        return
    line = "hydra.sweeper.direction=maximize: train.py: main returns nothing, must return one number"
    assert (done.returncode, done.stderr) == (2, f"error: {line}\n")
    assert ran(folder) == [] and not (folder / "sweep").exists()


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["model.kernel=choice(3,5,9)", SWEPT[1]], "space.positions.model.kernel"),
        ([*SWEPT, "hydra.sweeper.strategy=evolution"], "strategy"),
        ([*SWEPT, "hydra.sweeper.seed=1"], "seed is 0"),
        ([*SWEPT, "hydra.sweeper.direction=minimize"], "direction"),
        ([*SWEPT, "rate=0.5"], "its jobs have no rate, and rate=0.5 in this command"),
    ],
)
@pytest.mark.long
def test_the_folder_of_another_sweep_is_refused(folder: Path, overrides: list[str], key: str) -> None:
    assert sweep(folder, *SWEPT, *RANDOM, "hydra.sweeper.max_queries=2").returncode == 0
    done = sweep(folder, *RANDOM, *overrides)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "belongs to another" in done.stderr and key in done.stderr and ran(folder) == [0, 1]
    assert sweep(folder, *SWEPT, *RANDOM, "hydra.sweeper.max_queries=3").returncode == 0 and ran(folder) == [
        0,
        1,
        2,
    ]


def run_script(folder: Path, *overrides: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a sweep in a process of its own."""
    command = [sys.executable, "train.py", "-m", "hydra/sweeper=seminas", *overrides]
    environment = {**os.environ, **variables}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200)


def test_a_killed_sweep_goes_on_and_repeats_no_finished_job(folder: Path) -> None:
    """The process dies in the third of four jobs of one launch."""
    arguments = [*SWEPT, *RANDOM, "hydra.sweeper.max_queries=10", "hydra.sweeper.n_jobs=4"]
    done = run_script(folder, *arguments, DIES_IN_JOB="6")
    assert done.returncode == -signal.SIGKILL and ran(folder) == list(range(7))
    assert len(history(folder)) == 4
    done = sweep(folder, *arguments)
    assert done.returncode == 0, done.stderr
    assert ran(folder) == [*range(7), 6, 7, 8, 9]
    undisturbed = folder / "undisturbed"
    write_app(undisturbed)
    assert sweep(undisturbed, *arguments).returncode == 0
    assert told(folder) == told(undisturbed)


@pytest.mark.long
def test_ctrl_c_ends_a_sweep_that_then_goes_on(folder: Path) -> None:
    write_app(folder, "[][0] if number == 1 else exec('raise KeyboardInterrupt') if number == 2 else 1")
    done = sweep(folder, *SWEPT, *RANDOM, "hydra.sweeper.max_queries=4")
    assert (
        done.returncode == 130
        and done.stderr == "interrupted: the same command with hydra.sweep.dir=sweep goes on\n"
    )
    write_app(folder, "1.0")
    done = sweep(folder, *SWEPT, *RANDOM, "hydra.sweeper.max_queries=4")
    assert done.returncode == 0 and ran(folder) == [0, 1, 2, 2, 3], done.stderr
    assert [record["value"] for record in history(folder)] == [1, None, 1, 1]


@pytest.mark.long
def test_report_and_status_read_a_sweep(folder: Path) -> None:
    assert sweep(folder, *SWEPT, *RANDOM, "hydra.sweeper.max_queries=4").returncode == 0
    done = CliRunner().invoke(app, ["report", str(folder / "sweep"), "--out", str(folder / "page")])
    assert done.exit_code == 0, done.output
    assert "objective" in (folder / "page" / "report.html").read_text()
    for status_of in (folder / "sweep", folder / "sweep" / "study"):
        done = CliRunner().invoke(app, ["status", str(status_of)])
        assert "stopped" in done.output and "evaluations  4" in done.output, done.output


def test_the_resolvers_and_configs_of_the_app_stay(folder: Path) -> None:
    write_app(folder, "kernel")
    script = (folder / "train.py").read_text()
    own = "from omegaconf import OmegaConf\nOmegaConf.register_new_resolver('run_name', lambda x: f'mine-{x}')\n"
    (folder / "train.py").write_text(own + script)
    done = run_script(
        folder, *SWEPT, "text=${run_name:a}", "formula='text'", *RANDOM, "hydra.sweeper.max_queries=1"
    )
    assert done.returncode == 2 and "job 0: returned 'mine-a': must be a finite number" in done.stderr


def test_other_apps_import_nothing_large() -> None:
    program = "import sys; from hydra.core.plugins import Plugins; Plugins.instance(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "hydra_plugins.seminas_app_sweeper" in loaded
    assert not loaded & {"torch", "numpy", "sklearn", "seminas.commands.app_sweep", "seminas.commands.study"}


@pytest.mark.timeout(300)
def test_the_example_is_an_app_without_seminas(tmp_path: Path) -> None:
    example = ROOT / "examples" / "hydra_app"
    script = (example / "train.py").read_text()
    assert "import seminas" not in script and len(script.splitlines()) <= 40
    files = {block.title: block.text for block in blocks(ROOT / "docs" / "hydra_sweeper.md") if block.title}
    assert files == {name: (example / name).read_text() for name in files} and len(files) == 6
    arguments = [
        "model.kernel=choice(3,5)",
        "model.depth=1",
        "epochs=1",
        f"hydra.sweeper.space={example}/space.yaml",
    ]
    done = sweep(tmp_path, *arguments, "hydra.sweeper.max_queries=2", "hydra.sweep.dir=sweep",
                 script=example / "train.py")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 0 < results(tmp_path)["best_value"] <= 1 and len(history(tmp_path)) == 2


@pytest.mark.campaign
@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local", "ray"])
def test_other_launchers_run_jobs_side_by_side(folder: Path, launcher: str) -> None:
    """The process of one job dies each time it is run. The sweep goes on, and says so."""
    require_launcher(launcher)
    arguments = [
        *SWEPT,
        *RANDOM,
        f"hydra/launcher={launcher}",
        "hydra.sweeper.max_queries=6",
        "hydra.sweeper.n_jobs=3",
    ]
    done = run_script(folder, *arguments, DIES_IN_JOB="4")
    assert done.returncode == 0, done.stderr
    records = history(folder)
    assert [record["number"] for record in records] == list(range(6))
    assert [record["number"] for record in records if record["error"]] == [4]
    assert "its process ended" in records[4]["error"] or "Error" in records[4]["error"]
    assert all(ran(folder).count(number) == 1 for number in (0, 1, 2, 5)) or launcher != "submitit_local"
    again = sweep(folder, *SWEPT, *RANDOM, "hydra.sweeper.max_queries=7")
    assert again.returncode == 0 and ran(folder)[-1] == 6, again.stderr
