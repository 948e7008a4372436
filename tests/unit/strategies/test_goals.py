"""Test strategies that pursue several objectives."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from seminas.errors import UserError
from seminas.runs.metric import ACCURACY, Metric
from seminas.runs.objectives import EXACT, Objectives, hypervolume, nondominated, read_objectives
from seminas.spaces.exact import exact_costs
from seminas.spaces.nasbench101 import Cell, NASBench101
from seminas.spaces.subset import Subset
from seminas.strategies.base import Strategy
from seminas.strategies.goals import Goals, best_first
from strategies import MAKERS

ENERGY = Metric("energy", "minimize", "J")
PURSUERS = ("random", "seminas", "seminas_process", "seminas_evolution", "evolution", "gaussian_process")


def goals_of(space: Any, *further: Metric) -> Goals[Cell]:
    metrics = (ACCURACY, EXACT["parameters"], *further)
    return Goals(Objectives(metrics, ACCURACY, ("parameters",)), exact_costs(space), space)


def told(cell: Cell) -> tuple[float, Mapping[str, float]]:
    """Return the accuracy and the energy of a cell."""
    operations = cell.operations
    accuracy = 0.5 + 0.02 * (operations % 16) + 0.01 * cell.edges
    return accuracy, {"energy": float(cell.edges.bit_count())}


def run(strategy: Strategy[Cell], sizes: Sequence[int]) -> list[Cell]:
    """Run a search with one worker. Return the architectures in order."""
    asked: list[Cell] = []
    strategy.start(sizes)
    for _ in range(sum(sizes)):
        (cell,) = strategy.ask(1).architectures
        accuracy, further = told(cell)
        strategy.receive_further([cell], [further])
        strategy.tell([cell], [accuracy])
        asked.append(cell)
    return asked


@pytest.fixture(scope="module")
def part(space: NASBench101) -> Subset[Cell]:
    """Return 1,500 cells."""
    return Subset(space, np.random.default_rng(0).choice(space.size, 1500, replace=False))


@pytest.mark.parametrize("name", PURSUERS)
def test_a_front_of_a_search_repeats_and_goes_on(part: Any, name: str) -> None:
    def made() -> Strategy[Cell]:
        strategy = MAKERS[name](part, 0)
        strategy.pursue(goals_of(part))
        return strategy

    sizes = [10, 4, 4]
    asked = run(made(), sizes)
    assert len(set(asked)) == len(asked) == 18
    resumed = made()
    resumed.start(sizes)
    resumed.ask(1)
    for cell in asked[:13]:
        resumed.begin_question(())
        resumed.receive_further([cell], [told(cell)[1]])
        resumed.tell([cell], [told(cell)[0]])
    assert resumed.ask(1).architectures == asked[13:14]


@pytest.mark.parametrize("name", ["evolution", "gaussian_process", "gaussian_process energy"])
def test_a_front_is_larger_than_that_of_random_architectures(part: Any, name: str) -> None:
    name, *further = name.split()
    goals = goals_of(part, *([ENERGY] if further else []))
    reference = goals.objectives.reference(np.array([[0.5, -2e7, -10.0][: 2 + len(further)]]))
    volumes: dict[str, list[float]] = {}
    for method in (name, "random"):
        for seed in range(3):
            strategy = MAKERS[method](part, seed)
            strategy.pursue(goals)
            asked = run(strategy, [10, *[1] * 15])
            assert len(set(asked)) == 25
            results = {cell: told(cell) for cell in asked}
            energies = {cell: metrics for cell, (_, metrics) in results.items()}
            scores = goals.scores(asked, [accuracy for accuracy, _ in results.values()], energies)
            volumes.setdefault(method, []).append(hypervolume(scores, reference))
    assert np.mean(volumes[name]) > np.mean(volumes["random"])


def test_pending_architectures_are_believed(part: Any) -> None:
    strategy = MAKERS["gaussian_process"](part, 0)
    strategy.pursue(goals_of(part))
    strategy.start([10, 5])
    first = strategy.ask(10).architectures
    strategy.tell(first, [told(cell)[0] for cell in first])
    pending: dict[Cell, None] = {}
    for _ in range(4):
        (cell,) = strategy.ask(1, pending).architectures
        assert cell not in pending
        pending[cell] = None
    costs = exact_costs(part)(list(pending), ["parameters"])[:, 0]
    assert len(set(costs)) > 1


def test_nao_takes_several_objectives(part: Any) -> None:
    strategy = MAKERS["nao"](part, 0)
    strategy.pursue(goals_of(part))
    assert len(set(run(strategy, [8, 4]))) == 12


@pytest.mark.parametrize("name", ["bananas", "local_search"])
def test_a_strategy_of_one_objective_says_so(part: Any, name: str) -> None:
    with pytest.raises(UserError, match=r"takes one objective; random, evolution") as raised:
        MAKERS[name](part, 0).pursue(goals_of(part))
    assert "\n" not in str(raised.value)


def test_the_order_is_that_of_nsga2() -> None:
    scores = np.array([[0, 0], [3, 0], [0, 3], [2, 2], [1, 1], [2.1, 1.9]])
    assert nondominated(scores).tolist() == [False, True, True, True, False, True]
    order = best_first(scores).tolist()
    assert set(order[:2]) == {1, 2}  # The ends of the front.
    assert order[-2:] == [4, 0]


def test_the_reference_point_follows_the_rule() -> None:
    objectives = Objectives((ACCURACY, ENERGY, EXACT["macs"]), ACCURACY, ("macs",), {}, {"macs": 7.0})
    first = np.array([[0.5, -2.0, -1.0], [0.7, -4.0, -3.0]])
    assert objectives.reference(first) == pytest.approx([0.48, -4.2, -7.0])
    given = Objectives((ACCURACY, ENERGY), ACCURACY, (), {"energy": 9.0})
    assert given.reference(first[:, :2]) == pytest.approx([0.48, -9.0])


def test_one_objective_is_a_plain_search() -> None:
    assert read_objectives(["val_accuracy"], {}, ACCURACY, (), ("macs",)) is None
    assert read_objectives(None, {}, ACCURACY, (), ()) is None
