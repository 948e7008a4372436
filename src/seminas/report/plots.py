"""Draw the figures of a study: curves with error bands, ablations, and the evaluated architectures."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from seminas.loop.scales import free_corner, range_without_worst, widened
from seminas.report.runs import Setting
from seminas.report.statistics import final_value, stacked, standard_error
from seminas.runs.metric import Metric
from seminas.runs.records import Record
from seminas.spaces.base import SearchSpace

MOST_LINES, MOST_POINTS, MOST_TIMES = 16, 2_000, 200


def curves(settings: Sequence[Setting]) -> Figure:
    """Return a figure of the best value so far against the number of evaluations.

    A line is the mean over the seeds of a setting. Its band is the standard error. The test value has a panel of its
    own if it is known for all runs.
    """
    tests = all(run.best_test is not None for s in settings for run in s.runs.values())
    figure = Figure(figsize=(11 if tests else 6.5, 4.4), layout="constrained")
    axes = figure.subplots(1, 2 if tests else 1, squeeze=False)[0]
    metric = settings[0].metric
    titles = {"validation": metric.title, "test": metric.test_title}
    for ax, (split, title) in zip(axes, titles.items(), strict=False):
        firsts, lasts = [], []
        for i, setting in enumerate(settings[:MOST_LINES]):
            mean, error = _band(setting, split)
            x = np.arange(1, len(mean) + 1)
            ax.plot(x, mean, label=setting.label, **_style(i))
            ax.fill_between(x, mean - error, mean + error, color=f"C{i % 10}", alpha=0.15, linewidth=0)
            # The bad values of the first evaluations would compress the rest of the figure.
            firsts.append(mean[len(mean) // 5])
            lasts.append((mean + metric.sign * error)[-1])
        ax.set_ylim(*_limits(firsts, lasts, metric))
        ax.set(xlabel="evaluations", ylabel=metric.labeled(f"{title} of the best so far"))
        ax.grid(alpha=0.3)
    axes[0].legend(fontsize="small", loc=free_corner(metric))
    return figure


def curves_over_time(settings: Sequence[Setting]) -> Figure | None:
    """Return a figure of the best value so far against the time since the start of the search.

    A line is the mean over the seeds of a setting, from the time at which all of them have a value to the end of
    the longest. Its band is the standard error. Return None if all searches had one worker, or if the times are not
    known.
    """
    runs = [run for setting in settings for run in setting.runs.values()]
    if all(run.result.num_workers == 1 for run in runs) or any(run.times_s[-1:].sum() <= 0 for run in runs):
        return None
    figure = Figure(figsize=(6.5, 4.4), layout="constrained")
    axes = figure.add_subplot()
    firsts, lasts, metric = [], [], settings[0].metric
    for i, setting in enumerate(settings[:MOST_LINES]):
        lines = [(np.maximum.accumulate(run.times_s), run.best_val) for run in setting.runs.values()]
        first, last = max(times[0] for times, _ in lines), max(times[-1] for times, _ in lines)
        times = np.linspace(first, last, MOST_TIMES)
        best = np.array([best[np.searchsorted(ends, times, side="right") - 1] for ends, best in lines])
        mean, error = best.mean(axis=0), standard_error(best)
        axes.plot(times / 3600, mean, label=setting.label, **_style(i))
        axes.fill_between(
            times / 3600, mean - error, mean + error, color=f"C{i % 10}", alpha=0.15, linewidth=0
        )
        firsts.append(mean[len(mean) // 5])
        lasts.append((mean + metric.sign * error)[-1])
    axes.set_ylim(*_limits(firsts, lasts, metric))
    label = metric.labeled(f"{metric.title} of the best so far")
    axes.set(xlabel="hours since the start of the search", ylabel=label)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", loc=free_corner(metric))
    return figure


def _limits(firsts: Sequence[float], lasts: Sequence[float], metric: Metric) -> tuple[float, float]:
    """Return the lower and the upper end of the axis for curves, whose early and last values are given."""
    low, high = (min(firsts), max(lasts)) if metric.sign > 0 else (min(lasts), max(firsts))
    return widened(metric, low, high, 0.05, 1e-4)


def _band(setting: Setting, split: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lines = [run.best_val if split == "validation" else run.best_test for run in setting.runs.values()]
    values = stacked([line for line in lines if line is not None])
    return values.mean(axis=0), standard_error(values)


def _style(i: int) -> dict[str, Any]:
    return {"color": f"C{i % 10}", "linestyle": "-" if i < 10 else "--"}


def swept_keys(settings: Sequence[Setting]) -> list[str]:
    """Return the swept keys that have two or more numbers as values."""
    values: dict[str, set[float]] = {}
    for setting in settings:
        for key, value in setting.swept:
            if isinstance(value, int | float) and not isinstance(value, bool):
                values.setdefault(key, set()).add(value)
    return [key for key, numbers in values.items() if len(numbers) > 1]


def ablation(settings: Sequence[Setting], key: str) -> Figure:
    """Return a figure of the final value against the values of a swept key.

    Each combination of the other swept keys has its own line. A point is the mean over seeds, and its bar is the
    standard error.
    """
    lines: dict[str, list[tuple[float, float, float]]] = {}
    for setting in settings:
        value = dict(setting.swept).get(key)
        if value is None:
            continue
        rest = Setting(setting.strategy, tuple(kv for kv in setting.swept if kv[0] != key), {})
        final = final_value(setting)
        lines.setdefault(rest.label, []).append((value, final.mean(), float(standard_error(final))))
    figure = Figure(figsize=(6.5, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for i, (label, points) in enumerate(sorted(lines.items())[:MOST_LINES]):
        x, y, error = np.array(sorted(points)).T
        axes.errorbar(x, y, error, marker="o", markersize=4, capsize=3, label=label, **_style(i))
    known = not any(np.isnan(s.final("test_value")).any() for s in settings)
    metric = settings[0].metric
    title = metric.test_title if known else f"best {metric.title}"
    axes.set(xlabel=key, ylabel=metric.labeled(title))
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
            latest |= {r.key: r for r in run.records if r.value is not None and r.key not in latest}
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
