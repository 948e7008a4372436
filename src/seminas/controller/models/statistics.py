"""A few numbers on an architecture's graph as a whole, which message passing over few vertices learns slowly."""

import numpy as np
from numpy.typing import NDArray


def graph_statistics(
    adjacency: NDArray[np.uint8], labels: NDArray[np.int64], num_labels: int
) -> NDArray[np.float32]:
    """Return statistics of graphs whose edges lead to later vertices, ``[n, F]``, F = 9 + 2 (``num_labels`` - 1).

    Vertices and edges; edges on the longest and on the shortest path from the input (the first vertex) to the output
    (the last vertex that is no padding); the logarithm of 1 plus the number of such paths, whether there is none, and
    whether an edge is one; edges out of the input and into the output; for each label, how many vertices have it,
    and how many on the path with the most. Vertices that are numbered otherwise give the same.

    Args:
        adjacency: Edge from row to column, ``[n, V, V]``.
        labels: 0 is padding, ``[n, V]``.
        num_labels: Labels there are, padding among them.
    """
    n, num_vertices = labels.shape
    present = labels != 0
    kinds = labels[:, :, None] == np.arange(1, num_labels)
    # Per vertex and path length or label count: the longest, the shortest and the number of paths from the input.
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
