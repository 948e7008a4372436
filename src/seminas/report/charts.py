"""Make the charts of a page: the figures of ``plots.py`` and ``front_plots.py`` as JSON for Plotly.

A point that stands for an architecture has ``customdata``: the number of the architecture in the section's
gallery, the seed, the position of the evaluation from 1, and the values of further metrics. ``page.js`` adds the
architecture to the label of the point, and draws it if the reader clicks the point.
"""

import html
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from seminas.report.curves import Ablation, Panel
from seminas.report.fronts import Plane
from seminas.report.gallery import Gallery
from seminas.report.objectives import Member, objectives_of
from seminas.report.runs import Run, Setting
from seminas.report.section import Chart
from seminas.runs.metric import DIGITS

MOST_MARKERS = 1_000
"""Approximate maximum number of points of a chart that stand for architectures."""
NUMBER = f",.{DIGITS}~r"
"""Format of a number in the label of a point, in the language of d3."""
SIGNIFICANT = 6
"""Number of significant digits of the numbers in a chart."""


def rounded(values: Iterable[float]) -> list[float | None]:
    """Return numbers with ``SIGNIFICANT`` digits. None for numbers that are not finite."""
    return [float(f"{v:.{SIGNIFICANT}g}") if np.isfinite(v) else None for v in values]


def curves(panel: Panel, settings: Sequence[Setting], gallery: Gallery) -> Chart:
    """Return a chart of curves with their bands.

    If evaluations have positions in the panel, points show each new best architecture of single runs.

    Args:
        panel: Curves.
        settings: Settings of the curves, in their order.
        gallery: Gallery that receives the architectures of the points.
    """
    data: list[dict[str, Any]] = []
    for i, curve in enumerate(panel.curves):
        data += _band(i, curve.label, curve.x, curve.mean - curve.error, curve.mean + curve.error)
        data.append(
            _named(i, curve.label, curve.x, curve.mean)
            | {"mode": "lines", "line": _line(i), "customdata": rounded(curve.error)}
            | {"hovertemplate": f"%{{x:{NUMBER}}}: %{{y:{NUMBER}}} ± %{{customdata:,.2~r}}"}
        )
    if panel.positions is not None:
        names = further_names(settings)
        for i, setting in enumerate(settings[: len(panel.curves)]):
            most = MOST_MARKERS // len(panel.curves)
            x, y, about = _incumbents(setting, panel, gallery, names, most)
            title = panel.metric.test_title if panel.is_test else panel.metric.title
            data.append(_points(i, setting.label, x, y, about, [(title, "y"), *_columns(names)]))
    return _chart(data, panel.x_title, panel.y_title, panel.ends)


def further_names(settings: Sequence[Setting]) -> list[str]:
    """Return the names of the further metrics in the records of some settings."""
    records = (record for s in settings for run in s.runs.values() for record in run.records)
    return sorted({name for record in records for name in record.metrics})


def _incumbents(
    setting: Setting, panel: Panel, gallery: Gallery, names: Sequence[str], most: int
) -> tuple[list[float], list[float], list[list[Any]]]:
    """Return positions, values and ``customdata`` of each new best architecture, of the first runs."""
    assert panel.positions is not None
    x: list[float] = []
    y: list[float] = []
    about = []
    for seed in setting.seeds:
        run = setting.runs[seed]
        incumbents = [i for i in run.result.incumbents if 0 <= i["index"] < len(run.records)]
        if x and len(x) + len(incumbents) > most:
            break
        positions = panel.positions(run)
        for incumbent in incumbents:
            value = incumbent["test_value"] if panel.is_test else incumbent["value"]
            if value is not None:
                x.append(positions[incumbent["index"]])
                y.append(value)
                about.append(_about(run, incumbent["index"], gallery, names))
    return x, y, about


def _about(run: Run, index: int, gallery: Gallery, names: Sequence[str]) -> list[Any]:
    record = run.records[index]
    further = rounded(record.metrics.get(name, np.nan) for name in names)
    return [gallery.number(record.key, record.architecture), run.seed, index + 1, *further]


def _about_member(run: Run, member: Member, gallery: Gallery, names: Sequence[str]) -> list[Any]:
    if member.index >= 0:
        return _about(run, member.index, gallery, names)
    known = dict(zip((m.name for m in objectives_of(run.result)), member.values, strict=True))
    further = rounded(known.get(name, np.nan) for name in names)
    return [gallery.number(member.key, member.architecture), run.seed, "imported", *further]


