"""Test that the report agrees with its runs. The runs are artificial."""

import csv
import io
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import wilcoxon
from typer.testing import CliRunner

from reported import QUERIES, accuracies, write_run
from seminas.commands.main import app
from seminas.errors import UserError
from seminas.report import page, plots
from seminas.report.curves import over_time
from seminas.report.runs import group, read_runs
from seminas.report.section import as_csv, as_latex, as_markdown
from seminas.report.statistics import table
from seminas.runs.folder import RunFolder
from seminas.runs.results import PredictorResult
from support import training_result


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for strategy in ("random", "evolution", "seminas"):
        for seed in range(6):
            write_run(tmp_path / "sweep" / f"{strategy}{seed}", strategy, seed)
    return tmp_path / "sweep"


def test_the_table_says_what_the_runs_say(study: Path) -> None:
    runs = read_runs([study])
    ((problem, settings),) = group(runs.searches).items()
    assert problem == "nasbench_macro, macro" and [s.label for s in settings] == [
        "evolution",
        "random",
        "seminas",
    ]
    rows = {row.setting.strategy: row for row in table(settings)}
    final = {s: np.array([accuracies(s, seed, 4).max() for seed in range(6)]) for s in rows}
    for strategy, row in rows.items():
        assert row.num_seeds == 6 and row.num_queries == QUERIES
        assert row.val == pytest.approx((final[strategy].mean(), final[strategy].std(ddof=1)))
        assert row.test == pytest.approx((final[strategy].mean() / 2, final[strategy].std(ddof=1) / 2))
        assert row.regret is not None and row.regret[0] == pytest.approx(0.48 - final[strategy].mean() / 2)
        assert row.found_best == 0 and row.hours == pytest.approx(0.12)
    # The same seed gives all strategies the same random numbers, so their order is the same for every seed.
    assert [rows[s].rank for s in ("seminas", "evolution", "random")] == [1, 2, 3]
    expected = wilcoxon(final["seminas"] / 2, final["random"] / 2).pvalue
    assert rows["seminas"].p_value == pytest.approx(expected) and rows["random"].p_value is None
    # Evolution has the random numbers of random search plus 0.02.
    curves = {
        s: np.mean([np.maximum.accumulate(accuracies(s, k, 4)) for k in range(6)], axis=0) for s in rows
    }
    for strategy in ("seminas", "evolution"):
        first = 1 + int(np.argmax(curves[strategy] >= curves["random"][-1]))
        assert rows[strategy].reaches == first < QUERIES
    assert rows["random"].reaches is None
    against = {row.setting.strategy: row.p_value for row in table(settings, "seminas")}
    assert against["seminas"] is None and against["random"] == pytest.approx(expected)
    with pytest.raises(UserError, match="--baseline nobody: must be one of evolution; random; seminas"):
        table(settings, "nobody")


def test_curves_are_of_the_best_so_far_by_validation(study: Path) -> None:
    for run in read_runs([study]).searches:
        values = accuracies(run.strategy, run.seed, 4)
        assert run.best_val == pytest.approx(np.maximum.accumulate(values))
        assert run.best_test == pytest.approx(np.maximum.accumulate(values) / 2)


def test_runs_that_are_not_done_are_counted(study: Path) -> None:
    write_run(study / "killed", "random", 7, finished=False)
    write_run(study / "busy", "random", 8, finished=False)
    busy = RunFolder(study / "busy")
    config = busy.config()
    assert config is not None
    with busy.claim(config):
        runs = read_runs([study])
    assert str(runs) == "18 finished, 1 still running, 1 stopped before their end"
    assert [run.path for run in runs.running] == [study / "busy"]
    assert [run.path for run in runs.stopped] == [study / "killed"]
    write_training(study / "network")
    runs = read_runs([study])
    assert len(runs.searches) == 18 and not runs.predictors


def write_training(folder: Path) -> None:
    folder.mkdir()
    (folder / "config.yaml").write_text("seed: 0")
    result = training_result(space="nasbench_macro", seed=0, wall_s=1.0, config={"seed": 0})
    RunFolder(folder).write_result(result)


def test_the_page_stands_alone(study: Path, tmp_path: Path) -> None:
    for n in (2, 6):
        for seed in range(6):
            write_run(study / f"n{n}-{seed}", "seminas", seed, n)
    path = page.write_report(read_runs([study]), tmp_path / "out")
    text = path.read_text()
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    assert "Runs: 30 finished." in text and "seminas, N 2" in text
    names = {p.name for p in (tmp_path / "out" / "figures").iterdir()}
    figures = (
        "curves",
        "ablation-search-num_labeled",
        "origins",
        "predictions-seminas",
        "evaluated",
        "best-1",
        "best-3",
    )
    for name in figures:
        assert {f"{name}.png", f"{name}.svg"} <= names
    assert text.count("<img") == len(names) // 2
    # The same runs give the same report, byte for byte.
    again = page.write_report(read_runs([study]), tmp_path / "again")
    assert again.read_bytes() == path.read_bytes()


def test_settings_are_told_apart_by_what_was_swept(study: Path) -> None:
    for n in (2, 6):
        write_run(study / f"n{n}", "seminas", 0, n)
    ((_, settings),) = group(read_runs([study]).searches).items()
    assert [s.label for s in settings] == [
        "evolution, N 4",
        "random, N 4",
        "seminas, N 2",
        "seminas, N 4",
        "seminas, N 6",
    ]
    assert [len(s.runs) for s in settings] == [6, 6, 1, 6, 1]


