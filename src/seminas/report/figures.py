"""Figures of one search: its curve and its best architecture."""

import io
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from seminas.archive import Archive, Record
from seminas.files import write_file
from seminas.spaces.base import SearchSpace

CURVE_FILE, BEST_FILE, PREDICTIONS_FILE = "search_curve.png", "best_architecture.png", "predictions.png"


def write_figures(folder: Path, space: SearchSpace[Any], archive: Archive) -> None:
    """Write the search curve, a drawing of the best architecture and what was predicted (PNG) into a run folder."""
    save_figure(search_curve(archive.records), folder / CURVE_FILE)
    if any(record.prediction is not None for record in archive.records):
        from seminas.report.plots import predictions  # With SciPy, which most searches do without.

        predicted = predictions([archive.records])
        if predicted is not None:
            save_figure(predicted, folder / PREDICTIONS_FILE)
    if archive.best is not None:
        drawing = draw_architecture(space, space.from_json(archive.best.architecture))
        drawing.suptitle(f"validation accuracy {archive.best.val_accuracy:.4f}")
        save_figure(drawing, folder / BEST_FILE)


def search_curve(records: list[Record]) -> Figure:
    """Draw every evaluation, by round, and the best so far."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    by_round = defaultdict(list)
    for record in records:
        if record.val_accuracy is not None:
            by_round[record.round].append((record.index + 1, record.val_accuracy))
    few = len(by_round) <= 10
    for number, points in sorted(by_round.items()):
        label = "random" if number == 0 else f"round {number}" if few else "later" if number == 1 else None
        index, values = np.array(points).T
        color = f"C{number if few else min(number, 1)}"
        axes.scatter(index, values, s=14, alpha=0.8, label=label, color=color)
    done = [(index, value) for points in by_round.values() for index, value in points]
    if done:
        index, values = np.array(sorted(done)).T
        axes.step(index, np.maximum.accumulate(values), where="post", color="black", label="best so far")
        # Early failures of training would squeeze everything else together.
        bottom = np.quantile(values, 0.05)
        margin = max(1e-3, 0.1 * (values.max() - bottom))
        axes.set_ylim(bottom - margin, values.max() + margin)
    hours = np.cumsum([record.cost_s for record in records]) / 3600
    if len(hours) > 1 and (np.diff(hours, prepend=0) > 0).all():
        evaluations = np.arange(1.0, len(hours) + 1)
        functions = (_along(evaluations, hours), _along(hours, evaluations))
        above = axes.secondary_xaxis("top", functions=functions)
        above.set_xlabel("hours of training")
    axes.set_xlabel("evaluations")
    axes.set_ylabel("validation accuracy")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize="small")
    return figure


def _along(x: NDArray[Any], y: NDArray[Any]) -> Callable[[Any], Any]:
    """The line through points, ascending in both, and straight on beyond them."""
    before, after = (y[1] - y[0]) / (x[1] - x[0]), (y[-1] - y[0]) / (x[-1] - x[0])

    def line(at: Any) -> Any:
        inside = np.interp(at, x, y)
        return inside + before * np.minimum(at - x[0], 0) + after * np.maximum(at - x[-1], 0)

    return line


def draw_architecture(space: SearchSpace[Any], architecture: Any) -> Figure:
    """Draw an architecture's graph from input to output."""
    adjacency, labels = space.graphs([architecture])
    present = np.flatnonzero(labels[0])
    figure = Figure(figsize=(1.6 + 1.5 * len(present), 3.2), layout="constrained")
    _draw_graph(
        figure.add_subplot(), adjacency[0][np.ix_(present, present)], space.vertex_names(architecture)
    )
    return figure


def _draw_graph(axes: Axes, adjacency: np.ndarray, names: list[str]) -> None:
    """Vertices from left to right by their longest path from the input, edges past others as arcs."""
    vertices = range(len(adjacency))
    depth = [0] * len(adjacency)
    for v in vertices:
        depth[v] = max((depth[u] + 1 for u in range(v) if adjacency[u, v]), default=0)
    columns = defaultdict(list)
    for v in vertices:
        columns[depth[v]].append(v)
    place = {
        v: (float(d), 0.9 * ((len(column) - 1) / 2 - i))
        for d, column in columns.items()
        for i, v in enumerate(column)
    }
    kinds = sorted(set(names))
    boxes = []
    for v in vertices:
        text = axes.text(
            *place[v],
            names[v],
            ha="center",
            va="center",
            fontsize=9,
            bbox={"boxstyle": "round,pad=0.4", "facecolor": _pale(kinds.index(names[v])), "edgecolor": "0.4"},
        )
        boxes.append(text.get_bbox_patch())
    for u in vertices:
        for v in vertices:
            if adjacency[u, v]:
                over = depth[v] - depth[u] > 1 and place[u][1] == place[v][1]
                style = {
                    "arrowstyle": "-|>",
                    "color": "0.4",
                    "patchA": boxes[u],
                    "patchB": boxes[v],
                    "shrinkB": 1,
                    "connectionstyle": f"arc3,rad={-0.35 if over else 0}",
                }
                axes.annotate("", xy=place[v], xytext=place[u], arrowprops=style, zorder=1)
    height = max(abs(y) for _, y in place.values())
    axes.set_xlim(-0.4, max(depth) + 0.4)
    axes.set_ylim(-height - 0.4, height + 1.1)
    axes.axis("off")


def _pale(number: int) -> tuple[float, ...]:
    """A colour of the cycle, mixed with white, that hides the edges behind a vertex."""
    return tuple(1 - 0.4 * (1 - channel) for channel in to_rgb(f"C{number % 10}"))


def save_figure(figure: Figure, path: Path) -> bytes:
    """Write a figure, whole or not at all, in the format of the file's name; returns what was written.

    Raises:
        UserError: It cannot be written.
    """
    image = io.BytesIO()
    metadata = {"Date": None} if path.suffix == ".svg" else {}  # The same figure gives the same bytes.
    figure.savefig(image, format=path.suffix[1:], dpi=130, metadata=metadata)
    write_file(path, image.getvalue())
    return image.getvalue()
