import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from seminas.commands.main import app
from seminas.config.spaces import MobileNetSettings
from seminas.errors import UserError
from seminas.spaces.budget_chain import BudgetChain
from seminas.spaces.cost import count_macs, count_parameters, parts
from seminas.spaces.mobilenet.network import STANDALONE, SUPERNET, build_network
from seminas.spaces.mobilenet.space import MobileNet
from seminas.spaces.ruled_chain import RuledChain
from seminas.spaces.sums import Sum

SEMINASNET = "6 5 1 7 4 2 5 3 5 2 5 3 3 5 7 3 1 6 3 3 6"


@pytest.fixture(scope="module")
def space() -> MobileNet:
    return MobileNet()


def test_the_papers_network_costs_what_the_paper_says(space: MobileNet) -> None:
    network = space.build_network(space.parse(SEMINASNET), 1000, 3)
    assert (count_parameters(network), count_macs(network, (3, 224, 224))) == (6_319_360, 598_952_544)
    narrow = build_network(SEMINASNET.split(), widths=replace(STANDALONE, stages=SUPERNET.stages))
    assert (count_parameters(narrow), count_macs(narrow, (3, 224, 224))) == (4_483_296, 390_946_368)


def test_the_space_is_as_large_as_its_choices(space: MobileNet) -> None:
    assert space.size == 6**6 * 7**15
    architectures = space.sample(50, np.random.default_rng(0))
    assert space.at(space.index(architectures)) == architectures
    assert [space.parse(space.key(a)) for a in architectures] == architectures
    assert all(len(space.neighbors(a)) == 6 * 5 + 15 * 6 for a in architectures[:3])


@pytest.mark.parametrize(
    "skeleton", [{}, {"image": [1, 33, 47], "factor": 0.5}, {"stem_stride": 1, "image": [3, 8, 8]}]
)
def test_macs_are_those_of_the_network(skeleton: dict) -> None:
    space = MobileNet(MobileNetSettings(num_classes=10, **skeleton))
    for architecture in space.sample(3, np.random.default_rng(1)):
        network = space.build_network(architecture, 10, space.image[0])
        assert space.macs(architecture) == count_macs(network, space.image)


def test_a_budget_holds_wherever_architectures_come_from() -> None:
    space = MobileNet(MobileNetSettings(max_macs=300e6))
    sampled = space.sample(500, np.random.default_rng(0))
    assert max(space.macs(a) for a in sampled) <= 300e6
    assert space.at(space.index(sampled)) == sampled
    assert all(space.macs(a) <= 300e6 for a in space.neighbors(sampled[0]))
    tokens = torch.zeros((40, 0), dtype=torch.long)
    generator = torch.Generator().manual_seed(0)
    for _ in range(space.max_length):
        legal = space.legal_tokens(tokens)
        tokens = torch.cat([tokens, torch.multinomial(legal.float(), 1, generator=generator)], dim=1)
    decoded = space.decode(tokens.numpy())
    assert all(a is not None and space.macs(a) <= 300e6 for a in decoded)


def test_a_budget_is_counted_and_drawn_from_exactly() -> None:
    costs = [[3, 1, 4], [1, 5], [9, 2, 6, 5]]
    every = RuledChain([3, 2, 4])
    sequences = every.at(np.arange(every.size))
    totals = sum(np.array(position_costs)[sequences[:, p]] for p, position_costs in enumerate(costs))
    for budget in (4, 9, 12, 100):
        chain = BudgetChain([Sum(costs, budget)])
        legal = sequences[totals <= budget]
        assert chain.size == len(legal)
        np.testing.assert_array_equal(chain.at(np.arange(chain.size)), legal)
        np.testing.assert_array_equal(chain.index(sequences) >= 0, totals <= budget)
    drawn = BudgetChain([Sum(costs, 9)]).draw(20_000, np.random.default_rng(0))
    _, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(counts) == (totals <= 9).sum()
    assert counts.min() > 0.8 * counts.mean() and counts.max() < 1.2 * counts.mean()


@pytest.mark.parametrize(
    ("image", "max_macs", "size"),
    [
        pytest.param(225, 600e6, 5_577_464_113_678_298, marks=pytest.mark.long),
        (299, 1.5e9, 219_122_968_292_781_244),
    ],
)
def test_a_budget_at_an_odd_resolution_needs_little_memory(image: int, max_macs: float, size: int) -> None:
    """Compare with sizes that a table of all parts of the budget gave. That table needed several GB."""
    tracemalloc.start()
    try:
        space = MobileNet(MobileNetSettings(image=[3, image, image], max_macs=max_macs))
        assert tracemalloc.get_traced_memory()[1] < 600e6
    finally:
        tracemalloc.stop()
    assert space.size == size
    cells = space.sample(500, np.random.default_rng(0))
    assert max(map(space.macs, cells)) <= max_macs
    assert space.at(space.index(cells)) == cells


def test_what_is_no_architecture_is_refused_in_one_line(space: MobileNet) -> None:
    with pytest.raises(UserError, match="space.max_macs=1e\\+06: must be at least 182,479,200"):
        MobileNet(MobileNetSettings(max_macs=1e6))
    with pytest.raises(ValueError, match="has 3 choices, space mobilenet has 21 positions"):
        space.parse("1 2 3")
    with pytest.raises(ValueError, match="s1b1=7: must be one of 1, 2, 3, 4, 5, 6"):
        space.parse("7 " * 21)
    with pytest.raises(ValueError, match="has more multiply-adds than space.max_macs=2e\\+08"):
        MobileNet(MobileNetSettings(max_macs=2e8)).parse("6 " * 21)
    with pytest.raises(UserError, match="space.image"):
        MobileNetSettings(image=[3, 224])


def test_a_supernet_shares_its_weights_with_each_path(space: MobileNet) -> None:
    torch.manual_seed(0)
    small = MobileNet(MobileNetSettings(factor=0.25, image=[3, 32, 32], num_classes=5))
    supernet = small.build_supernet(5, 3)
    path = small.path(small.parse(SEMINASNET))
    images = torch.randn(4, 3, 32, 32)
    supernet(images, path).sum().backward()
    alone = supernet.standalone(path)
    trained = {name for name, p in supernet.named_parameters() if p.grad is not None}
    assert len(trained) == len(list(alone.parameters()))
    assert not any(name.startswith("blocks.s1b4") for name in trained)
    supernet.eval()
    torch.testing.assert_close(supernet(images, path), alone(images))


def test_show_prints_costs_as_a_whole_and_by_part(space: MobileNet, tmp_path) -> None:
    runner = CliRunner()
    command = ["arch", "show", "--space", "mobilenet", SEMINASNET]
    about = json.loads(runner.invoke(app, [*command, "--json"]).output)
    assert (about["parameters"], about["macs"]) == (6_319_360, 598_952_544)
    shown = runner.invoke(app, [*command, "--figure", str(tmp_path / "a.png")]).output
    assert "598,952,544" in shown and "blocks.s6b1" in shown
    assert (tmp_path / "a.png").stat().st_size > 1000
    every = parts(space.build_network(space.parse(SEMINASNET), 1000, 3), (3, 224, 224))
    assert sum(part.parameters for part in every) == 6_319_360
    assert sum(part.macs for part in every) == 598_952_544