def test_formats_of_the_table(study: Path) -> None:
    sections = page.sections(read_runs([study]), figures=False)
    rows = list(csv.DictReader(io.StringIO(as_csv(sections))))
    assert [row["strategy"] for row in rows] == ["seminas", "evolution", "random"]
    best = np.array([accuracies("seminas", seed, 4).max() for seed in range(6)])
    assert float(rows[0]["val_accuracy_mean"]) == pytest.approx(best.mean(), abs=1e-5)
    assert float(rows[0]["test_accuracy_sd"]) == pytest.approx(best.std(ddof=1) / 2, abs=1e-6)
    assert rows[2]["p_value"] == ""
    lines = as_markdown(sections).splitlines()
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1 and len(lines) == 7
    latex = as_latex(sections)
    rows_of_it = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert len(rows_of_it) == 4 and len({line.count(" & ") for line in rows_of_it}) == 1
    assert not re.search(r"(?<!\\)[%_]", latex.split("\n", 1)[1])


def test_tables_of_the_first_evaluations(study: Path) -> None:
    whole, first = page.sections(read_runs([study]), figures=False, at=[5])
    assert (whole.title, first.title) == (
        "nasbench_macro, macro",
        "nasbench_macro, macro, first 5 evaluations",
    )
    rows = {row["strategy"]: row for row in csv.DictReader(io.StringIO(as_csv([first])))}
    for strategy, row in rows.items():
        best = np.array([accuracies(strategy, seed, 4)[:5].max() for seed in range(6)])
        assert float(row["val_accuracy_mean"]) == pytest.approx(best.mean(), abs=1e-5)
        assert float(row["test_accuracy_mean"]) == pytest.approx(best.mean() / 2, abs=1e-5)
        assert row["evaluations"] == "5"
    with pytest.raises(
        UserError, match="--at 1000: no search of nasbench_macro, macro has so many evaluations"
    ):
        page.sections(read_runs([study]), at=[1000])


def test_the_command(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["report", str(study)])
    assert done.exit_code == 0, done.stderr
    assert done.stdout.strip() == str(study / "report" / "report.html")
    assert "runs: 18 finished" in done.stderr
    # The folder of the report is no run.
    assert len(read_runs([study]).searches) == 18
    done = CliRunner().invoke(app, ["report", str(study), "--format", "md"])
    assert done.stdout.startswith("**nasbench_macro, macro**")
    (tmp_path / "empty").mkdir()
    for folder, message in (
        ("nowhere", "there is no such folder"),
        ("empty", "holds no run that has finished"),
    ):
        done = CliRunner().invoke(app, ["report", folder])
        assert done.exit_code == 2 and message in done.stderr and done.stderr.count("\n") == 1
        assert done.stderr.startswith(f"error: {folder}: ")


def test_models_are_compared_by_labels_and_seeds(tmp_path: Path) -> None:
    for model, n, seed in itertools.product(("seminas", "random_forest"), (25, 100), range(3)):
        folder = tmp_path / f"{model}{n}{seed}"
        folder.mkdir()
        config = {"evaluator": {"path": "cells.npz"}, "names": {"evaluator": "table"}}
        tau = n / 200 + 0.1 * seed + (model == "seminas") / 10
        about = {"space": "nasbench101", "seed": seed, "wall_s": 1.0, "config": config}
        result = PredictorResult(
            **about,
            model=model,
            num_labeled=n,
            num_pseudo_labeled=10 * n if model == "seminas" else 0,
            num_ranked=1_000,
            kendall_tau=tau,
            spearman_rho=tau,
            fit_s=1.0,
            top_k={"top_10_precision": 0.1},
        )
        (folder / "config.yaml").write_text(json.dumps(config))
        RunFolder(folder).write_result(result)
    runs = read_runs([tmp_path])
    assert len(runs.predictors) == 12 and str(runs) == "12 finished"
    (section,) = page.sections(runs)
    assert section.title == "predictors on nasbench101, cells"
    rows = list(csv.DictReader(io.StringIO(as_csv([section]))))
    seen = [(row["model"], row["num_labeled"], row["num_pseudo_labeled"], row["seeds"]) for row in rows]
    assert seen == [
        ("random_forest", "25", "0", "3"),
        ("seminas", "25", "250", "3"),
        ("random_forest", "100", "0", "3"),
        ("seminas", "100", "1000", "3"),
    ]
    assert float(rows[3]["kendall_tau_mean"]) == pytest.approx(0.7)
    assert float(rows[3]["kendall_tau_sd"]) == pytest.approx(0.1)
    assert page.write_report(runs, tmp_path / "out").read_text().count("<img") == 1


def test_curves_over_time_are_drawn_if_several_workers_evaluated(study: Path) -> None:
    (settings,) = group(read_runs([study]).searches).values()
    assert over_time(settings) is None
    for folder in study.glob("evolution*"):
        lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
        ended = [line | {"ended_s": 9.0 * (i + 1)} for i, line in enumerate(lines)]
        (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in ended))
        result = json.loads((folder / "result.json").read_text())
        (folder / "result.json").write_text(json.dumps(result | {"num_workers": 4}))
    (settings,) = group(read_runs([study]).searches).values()
    panel = over_time(settings)
    assert panel is not None
    curves = {curve.label: curve for curve in panel.curves}
    # The times that the history states.
    assert curves["evolution"].x[-1] == pytest.approx(9 * QUERIES / 3600)
    assert curves["random"].x[-1] == pytest.approx(36 * QUERIES / 3600)  # One worker: the sum of the costs.
    run = next(run for run in read_runs([study]).searches if run.strategy == "evolution")
    finals = [r.best_val[-1] for r in read_runs([study]).searches if r.strategy == "evolution"]
    assert curves["evolution"].mean[-1] == pytest.approx(np.mean(finals)) and run.times_s[0] == 9.0
    assert plots.lines([panel]).axes[0].get_lines()[0].get_xdata()[-1] == curves["evolution"].x[-1]
