"""Test strategies under limits of measured metrics."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from seminas.runs.constraints import MeasuredLimit, MeasuredLimits
from seminas.runs.metric import Metric
from seminas.spaces.nasbench101 import Cell, NASBench101
from seminas.spaces.sequence import Choices, SequenceSpace
from seminas.spaces.subset import Subset
from seminas.strategies.base import Strategy
from seminas.strategies.feasibility import Feasibility
from seminas.strategies.improvement import Improvement, views_of
from strategies import MAKERS

ENERGY = Metric("energy", "minimize", "J")
LIMITS = MeasuredLimits([MeasuredLimit(ENERGY, 5.0)])
LONG = SequenceSpace("chain", {f"p{i}": [1, 2, 3, 4] for i in range(7)})
"""Chain of which one in twenty architectures is within the limit, if the energy is the sum of the choices' indices."""
SPACE = SequenceSpace("chain", {f"p{i}": [1, 2, 3, 4] for i in range(5)})


def measured(space: Any, cell: Cell) -> tuple[float, float]:
    """Return the accuracy and the energy of a cell. Convolutions raise both, so the most accurate cells need much."""
    operations = space.to_json(cell)["operations"]
    large, small = (sum(name in text for text in operations) for name in ("conv3x3", "conv1x1"))
    edges = cell.edges.bit_count()
    return 0.5 + 0.04 * large + 0.03 * small + 0.01 * edges, float(3 * large + small + edges / 2)


@pytest.fixture(scope="module")
def part(space: NASBench101) -> Subset[Cell]:
    """Return 1,500 cells."""
    return Subset(space, np.random.default_rng(0).choice(space.size, 1500, replace=False))


def feasible_accuracies(strategy: Strategy[Cell], limit: float, number: int = 30) -> list[float]:
    """Run a search with one worker. Return the accuracies of the feasible cells."""
    strategy.respect(MeasuredLimits([MeasuredLimit(ENERGY, limit)]))
    strategy.start([10, *[1] * (number - 10)])
    found = []
    for _ in range(number):
        (cell,) = strategy.ask(1).architectures
        accuracy, energy = measured(strategy.space, cell)
        strategy.receive_further([cell], [{"energy": energy}])
        strategy.tell([cell], [accuracy])
        found += [accuracy] if energy <= limit else []
    return found


@pytest.mark.long
def test_the_model_finds_a_better_feasible_cell_than_a_random_search(part: Any) -> None:
    best = {
        name: [max(feasible_accuracies(MAKERS[name](part, seed), 9.0)) for seed in range(3)]
        for name in ("gaussian_process", "random")
    }
    assert np.mean(best["gaussian_process"]) > np.mean(best["random"]) + 0.02


@pytest.mark.parametrize("name", ["evolution", "local_search"])
def test_a_search_climbs_to_feasible_architectures(name: str) -> None:
    def number_feasible(strategy: Strategy[Any]) -> int:
        strategy.respect(LIMITS)
        strategy.start([10, *[1] * 50])
        energies = []
        for _ in range(60):
            (architecture,) = strategy.ask(1).architectures
            energies.append(float(sum(architecture)))
            strategy.receive_further([architecture], [{"energy": energies[-1]}])
            strategy.tell([architecture], [energies[-1] / 20])
        return sum(energy <= 5 for energy in energies)

    makers: dict[str, Any] = {n: MAKERS[n] for n in (name, "random")}
    number = {n: sum(number_feasible(make(LONG, seed)) for seed in range(3)) for n, make in makers.items()}
    assert number[name] > 1.5 * max(1, number["random"])


def evaluated(number: int, least: int = 0) -> tuple[dict[Choices, float], dict[Choices, dict[str, float]]]:
    drawn = [a for a in SPACE.sample(900, np.random.default_rng(0)) if sum(a) >= least][:number]
    return {a: sum(a) / 15 for a in drawn}, {a: {"energy": float(sum(a))} for a in drawn}


def test_the_gain_is_the_improvement_over_the_best_feasible_one_times_the_probability() -> None:
    labeled, further = evaluated(80)
    feasibility = Feasibility(SPACE, labeled, LIMITS, further)
    assert set(feasibility.feasible) == {a for a in labeled if sum(a) <= 5}
    others = [a for a in SPACE.at(np.arange(SPACE.size)) if a not in labeled]
    views = views_of(SPACE, others)
    probability = feasibility.probability(views.groups)
    inside = np.array([sum(a) <= 5 for a in others])
    assert probability[inside].mean() > 0.6 and probability[~inside].mean() < 0.1
    plain, limited = Improvement(SPACE, labeled), Improvement(SPACE, labeled, (), feasibility)
    mean, deviation = limited._process.predict(views.groups)
    best = limited._process.predict(views_of(SPACE, list(feasibility.feasible)).groups)[0].max()
    z = (mean - best) / deviation
    expected = probability * deviation * (z * norm.cdf(z) + norm.pdf(z))
    assert limited.gain(views) == pytest.approx(expected, abs=1e-9)
    assert sum(others[int(limited.gain(views).argmax())]) <= 6 < sum(others[int(plain.gain(views).argmax())])


def test_without_a_feasible_architecture_the_gain_is_the_probability() -> None:
    labeled, further = evaluated(40, least=7)
    feasibility = Feasibility(SPACE, labeled, LIMITS, further)
    improvement = Improvement(SPACE, labeled, (), feasibility)
    views = views_of(SPACE, SPACE.at(np.arange(SPACE.size)))
    assert not feasibility.feasible
    assert improvement.gain(views).tolist() == feasibility.probability(views.groups).tolist()
    assert sum(SPACE.at(np.array([int(improvement.gain(views).argmax())]))[0]) <= 5


def test_pending_architectures_have_their_expected_metrics() -> None:
    labeled, further = evaluated(40)
    feasibility = Feasibility(SPACE, labeled, LIMITS, further)
    near, far = next((0,) * 5 for _ in "a"), (3,) * 5
    feasibility.believe([near, far])
    assert near in feasibility.feasible and far not in feasibility.feasible


def test_the_order_is_constrained_dominance() -> None:
    strategy: Strategy[Any] = MAKERS["evolution"](SPACE, 0)  # type: ignore[arg-type]
    strategy.respect(LIMITS)
    further = {"good": 4.0, "bad": 3.0, "near": 6.0, "far": 9.0}
    strategy.receive_further(list(further), [{"energy": value} for value in further.values()])
    assert strategy.ranked({"far": 0.9, "near": 0.1, "bad": 0.2, "good": 0.3}) == [
        "good",
        "bad",
        "near",
        "far",
    ]


def test_a_limit_of_a_maximized_metric_is_its_least_value() -> None:
    limits = MeasuredLimits([MeasuredLimit(Metric("speed", "maximize"), 10.0), MeasuredLimit(ENERGY, 4.0)])
    assert limits.allow({"speed": 10.0, "energy": 4.0}) and not limits.allow({"speed": 9.9, "energy": 4.0})
    assert limits.violation({"speed": 5.0, "energy": 6.0}) == pytest.approx(0.5 + 0.5)
    assert str(limits) == "speed ≥ 10, energy ≤ 4 J"
    assert limits.missing({"speed": 1.0}) == "energy: is missing, search.constraints limits it"
