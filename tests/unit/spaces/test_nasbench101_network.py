import csv
import gzip

import numpy as np
import pytest
import torch
from nasbench_pytorch.model import Network
from torch import nn

from seminas.spaces.nasbench101.network import CellSpec, build_network

# The example of the benchmark's README, with 2,694,282 parameters.
MATRIX = np.array(
    [
        [0, 1, 1, 1, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 0],
    ]
)
C3, C1, MP = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"
OPERATIONS = ["input", C1, C3, C3, C3, MP, "output"]


def num_parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_the_readme_cell_has_the_published_number_of_parameters():
    assert num_parameters(build_network(MATRIX, OPERATIONS)) == 2_694_282


def test_every_parameter_gets_a_gradient():
    network = build_network(MATRIX, OPERATIONS, stem_channels=16, num_stacks=2, cells_per_stack=1)
    network(torch.randn(4, 3, 8, 8)).sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("momentum", [0.003, 0.1])
def test_batch_norm_momentum_reaches_every_layer(momentum):
    network = build_network(MATRIX, OPERATIONS, stem_channels=16, batch_norm_momentum=momentum)
    momenta = [m.momentum for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(momenta) > 9 * 5
    assert set(momenta) == {momentum}


def test_an_invalid_cell_is_invalid_rather_than_an_error():
    spec = CellSpec(np.zeros((3, 3), dtype=int), ["input", C1, "output"])
    assert not spec.valid_spec
    with pytest.raises(ValueError, match="no path"):
        build_network(np.zeros((3, 3), dtype=int), ["input", C1, "output"])


def test_hash_spec_is_the_key_of_the_pruned_cell(space):
    assert CellSpec(MATRIX, OPERATIONS).hash_spec() == space.key(space.from_matrix(MATRIX, OPERATIONS[1:-1]))


def test_parameters_agree_with_the_benchmark_where_channels_divide_evenly(nasbench101_sample, monkeypatch):
    # The test needs only the number of weights, and their initialization is slow.
    monkeypatch.setattr(nn.Conv2d, "reset_parameters", lambda convolution: None)
    monkeypatch.setattr(Network, "_initialize_weights", lambda network: None)
    with gzip.open(nasbench101_sample, "rt") as file:
        rows = list(csv.DictReader(file))[::100]
    compared = 0
    for row in rows:
        operations = row["ops"].split("|") if row["ops"] else []
        v = len(operations) + 2
        matrix = np.zeros((v, v), dtype=np.int64)
        matrix[np.triu_indices(v, k=1)] = [int(bit) for bit in row["adjacency"]]
        if 128 % max(1, matrix[1:, -1].sum()):
            continue
        network = build_network(matrix, ["input", *operations, "output"])
        assert num_parameters(network) == int(row["trainable_parameters"])
        compared += 1
    assert compared > 60
