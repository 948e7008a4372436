"""Draw the figures of a study: curves with error bands, ablations, and the evaluated architectures."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from seminas.loop.scales import free_corner, range_without_worst
from seminas.report.curves import MOST_LINES, Ablation, Panel
from seminas.report.runs import Setting
from seminas.runs.records import Record
from seminas.spaces.base import SearchSpace

MOST_POINTS = 2_000


def lines(panels: Sequence[Panel]) -> Figure:
    """Return a figure of curves, with an axis for each panel. A band is the standard error."""
    figure = Figure(figsize=(11 if len(panels) > 1 else 6.5, 4.4), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, panel in zip(grid, panels, strict=True):
        for i, curve in enumerate(panel.curves):
            axes.plot(curve.x, curve.mean, label=curve.label, **style(i))
            low, high = curve.mean - curve.error, curve.mean + curve.error
            axes.fill_between(curve.x, low, high, color=f"C{i % 10}", alpha=0.15, linewidth=0)
        axes.set_ylim(*panel.ends)
        axes.set(xlabel=panel.x_title, ylabel=panel.y_title)
        axes.grid(alpha=0.3)
    grid[0].legend(fontsize="small", loc=free_corner(panels[0].metric))
    return figure


def style(i: int) -> dict[str, Any]:
    """Return the style of the line with number ``i``."""
    return {"color": f"C{i % 10}", "linestyle": "-" if i < 10 else "--"}


def ablation(shown: Ablation) -> Figure:
    """Return a figure of the final value against the values of a swept key. A bar is the standard error."""
    figure = Figure(figsize=(6.5, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for i, curve in enumerate(shown.curves):
        bars: dict[str, Any] = {"marker": "o", "markersize": 4, "capsize": 3}
        axes.errorbar(curve.x, curve.mean, curve.error, label=curve.label, **bars, **style(i))
    axes.set(xlabel=shown.key, ylabel=shown.y_title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def origins(settings: Sequence[Setting]) -> Figure | None:
    """Return a figure of the parts of the strategies from which evaluations and improvements of the best came.

    A bar is the mean number per run of a setting. Return None if no run names origins.
    """
    settings = [s for s in settings if any(r.origin for run in s.runs.values() for r in run.records)]
    settings = settings[:MOST_LINES]
    if not settings:
        return None
    counts: list[dict[str, NDArray[np.float64]]] = []
    for setting in settings:
        of_setting: dict[str, NDArray[np.float64]] = {}
        for run in setting.runs.values():
            best = np.nan_to_num(run.metric.sign * run.best_val, nan=-np.inf)
            improves = best > np.concatenate([[-np.inf], best[:-1]])
            for record, improved in zip(run.records, improves, strict=True):
                number = of_setting.setdefault(record.origin or "other", np.zeros(2))
                number += (1, improved)
        counts.append({name: number / len(setting.runs) for name, number in of_setting.items()})
    names = sorted({name for of_setting in counts for name in of_setting})
    figure = Figure(figsize=(11, 1.6 + 0.4 * len(settings)), layout="constrained")
    panels = ("evaluations per run", "improvements of the best so far, per run")
    labels = [setting.label for setting in settings]
    for column, (ax, title) in enumerate(zip(figure.subplots(1, 2, sharey=True), panels, strict=True)):
        left = np.zeros(len(settings))
        for i, name in enumerate(names):
            width = np.array([of_setting.get(name, np.zeros(2))[column] for of_setting in counts])
            ax.barh(labels, width, left=left, color=f"C{i % 10}", label=name)
            left += width
        ax.set(xlabel=title)
        ax.grid(axis="x", alpha=0.3)
    ax.invert_yaxis()
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=8, fontsize="small")
    return figure


def evaluated(space: SearchSpace, settings: Sequence[Setting]) -> Figure:
    """Return a figure of the evaluated architectures, with a panel for each strategy.

    The axes are the first two principal components of the architectures' features. The color is the value of the
    metric. At most ``MOST_POINTS`` architectures are drawn.
    """
    strategies: dict[str, dict[str, Record]] = {}
    for setting in settings:
        latest = strategies.setdefault(setting.strategy, {})
        for run in setting.runs.values():
            latest |= {r.key: r for r in run.records if r.full is not None and r.key not in latest}
    record_of_key = {key: record for records in strategies.values() for key, record in records.items()}
    rng = np.random.default_rng(0)
    keys = sorted(record_of_key)
    keys = [keys[i] for i in np.sort(rng.permutation(len(keys))[:MOST_POINTS])]
    features = space.features([space.from_json(record_of_key[key].architecture) for key in keys])
    position = dict(zip(keys, _principal_components(features), strict=True))
    metric = settings[0].metric
    values = np.array([record_of_key[key].value for key in keys], dtype=np.float64)
    low, high = range_without_worst(metric, values, 0.1)
    columns = min(4, len(strategies))
    lines = -(-len(strategies) // columns)
    figure = Figure(figsize=(3.2 * columns + 0.8, 2.9 * lines + 0.4), layout="constrained")
    grid = list(figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).flat)
    all_points = np.array(list(position.values()))
    for axes, (name, records) in zip(grid, strategies.items(), strict=False):
        axes.scatter(*all_points.T, s=3, color="0.9", rasterized=True)
        drawn_keys = [key for key in keys if key in records]
        points = np.array([position[key] for key in drawn_keys]).reshape(-1, 2)
        colors = [records[key].value for key in drawn_keys]
        points_drawn = axes.scatter(*points.T, c=colors, s=6, vmin=low, vmax=high, rasterized=True)
        axes.set_title(name, fontsize="medium")
        axes.set(xticks=[], yticks=[])
    for axes in grid[len(strategies) :]:
        axes.axis("off")
    extend = "min" if metric.sign > 0 else "max"
    figure.colorbar(points_drawn, ax=grid, label=metric.labeled(metric.title), extend=extend)
    return figure


def _principal_components(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the first two principal components, ``[n, 2]``, of features ``[n, d]``. A missing component is zero."""
    centered = features - features.mean(axis=0)
    left, scale, _ = np.linalg.svd(centered, full_matrices=False)
    components = (left * scale)[:, :2]
    return np.pad(components, ((0, 0), (0, 2 - components.shape[1]))).astype(np.float64)
