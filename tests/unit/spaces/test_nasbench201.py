import csv
import gzip

import numpy as np
import pytest
import torch

from seminas.spaces.cost import count_macs, count_parameters
from seminas.spaces.nasbench201.space import NASBench201
from support import DATA

CONV3 = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
NONE = CONV3.replace("nor_conv_3x3", "none")
FIRST = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"


@pytest.fixture(scope="module")
def cells() -> NASBench201:
    return NASBench201()


def test_counts_are_the_published_ones(cells: NASBench201) -> None:
    assert cells.size == 15_625 and cells.num_unique() == 6_466


def test_every_string_of_the_benchmark_is_read_and_written(cells: NASBench201) -> None:
    path = DATA / "nasbench201_cifar.csv.gz"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    with gzip.open(path, "rt") as file:
        strings = [row["arch"] for row in csv.DictReader(file)]
    read = [cells.parse(text) for text in strings]
    assert [cells.key(a) for a in read] == strings and len(set(read)) == 15_625
    assert cells.decode(cells.encode(read)) == read


# NATS-Bench publishes these MACs. They include the classifier's 10 bias additions, but our MACs do not.
@pytest.mark.parametrize(
    ("text", "parameters", "macs"),
    [(NONE, 73_306, 7_783_050), (CONV3, 1_531_546, 220_119_690), (FIRST, 129_306, 15_647_370)],
)
def test_networks_cost_what_is_published(cells: NASBench201, text: str, parameters: int, macs: int) -> None:
    network = cells.build_network(cells.parse(text), 10, 3)
    assert count_parameters(network) == parameters
    assert count_macs(network, (3, 32, 32)) == macs - 10
    assert count_parameters(cells.build_network(cells.parse(text), 100, 3)) == parameters + 90 * 65


def test_networks_train(cells: NASBench201) -> None:
    for cell in [cells.parse(NONE), *cells.sample(5, np.random.default_rng(0))]:
        network = cells.build_network(cell, 10, 1, channels=4, cells_per_stage=1)
        logits = network(torch.randn(3, 1, 8, 8))
        assert logits.shape == (3, 10)
        logits.sum().backward()


def test_the_graph_view_is_what_the_cell_computes(cells: NASBench201) -> None:
    adjacency, labels = cells.graphs([cells.parse(FIRST)])
    # The average pooling and both 1x1 convolutions read the input, and their outputs are summed. Skips are no vertices.
    assert labels.tolist() == [[1, 7, 5, 0, 5, 0, 0, 2]]
    assert np.argwhere(adjacency[0]).tolist() == [[0, 1], [0, 2], [0, 4], [1, 7], [2, 7], [4, 7]]


def test_cells_that_compute_the_same_have_one_graph(cells: NASBench201) -> None:
    same = [
        "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|",
        "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|",
        "|nor_conv_3x3~0|+|avg_pool_3x3~0|none~1|+|none~0|skip_connect~1|none~2|",
    ]
    adjacency, labels = cells.graphs([cells.parse(text) for text in same])
    assert (labels == [1, 5 + 1, 0, 0, 0, 0, 0, 2]).all()
    assert (adjacency == adjacency[0]).all() and adjacency[0].sum() == 2
    assert cells.vertex_names(cells.parse(same[2])) == ["input", "nor_conv_3x3\n0 → 1", "output"]
    adjacency, labels = cells.graphs([cells.parse(NONE)])
    assert labels.tolist() == [[1, 0, 0, 0, 0, 0, 0, 2]] and adjacency.sum() == 0


def test_the_graph_view_keeps_what_features_say_of_paths(cells: NASBench201) -> None:
    """Check that cells with the same graph have the same paths of operations from input to output."""
    every = cells.at(np.arange(0, cells.size, 7))
    adjacency, labels = cells.graphs(every)
    paths = cells.features(every)[:, 30:]
    of_graph: dict[bytes, np.ndarray] = {}
    for graph, label, row in zip(adjacency, labels, paths, strict=True):
        np.testing.assert_array_equal(of_graph.setdefault(graph.tobytes() + label.tobytes(), row), row)
    assert 0.4 * len(every) < len(of_graph) < len(every)


@pytest.mark.parametrize(
    "text", ["", FIRST[:-1], FIRST.replace("avg_pool_3x3", "max_pool_3x3"), "|none~1|+|none~0|"]
)
def test_what_is_no_cell_is_refused(cells: NASBench201, text: str) -> None:
    with pytest.raises(ValueError, match=r"no string of the form|must be one of"):
        cells.parse(text)


def test_features_hold_the_operations_and_the_paths_that_pass_on(cells: NASBench201) -> None:
    skips = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|"
    straight = "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
    features = cells.features([cells.parse(text) for text in (NONE, CONV3, skips, straight)])
    assert features.shape == (4, 30 + 40) and (features[:, :30].sum(axis=1) == 6).all()
    paths = features[:, 30:]
    assert paths[0].sum() == 0  # No path leads to the output.
    assert paths[1].sum() == 3  # The paths have one, two (twice) and three convolutions.
    assert paths[2].sum() == 1 and (paths[2] == paths[3]).all()  # The path has one convolution, at any edge.
