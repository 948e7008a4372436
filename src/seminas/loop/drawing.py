"""Draw architectures, and write figures to files."""

import io
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from seminas.spaces.base import SearchSpace
from seminas.storage.files import write_file


@dataclass(frozen=True)
class Graph:
    """The graph of an architecture as it is drawn.

    A vertex's column is the length of the longest path from the input to it.

    Attributes:
        names: Labels of the V vertices.
        edges: Pairs of vertices. The first vertex is the earlier one.
        columns: Horizontal position of each vertex, ``[V]``.
        heights: Vertical position of each vertex, ``[V]``.
    """

    names: list[str]
    edges: list[tuple[int, int]]
    columns: list[int]
    heights: list[float]

    @classmethod
    def of(cls, space: SearchSpace, architecture: Any) -> "Graph":
        """Return the graph of an architecture of a space."""
        padded, labels = space.graphs([architecture])
        present = np.flatnonzero(labels[0])
        adjacency = padded[0][np.ix_(present, present)]
        edges = [(int(u), int(v)) for u, v in np.argwhere(adjacency)]
        depth = [0] * len(present)
        for v in range(len(present)):
            depth[v] = max((depth[u] + 1 for u, w in edges if w == v), default=0)
        columns = defaultdict(list)
        for v, column in enumerate(depth):
            columns[column].append(v)
        heights = [0.0] * len(present)
        for vertices in columns.values():
            for i, v in enumerate(vertices):
                heights[v] = 0.9 * ((len(vertices) - 1) / 2 - i)
        return cls(space.vertex_names(architecture), edges, depth, heights)

    def is_arc(self, u: int, v: int) -> bool:
        """Return whether an edge is drawn as an arc, because a straight line could cross another vertex."""
        return self.columns[v] - self.columns[u] > 1 and self.heights[u] == self.heights[v]


def draw_architecture(space: SearchSpace, architecture: Any) -> Figure:
    """Return a drawing of an architecture's graph, with the input on the left and the output on the right."""
    graph = Graph.of(space, architecture)
    figure = Figure(figsize=(1.6 + 1.5 * len(graph.names), 3.2), layout="constrained")
    _draw_graph(figure.add_subplot(), graph)
    return figure


def _draw_graph(axes: Axes, graph: Graph) -> None:
    kinds = sorted(set(graph.names))
    centers = list(zip(map(float, graph.columns), graph.heights, strict=True))
    boxes = []
    for name, center in zip(graph.names, centers, strict=True):
        text = axes.text(
            *center,
            name,
            ha="center",
            va="center",
            fontsize=9,
            bbox={"boxstyle": "round,pad=0.4", "facecolor": _pale(kinds.index(name)), "edgecolor": "0.4"},
        )
        boxes.append(text.get_bbox_patch())
    for u, v in graph.edges:
        style = {
            "arrowstyle": "-|>",
            "color": "0.4",
            "patchA": boxes[u],
            "patchB": boxes[v],
            "shrinkB": 1,
            "connectionstyle": f"arc3,rad={-0.35 if graph.is_arc(u, v) else 0}",
        }
        axes.annotate("", xy=centers[v], xytext=centers[u], arrowprops=style, zorder=1)
    height = max(map(abs, graph.heights))
    axes.set_xlim(-0.4, max(graph.columns) + 0.4)
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
