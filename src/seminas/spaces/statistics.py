"""Statistics of an architecture's whole graph. Message passing learns them slowly."""

import numpy as np
from numpy.typing import NDArray


def graph_statistics(
    adjacency: NDArray[np.uint8], labels: NDArray[np.int64], num_labels: int
) -> NDArray[np.float32]:
    """Return statistics of graphs, ``[n, F]`` with F = 9 + 2 (``num_labels`` - 1).

    Each edge leads to a later vertex. The first vertex is the input. The last vertex without padding is the output. A
    path leads from the input to the output. The statistics are, in this order:

    - number of vertices,
    - number of edges,
    - number of edges on the longest path (0 without a path),
    - number of edges on the shortest path (0 without a path),
    - logarithm of 1 plus the number of paths,
    - whether no path exists,
    - whether an edge leads from the input to the output,
    - number of edges from the input,
    - number of edges to the output,
    - number of vertices with each label (``num_labels`` - 1 values),
    - largest number of vertices with each label on a path (``num_labels`` - 1 values, 0 without a path).

    The statistics do not depend on the numbering of the vertices between input and output.

    Args:
        adjacency: Adjacency matrices, ``[n, V, V]``. Edges lead from the row's vertex to the column's vertex.
        labels: Labels of the vertices, ``[n, V]``. 0 is padding.
        num_labels: Number of labels, padding included.
    """
    n, num_vertices = labels.shape
    present = labels != 0
    kinds = labels[:, :, None] == np.arange(1, num_labels)
    # For each vertex, over all paths from the input: longest length, shortest length, number of paths, and largest
    # number of vertices with each label.
    longest = np.full((n, num_vertices), -np.inf)
    shortest = np.full((n, num_vertices), np.inf)
    paths = np.zeros((n, num_vertices))
    most = np.full((n, num_vertices, num_labels - 1), -np.inf)
    longest[:, 0] = shortest[:, 0] = 0
    paths[:, 0], most[:, 0] = 1, kinds[:, 0]
    for v in range(1, num_vertices):
        edge = adjacency[:, :v, v] != 0
        longest[:, v] = np.where(edge, longest[:, :v] + 1, -np.inf).max(axis=1)
        shortest[:, v] = np.where(edge, shortest[:, :v] + 1, np.inf).min(axis=1)
        paths[:, v] = (edge * paths[:, :v]).sum(axis=1)
        most[:, v] = np.where(edge[..., None], most[:, :v], -np.inf).max(axis=1) + kinds[:, v]
    row, output = np.arange(n), num_vertices - 1 - present[:, ::-1].argmax(axis=1)
    cut = paths[row, output] == 0
    shape = [
        present.sum(axis=1),
        adjacency.sum(axis=(1, 2), dtype=np.int64),
        np.where(cut, 0, longest[row, output]),
        np.where(cut, 0, shortest[row, output]),
        np.log1p(paths[row, output]),
        cut,
        adjacency[row, 0, output],
        adjacency[:, 0].sum(axis=1, dtype=np.int64),
        adjacency[row, :, output].sum(axis=1, dtype=np.int64),
    ]
    most = np.where(cut[:, None], 0, most[row, output])
    return np.concatenate([np.stack(shape, axis=1), kinds.sum(axis=1), most], axis=1).astype(np.float32)
