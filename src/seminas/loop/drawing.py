"""Draw architectures, and write figures to files."""

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


def draw_architecture(space: SearchSpace, architecture: Any) -> Figure:
    """Return a drawing of an architecture's graph, with the input on the left and the output on the right."""
    adjacency, labels = space.graphs([architecture])
    present = np.flatnonzero(labels[0])
    figure = Figure(figsize=(1.6 + 1.5 * len(present), 3.2), layout="constrained")
    _draw_graph(
        figure.add_subplot(), adjacency[0][np.ix_(present, present)], space.vertex_names(architecture)
    )
    return figure


def _draw_graph(axes: Axes, adjacency: np.ndarray, names: list[str]) -> None:
    """Draw a graph on axes.

    A vertex's column is the length of the longest path from the input to it. An edge is drawn as an arc if a straight
    line could cross another vertex.

    Args:
        axes: Axes to draw on.
        adjacency: Adjacency matrix ``[V, V]``, upper triangular.
        names: Labels of the vertices.
    """
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
    """Return a color of Matplotlib's cycle, mixed with white. It is opaque, so it hides the edges behind a vertex."""
    return tuple(1 - 0.4 * (1 - channel) for channel in to_rgb(f"C{number % 10}"))


def save_figure(figure: Figure, path: Path) -> bytes:
    """Write a figure to a file, and return the bytes of the file. A failed write leaves no partial file.

    Args:
        figure: Figure to write.
        path: File. Its suffix sets the format, such as ``.png`` or ``.svg``.

    Raises:
        UserError: The file cannot be written.
    """
    image = io.BytesIO()
    metadata = {"Date": None} if path.suffix == ".svg" else {}  # The same figure gives the same bytes.
    figure.savefig(image, format=path.suffix[1:], dpi=130, metadata=metadata)
    write_file(path, image.getvalue())
    return image.getvalue()
