"""Test the statistics of graphs."""

import numpy as np

from seminas.spaces.nasbench101 import NASBench101
from seminas.spaces.nasbench201.space import NASBench201
from seminas.spaces.statistics import graph_statistics


def test_statistics_of_a_cell_by_hand(space: NASBench101) -> None:
    matrix = np.zeros((5, 5), dtype=int)
    for u, v in ((0, 1), (1, 2), (2, 4), (0, 3), (3, 4), (0, 4)):
        matrix[u, v] = 1
    cell = space.from_matrix(matrix, ["conv3x3-bn-relu", "conv3x3-bn-relu", "maxpool3x3"])
    (statistics,) = graph_statistics(*space.graphs([cell]), space.num_labels)
    assert len(statistics) == 9 + 2 * 5
    expected = [5, 6, 3, 1, np.log(4), 0, 1, 3, 3]
    np.testing.assert_allclose(statistics[:9], expected, rtol=1e-6)
    # For output, input, conv3x3, conv1x1 and maxpool: the number of vertices, and the largest number on one path.
    assert statistics[9:].tolist() == [1, 1, 2, 0, 1, 1, 1, 2, 0, 1]


def test_a_cell_through_which_nothing_passes() -> None:
    space = NASBench201()
    cell = space.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    (statistics,) = graph_statistics(*space.graphs([cell]), space.num_labels)
    assert np.isfinite(statistics).all()
    assert statistics[:9].tolist() == [2, 0, 0, 0, 0, 1, 0, 0, 0]


def test_the_order_of_the_vertices_does_not_matter(space: NASBench101) -> None:
    rng = np.random.default_rng(0)
    cells = [cell for cell in space.sample(200, rng) if cell.num_vertices == 7]
    adjacency, labels = space.graphs(cells)
    before = graph_statistics(adjacency, labels, space.num_labels)
    changed = 0
    for matrix, names, expected in zip(adjacency, labels, before, strict=True):
        for v in range(1, 5):
            if not matrix[v, v + 1]:  # Two neighbors in the order can be swapped if no edge connects them.
                order = np.arange(7)
                order[[v, v + 1]] = v + 1, v
                swapped = matrix[np.ix_(order, order)]
                statistics = graph_statistics(swapped[None], names[None, order], space.num_labels)[0]
                np.testing.assert_allclose(statistics, expected)
                changed += 1
    assert changed > 50
