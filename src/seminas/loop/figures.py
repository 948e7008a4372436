"""Draw the figures of a search: its curve, its best architecture, and predicted against measured values."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from seminas.loop.drawing import draw_architecture, save_figure
from seminas.loop.scales import best_so_far, free_corner, range_without_worst, widened
from seminas.runs.archive import Archive
from seminas.runs.metric import ACCURACY, Metric
from seminas.runs.records import Record
from seminas.spaces.base import SearchSpace

CURVE_FILE, BEST_FILE, PREDICTIONS_FILE = "search_curve.png", "best_architecture.png", "predictions.png"
FIGURES = (CURVE_FILE, BEST_FILE, PREDICTIONS_FILE)
MOST_PANELS, MOST_POINTS = 5, 2_000
"""Maximum number of rounds in the figure of predictions, and approximate maximum number of points in each round."""


def write_figures(folder: Path, space: SearchSpace, archive: Archive) -> None:
    """Write the figures of a search into its run folder as PNG files.

    Raises:
        UserError: A file cannot be written.
    """
    metric = archive.metric
    save_figure(search_curve(archive.records, metric), folder / CURVE_FILE)
    if any(record.prediction is not None for record in archive.records):
        predicted = predictions([archive.records], metric)
        if predicted is not None:
            save_figure(predicted, folder / PREDICTIONS_FILE)
    if archive.choice is not None:
        best, value = archive.choice
        drawing = draw_architecture(space, space.from_json(best.architecture))
        drawing.suptitle(f"{metric.title} {metric.text(value)}")
        save_figure(drawing, folder / BEST_FILE)


def search_curve(records: list[Record], metric: Metric = ACCURACY) -> Figure:
    """Return a figure of the values of all evaluations, colored by round, and of the best value so far."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    by_round = defaultdict(list)
    for record in records:
        if record.final is not None:
            by_round[record.round].append((record.index + 1, record.final))
    few = len(by_round) <= 10
    for number, points in sorted(by_round.items()):
        label = "random" if number == 0 else f"round {number}" if few else "later" if number == 1 else None
        index, values = np.array(points).T
        color = f"C{number if few else min(number, 1)}"
        axes.scatter(index, values, s=14, alpha=0.8, label=label, color=color)
    done = [(index, value) for points in by_round.values() for index, value in points]
    if done:
        index, values = np.array(sorted(done)).T
        best = best_so_far(metric, values)
        axes.step(index, best, where="post", color="black", label="best so far")
        # Very bad values would compress the rest of the figure.
        low, high = range_without_worst(metric, values, 0.05)
        least = 1e-3 if metric.is_fraction else 1e-6 * max(abs(high), 1.0)
        margin = max(least, 0.1 * (high - low))
        axes.set_ylim(low - margin, high + margin)
    hours = np.cumsum([record.cost_s for record in records]) / 3600
    if len(hours) > 1 and (np.diff(hours, prepend=0) > 0).all():
        evaluations = np.arange(1.0, len(hours) + 1)
        functions = (_along(evaluations, hours), _along(hours, evaluations))
        above = axes.secondary_xaxis("top", functions=functions)
        above.set_xlabel("hours of training")
    axes.set_xlabel("evaluations")
    axes.set_ylabel(metric.labeled(metric.title))
    axes.grid(alpha=0.3)
    axes.legend(loc=free_corner(metric), fontsize="small")
    return figure


def _along(x: NDArray[Any], y: NDArray[Any]) -> Callable[[Any], Any]:
    """Return the piecewise linear function through points whose x and y both increase.

    Beyond the points the function continues as a straight line, so that the axis can invert it.
    """
    before, after = (y[1] - y[0]) / (x[1] - x[0]), (y[-1] - y[0]) / (x[-1] - x[0])

    def line(at: Any) -> Any:
        inside = np.interp(at, x, y)
        return inside + before * np.minimum(at - x[0], 0) + after * np.maximum(at - x[-1], 0)

    return line


def predictions(runs: Sequence[Sequence[Record]], metric: Metric = ACCURACY) -> Figure | None:
    """Return a figure of predicted against measured values, with one panel for each round.

    Args:
        runs: Records of one or several searches. Each panel states Kendall's τ, averaged over the searches.
        metric: Metric of the values.

    Returns:
        The figure, or None if there is no prediction.
    """
    from scipy.stats import kendalltau  # SciPy is slow to import, and many searches make no predictions.

    rounds: dict[int, list[list[tuple[float, float]]]] = {}
    for records in runs:
        of_run: dict[int, list[tuple[float, float]]] = {}
        for r in records:
            if r.prediction is not None and r.full is not None:
                of_run.setdefault(r.round, []).append((r.prediction, r.full))
        for number, pairs in of_run.items():
            rounds.setdefault(number, []).append(pairs)
    if not rounds:
        return None
    numbers = sorted(rounds)
    shown = [numbers[i] for i in np.unique(np.linspace(0, len(numbers) - 1, MOST_PANELS).round().astype(int))]
    figure = Figure(figsize=(2.6 * len(shown) + 0.6, 3), layout="constrained")
    for axes, number in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        parts = [np.array(pairs) for pairs in rounds[number]]
        points = np.concatenate(parts)
        points = points[:: max(1, len(points) // MOST_POINTS)]
        axes.scatter(points[:, 0], points[:, 1], s=8, alpha=0.4, rasterized=True)
        low, high = range_without_worst(metric, points, 0.02)
        axes.plot([low, high], [low, high], color="0.5", linewidth=1)
        ends = widened(metric, low, high, 0.05, 1e-4)
        axes.set(xlim=ends, ylim=ends)
        taus = [kendalltau(p[:, 0], p[:, 1]).statistic for p in parts if len(p) > 2]
        tau = np.nanmean(taus) if len(taus) and not np.isnan(taus).all() else None
        axes.set_title(f"round {number}" + ("" if tau is None else f", τ {tau:.2f}"), fontsize="medium")
        axes.set_xlabel("predicted")
    figure.axes[0].set_ylabel(metric.labeled(metric.title))
    return figure
