"""Test that the report of Pareto fronts agrees with its runs. The runs are artificial."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import plotly.graph_objects
import pytest
from scipy.stats import wilcoxon

from reported import LATENCY, MACS, QUERIES, REFERENCE, costs_of, write_run
from seminas.report import page
from seminas.report.fronts import Scale, front_values, hypervolume_curve, over_evaluations, planes
from seminas.report.runs import Run, Setting, group, read_runs
from seminas.report.section import Section, as_csv, as_latex, as_markdown
from seminas.runs.metric import Metric

STRATEGIES = ("random", "evolution", "seminas")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for strategy in STRATEGIES:
        for seed in range(6):
            write_run(tmp_path / "sweep" / f"{strategy}{seed}", strategy, seed, costs=[MACS])
    return tmp_path / "sweep"


def settings_of(folder: Path) -> list[Setting]:
    (settings,) = group(read_runs([folder]).searches).values()
    return settings


def area(points: list[tuple[float, float]]) -> float:
    """Return the area above the reference point of (accuracy, MACs) points, by adding rectangles."""
    total, covered = 0.0, REFERENCE["val_accuracy"]
    for macs, accuracy in sorted((macs, accuracy) for accuracy, macs in points):
        if accuracy > covered and macs < REFERENCE["macs"]:
            total += (accuracy - covered) * (REFERENCE["macs"] - macs)
            covered = accuracy
    return total


def points_of(run: Run, n: int = QUERIES) -> list[tuple[float, float]]:
    return [(r.value or 0.0, costs_of(r.architecture)["macs"]) for r in run.records[:n]]  # type: ignore[arg-type]


def test_hypervolumes_are_the_areas_of_the_evaluations(study: Path) -> None:
    settings = settings_of(study)
    scale = Scale.of(settings)
    assert scale.reference == pytest.approx([0.7, 50.0])
    every = np.array([p for s in settings for run in s.runs.values() for p in points_of(run)])
    assert scale.ideal == pytest.approx([every[:, 0].max(), every[:, 1].min()])
    for setting in settings:
        for run in setting.runs.values():
            curve = hypervolume_curve(run, scale) * scale.box
            assert curve == pytest.approx([area(points_of(run, n + 1)) for n in range(QUERIES)])
            assert scale.share(front_values(run)) * scale.box == pytest.approx(curve[-1])


def test_the_table_and_the_csv_state_hypervolumes_and_a_paired_test(study: Path) -> None:
    (section,) = page.sections(read_runs([study]), figures=False)
    assert section.title == "nasbench_macro, macro, objectives val_accuracy and macs"
    volumes = {
        s.strategy: np.array([area(points_of(s.runs[seed])) for seed in range(6)]) for s in settings_of(study)
    }
    rows = {row["strategy"]: row for row in csv.DictReader(io.StringIO(as_csv([section])))}
    for strategy, values in volumes.items():
        row = rows[strategy]
        assert float(row["hypervolume_mean"]) == pytest.approx(values.mean(), rel=1e-5)
        assert float(row["hypervolume_sd"]) == pytest.approx(values.std(ddof=1), rel=1e-5)
        if strategy != "random":
            expected = wilcoxon(values, volumes["random"]).pvalue
            assert float(row["hypervolume_p_value"]) == pytest.approx(expected, rel=1e-5)
    assert rows["random"]["hypervolume_p_value"] == ""
    fronts = next(table for table in section.tables if table.title == "Pareto fronts")
    assert [row[0] for row in fronts.rows] == sorted(volumes, key=lambda s: -volumes[s].mean())
    assert any("reference point (val_accuracy 0.7000, macs 50)" in note for note in section.notes)
    macs = [float(rows[s.strategy]["macs_mean"]) for s in settings_of(study)]
    best = [
        np.mean([costs_of(run.result.best_architecture)["macs"] for run in s.runs.values()])  # type: ignore[arg-type]
        for s in settings_of(study)
    ]
    assert macs == pytest.approx(best, rel=1e-5)


def test_the_front_of_all_runs_is_stated_once_with_its_test_values(study: Path) -> None:
    (section,) = page.sections(read_runs([study]), figures=False)
    table = section.tables[-1]
    assert table.title == "Front of all runs, with test values"
    assert table.header[3:] == ["validation accuracy (%)", "macs", "test accuracy (%)"]
    every = sorted({p for s in settings_of(study) for run in s.runs.values() for p in points_of(run)})
    expected = {(a, m) for a, m in every if not any(b >= a and k <= m and (b, k) != (a, m) for b, k in every)}
    stated = {(round(float(row[3]) / 100, 4), float(row[4])) for row in table.rows}
    assert stated == {(round(a, 4), m) for a, m in expected}
    assert all(float(row[5]) == pytest.approx(float(row[3]) / 2, abs=0.01) for row in table.rows)
    for text in (as_markdown([section]), as_latex([section])):
        assert text.count("Front of all runs") == 1 and text.count("Pareto fronts") == 1


def attains(run: Run, accuracy: float, macs: float) -> bool:
    return any(a >= accuracy and m <= macs for a, m in points_of(run))


def test_attainment_surfaces_are_attained_by_half_of_the_runs(study: Path) -> None:
    settings = settings_of(study)
    (plane,) = planes(settings)
    for setting, surfaces in zip(settings, plane.surfaces, strict=True):
        runs = list(setting.runs.values())
        corners = surfaces.median[1:-1]
        for macs, accuracy in corners[1::2]:
            # A point a little better in both is attained by fewer.
            assert sum(attains(run, accuracy, macs) for run in runs) >= 3
            assert sum(attains(run, accuracy + 1e-6, macs - 1e-6) for run in runs) < 3
        assert surfaces.band[:, 1].max() >= surfaces.median[:, 1].max()


def test_attainment_curves_are_the_part_of_runs_that_reached_the_goal(study: Path) -> None:
    settings = settings_of(study)
    scale = Scale.of(settings)
    goal = 0.95 * area([p for s in settings for run in s.runs.values() for p in points_of(run)])
    _, attained = over_evaluations(settings, scale)
    for setting, curve in zip(settings, attained.curves, strict=True):
        areas = [[area(points_of(run, n + 1)) for n in range(QUERIES)] for run in setting.runs.values()]
        assert curve.mean == pytest.approx((np.array(areas) >= goal).mean(axis=0))


def test_runs_with_other_objectives_are_another_problem(study: Path) -> None:
    write_run(study / "plain", "random", 0)
    write_run(study / "three", "random", 0, costs=[MACS, LATENCY])
    titles = [section.title for section in page.sections(read_runs([study]), figures=False)]
    assert [title.removeprefix("nasbench_macro, macro") for title in titles] == [
        "",
        ", objectives val_accuracy and macs",
        ", objectives val_accuracy and macs and latency_ms",
    ]


def test_shorter_searches_have_the_front_of_their_evaluations(study: Path) -> None:
    _, first = page.sections(read_runs([study]), figures=False, at=[5])
    rows = {row["strategy"]: row for row in csv.DictReader(io.StringIO(as_csv([first])))}
    for setting in settings_of(study):
        areas = [area(points_of(run, 5)) for run in setting.runs.values()]
        assert float(rows[setting.strategy]["hypervolume_mean"]) == pytest.approx(np.mean(areas), rel=1e-5)


def test_imported_evaluations_count_if_they_are_on_the_front(study: Path) -> None:
    for file in study.glob("seminas*/result.json"):
        result = json.loads(file.read_text())
        values = {"val_accuracy": 0.99, "macs": 5.0}
        imported = {"index": -1, "key": "0" * 8, "architecture": {f"layer{p + 1}": "0" for p in range(8)}}
        imported |= {"values": values, "test_values": {"test_accuracy": 0.5}}
        file.write_text(json.dumps(result | {"pareto": [imported]}))
    runs = read_runs([study])
    (section,) = page.sections(runs)
    settings = {s.label: s for s in group(runs.searches)[section.title]}
    scale = Scale.of(list(settings.values()))
    expected = scale.share(np.array([[0.99, 5.0]]))
    assert hypervolume_curve(settings["seminas"].runs[0], scale) == pytest.approx([expected] * QUERIES)
    assert section.tables[-1].rows == [["0" * 8, "seminas", "0", "99.00", "5", "50.00"]]
    assert "imported" in json.dumps([figure.charts for figure in section.figures])


def test_a_front_without_valid_members_is_empty(study: Path) -> None:
    for file in study.glob("seminas*/result.json"):
        result = json.loads(file.read_text())
        for member in result["pareto"]:
            del member["values"]["macs"]
        file.write_text(json.dumps(result))
    (section,) = page.sections(read_runs([study]))
    rows = {row["strategy"]: row for row in csv.DictReader(io.StringIO(as_csv([section])))}
    assert rows["seminas"]["front_size_mean"] == rows["seminas"]["hypervolume_mean"] == "0"
    assert "fronts" not in {figure.name for figure in section.figures}
    assert {row[1] for row in section.tables[-1].rows} <= {"random", "evolution"}


def test_a_unit_is_not_stated_twice() -> None:
    assert Metric("macs", "minimize", "MACs").labeled("macs") == "macs"
    assert LATENCY.labeled("latency_ms") == "latency_ms (ms)"


def test_the_charts_have_the_numbers_of_the_runs(study: Path) -> None:
    for seed in range(3):
        write_run(study / f"n{seed}", "seminas", seed, 6, costs=[MACS])
        write_run(study / f"three{seed}", "seminas", seed, costs=[MACS, LATENCY])
    runs = read_runs([study])
    two, three = page.sections(runs)
    for section, number_of_planes in ((two, 1), (three, 2)):
        charts = {figure.name: figure.charts for figure in section.figures}
        assert len(charts["fronts"]) == number_of_planes and "curves-over-cost" in charts
        for of_figure in charts.values():
            for chart in of_figure:
                plotly.graph_objects.Figure(dict(chart))  # It validates all names and values.
    assert any(figure.name.startswith("ablation") and figure.charts for figure in two.figures)
    check_points(two, {s.label: s for s in group(runs.searches)[two.title]})


def check_points(section: Section, settings: dict[str, Setting]) -> None:
    """Check the points of fronts and of curves, and the architectures that they name, against the runs."""
    charts = {figure.name: figure.charts for figure in section.figures}
    points = 0
    for name, x_is_macs in (("fronts", True), ("curves", False)):
        for trace in charts[name][0]["data"]:
            if trace["mode"] != "markers":
                continue
            setting = settings[trace["name"]]
            for x, y, (number, seed, evaluation, macs) in zip(
                trace["x"], trace["y"], trace["customdata"], strict=True
            ):
                record = setting.runs[seed].records[evaluation - 1]
                architecture = section.architectures[number]
                assert architecture["key"] == record.key
                assert json.loads(architecture["json"]) == record.architecture
                assert len(architecture["graph"]["names"]) == 8
                assert (y, macs) == (pytest.approx(record.value), record.metrics["macs"])
                assert x == (macs if x_is_macs else evaluation)
                points += 1
    assert points > 50
    lines = {t["name"]: t for t in charts["hypervolume"][0]["data"] if t["mode"] == "lines"}
    scale = Scale.of(list(settings.values()))
    for label, setting in settings.items():
        curves = [hypervolume_curve(run, scale) for run in setting.runs.values()]
        assert lines[label]["y"] == pytest.approx(np.mean(curves, axis=0), rel=1e-5)
