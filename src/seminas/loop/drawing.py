"""Drawings of architectures, and figures as files."""

import io
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from seminas.spaces.base import SearchSpace
from seminas.storage.files import write_file


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
    center = {
        v: (float(d), 0.9 * ((len(column) - 1) / 2 - i))
        for d, column in columns.items()
        for i, v in enumerate(column)
    }
    kinds = sorted(set(names))
    boxes = []
    for v in vertices:
        text = axes.text(
            *center[v],
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
                over = depth[v] - depth[u] > 1 and center[u][1] == center[v][1]
                style = {
                    "arrowstyle": "-|>",
                    "color": "0.4",
                    "patchA": boxes[u],
                    "patchB": boxes[v],
                    "shrinkB": 1,
                    "connectionstyle": f"arc3,rad={-0.35 if over else 0}",
                }
                axes.annotate("", xy=center[v], xytext=center[u], arrowprops=style, zorder=1)
    height = max(abs(y) for _, y in center.values())
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