def ablation(shown: Ablation, gallery: Gallery) -> Chart:
    """Return a chart of the final value over a swept key. A point shows the best architecture of its runs."""
    data = []
    for i, (curve, settings) in enumerate(zip(shown.curves, shown.settings, strict=True)):
        best = [max(s.runs.values(), key=lambda run: run.metric.score(run.best[1])) for s in settings]
        bars = {"type": "data", "array": rounded(curve.error), "thickness": 1}
        data.append(
            _named(i, curve.label, curve.x, curve.mean)
            | {"mode": "lines+markers", "line": _line(i), "error_y": bars}
            | {"customdata": [[gallery.of_best(run), run.seed, len(run.records)] for run in best]}
            | {"hovertemplate": f"%{{x}}: %{{y:{NUMBER}}}<br>best of seed %{{customdata[1]}}:<br>%{{text}}"}
        )
    return _chart(data, shown.key, shown.y_title, None)


def plane(shown: Plane, settings: Sequence[Setting], gallery: Gallery) -> Chart:
    """Return a chart of the attainment surfaces of two objectives, with the architectures on the fronts.

    Args:
        shown: Surfaces.
        settings: Settings of the surfaces, in their order.
        gallery: Gallery that receives the architectures.
    """
    x_metric, y_metric = shown.objectives[shown.x], shown.objectives[shown.y]
    data: list[dict[str, Any]] = []
    for i, surfaces in enumerate(shown.surfaces):
        data.append(_polygon(i, surfaces.label, surfaces.band[:, 0], surfaces.band[:, 1]))
        x, y = surfaces.median.T
        data.append(
            _named(i, surfaces.label, x, y)
            | {"mode": "lines", "line": _line(i)}
            | {"hovertemplate": f"half of the runs attain<br>%{{x:{NUMBER}}}, %{{y:{NUMBER}}}"}
        )
    names = further_names(settings)
    for i, setting in enumerate(settings[: len(shown.surfaces)]):
        rows: list[NDArray[np.float64]] = []
        about: list[list[Any]] = []
        for seed in setting.seeds:
            run = setting.runs[seed]
            members = run.front
            if rows and len(rows) + len(members) > MOST_MARKERS // len(shown.surfaces):
                break
            rows += [member.values[[shown.x, shown.y]] for member in members]
            about += [_about_member(run, member, gallery, names) for member in members]
        x, y = np.array(rows).reshape(-1, 2).T
        further = [
            (name, place) for name, place in _columns(names) if name not in (x_metric.name, y_metric.name)
        ]
        data.append(
            _points(i, setting.label, x, y, about, [(x_metric.title, "x"), (y_metric.title, "y"), *further])
        )
    return _chart(data, x_metric.labeled(x_metric.title), y_metric.labeled(y_metric.title), None)


def _color(i: int) -> str:
    return to_hex(f"C{i % 10}")


def _line(i: int) -> dict[str, Any]:
    return {"color": _color(i), "dash": "solid" if i < 10 else "dash", "width": 2}


def _named(i: int, label: str, x: Iterable[float], y: Iterable[float]) -> dict[str, Any]:
    """Return a trace with a legend entry. All traces of a setting are shown and hidden together."""
    about = {"type": "scatter", "name": html.escape(label), "legendgroup": str(i)}
    return about | {"x": rounded(x), "y": rounded(y)}


def _band(
    i: int, label: str, x: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """Return the band of a curve, without the positions at which it is not known."""
    known = np.isfinite(low) & np.isfinite(high)
    x, low, high = x[known], low[known], high[known]
    return [_polygon(i, label, np.concatenate([x, x[::-1]]), np.concatenate([low, high[::-1]]))]


def _polygon(i: int, label: str, x: NDArray[np.float64], y: NDArray[np.float64]) -> dict[str, Any]:
    filled = {"mode": "lines", "fill": "toself", "opacity": 0.18, "fillcolor": _color(i)}
    return _named(i, label, x, y) | filled | {"line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}


def _columns(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the further metrics with their places in the label of a point."""
    return [(name, f"customdata[{3 + n}]") for n, name in enumerate(names)]


def _points(
    i: int,
    label: str,
    x: Iterable[float],
    y: Iterable[float],
    about: list[list[Any]],
    numbers: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    """Return points that stand for architectures. Their labels have numbers, each with its title and its place."""
    lines = [f"{html.escape(label)}, seed %{{customdata[1]}}, evaluation %{{customdata[2]}}"]
    lines += [f"{html.escape(title)} %{{{place}:{NUMBER}}}" for title, place in numbers]
    marker = {"color": _color(i), "size": 5, "opacity": 0.6}
    shown = {"mode": "markers", "marker": marker, "customdata": about, "showlegend": False}
    return _named(i, label, x, y) | shown | {"hovertemplate": "<br>".join([*lines, "%{text}<extra></extra>"])}


def _chart(data: list[dict[str, Any]], x_title: str, y_title: str, ends: tuple[float, float] | None) -> Chart:
    x_axis: dict[str, Any] = {"title": {"text": html.escape(x_title)}}
    y_axis: dict[str, Any] = {"title": {"text": html.escape(y_title)}}
    if ends is not None:
        y_axis["range"] = rounded(ends)
    return {"data": data, "layout": {"xaxis": x_axis, "yaxis": y_axis}}
