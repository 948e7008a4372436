"""Exact costs are those of the networks that the space builds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from seminas.config.evaluators import TableNetworkSettings, TableSettings
from seminas.config.spaces import MobileNetSettings
from seminas.errors import UserError
from seminas.evaluators.table import TableEvaluator
from seminas.spaces.base import EnumerableSpace
from seminas.spaces.cost import count_macs, count_parameters
from seminas.spaces.exact import NetworkShape, exact_costs
from seminas.spaces.mobilenet import MobileNet
from seminas.spaces.nasbench101 import NASBench101
from seminas.spaces.nasbench201 import NASBench201
from seminas.spaces.sequence import SequenceSpace
from seminas.spaces.subset import Subset

DIGITS101 = {"stem_channels": 16, "num_stacks": 2, "cells_per_stack": 1}


def counted(space: Any, architectures: Sequence[Any], shape: NetworkShape) -> list[tuple[int, int]]:
    """Return the MACs and the parameters of built networks."""
    networks = [
        space.build_network(a, shape.num_classes, shape.image[0], **shape.skeleton) for a in architectures
    ]
    return [(count_macs(n, shape.image), count_parameters(n)) for n in networks]


@pytest.mark.parametrize(
    ("space", "shape"),
    [
        (NASBench101(), NetworkShape((3, 32, 32), 10, {"stem_channels": 24})),
        (NASBench101(), NetworkShape((1, 9, 7), 10, DIGITS101)),
        (NASBench201(), NetworkShape((3, 16, 16), 120, {"cells_per_stage": 2})),
        (NASBench201(), NetworkShape((1, 8, 8), 10, {"channels": 8, "num_stages": 2, "cells_per_stage": 1})),
    ],
)
def test_costs_of_cells_are_those_of_built_networks(space: Any, shape: NetworkShape) -> None:
    cells = space.sample(15, np.random.default_rng(0))
    if isinstance(space, NASBench101):
        cells += space.at(np.arange(10))
    costs = exact_costs(space, shape)
    assert costs.names == ("macs", "parameters")
    assert costs(cells, costs.names).astype(int).tolist() == [list(c) for c in counted(space, cells, shape)]


def test_the_smallest_network_costs_what_the_benchmark_says() -> None:
    """NATS-Bench states 7.78304 million FLOPs and 0.073306 million parameters for the cell without operations."""
    space = NASBench201()
    costs = exact_costs(space)([space.at(np.array([0]))[0]], ("macs", "parameters"))
    assert costs.tolist() == [[7_783_040, 73_306]]


def test_a_chain_sums_its_costs() -> None:
    space = MobileNet(MobileNetSettings(image=[3, 40, 33], num_classes=7, factor=0.5))
    architectures = space.sample(3, np.random.default_rng(0))
    costs = exact_costs(space)(architectures, ("macs", "parameters"))
    expected = counted(space, architectures, NetworkShape(space.image, 7))
    assert costs.astype(int).tolist() == [list(c) for c in expected]


def test_thousands_of_cells_take_no_time() -> None:
    space = NASBench101()
    cells = space.sample(20_000, np.random.default_rng(0))
    costs = exact_costs(space)
    assert costs(cells, costs.names).shape == (20_000, 2)
    assert costs([], costs.names).shape == (0, 2)


def test_a_subset_has_the_costs_of_its_space() -> None:
    space = NASBench201()
    subset = Subset(space, np.arange(0, 15_625, 100))
    members = subset.at(np.arange(5))
    np.testing.assert_array_equal(
        exact_costs(subset)(members, ["macs"]), exact_costs(space)(members, ["macs"])
    )


class Widths(EnumerableSpace[int]):
    """A user's space that builds networks and states nothing."""

    name, num_tokens, max_length, size = "widths", 5, 1, 4
    image, num_classes = (1, 6, 6), 3

    def at(self, indices: np.ndarray) -> list[int]:
        return [int(i) for i in indices]

    def encode(self, architectures: Sequence[int]) -> np.ndarray:
        return np.array(architectures).reshape(-1, 1) + 1

    def build_network(self, architecture: int, num_classes: int, in_channels: int) -> nn.Module:
        width = architecture + 1
        return nn.Sequential(
            nn.Conv2d(in_channels, width, 3), nn.Flatten(), nn.Linear(16 * width, num_classes)
        )


def test_a_users_networks_are_built_on_the_meta_device() -> None:
    costs = exact_costs(Widths())([0, 3], ("parameters", "macs"))
    assert costs.tolist() == [[9 + 1 + 48 + 3, 16 * 9 + 48], [36 + 4 + 192 + 3, 16 * 36 + 192]]
    assert torch.get_default_device() == torch.device("cpu")


def test_each_network_is_built_once_for_all_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    space, built = Widths(), []
    build = Widths.build_network
    monkeypatch.setattr(
        Widths, "build_network", lambda self, a, *args: built.append(a) or build(self, a, *args)
    )
    costs = exact_costs(space)
    both = costs([0, 3, 0], ("parameters", "macs"))
    assert built == [0, 3] and (costs([3], ("macs",)) == both[1:2, 1:]).all() and built == [0, 3]
    listed = costs.uncached([1, 2], ("macs", "parameters"))
    assert built == [0, 3, 1, 2] and (costs([1, 2], ("macs",)) == listed[:, :1]).all()


def test_a_table_states_the_costs_of_its_own_networks() -> None:
    space = NASBench101()
    evaluator = TableEvaluator(space, 0, TableSettings(path="digits101"))
    cells = space.at(np.array([3, 500, 2000]))
    costs = evaluator.exact_costs(space)(cells, ("macs", "parameters")).astype(int).tolist()
    assert costs == [list(c) for c in counted(space, cells, NetworkShape((1, 8, 8), 10, DIGITS101))]
    assert [evaluator.num_parameters(cell) for cell in cells] == [c[1] for c in costs]


def test_a_cost_that_a_space_cannot_state_is_one_line() -> None:
    space = SequenceSpace("s", {"a": ["1", "2"], "b": ["1", "2"]})
    costs = exact_costs(space)
    assert costs.names == ()
    with pytest.raises(
        UserError, match="search.constraints.macs: space=s cannot state it, it states no exact cost"
    ):
        costs.require(["macs"], "search.constraints")
    with pytest.raises(UserError, match="it states macs, parameters; latency_ms needs space.latency"):
        exact_costs(NASBench201())([], ["latency_ms"])
    with pytest.raises(UserError, match="evaluator.network.image=\\[1, 8\\]"):
        TableNetworkSettings(image=[1, 8])
