"""Promotions and plans with several objectives, and under limits of measured metrics."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from seminas.config.fidelities import HalvingSettings
from seminas.errors import UserError
from seminas.runs.constraints import MeasuredLimit, MeasuredLimits
from seminas.runs.metric import ACCURACY, Metric
from seminas.runs.objectives import Objectives, hypervolume
from seminas.spaces.exact import exact_costs
from seminas.spaces.rungs import Rung
from seminas.spaces.sequence import Choices, SequenceSpace
from seminas.strategies.goals import Goals
from seminas.strategies.halving import Halving
from seminas.strategies.improvement import views_of
from seminas.strategies.plan_goals import PlanGoals
from seminas.strategies.plan_improvement import Label, PlanImprovement
from seminas.strategies.random import RandomSearch

pytestmark = pytest.mark.unit
ENERGY = Metric("energy", "minimize", "J")
SPACE = SequenceSpace("chain", {f"p{i}": [1, 2, 3, 4] for i in range(4)})
LEVELS = (1, 3, 9)
NEW = SPACE.at(np.array([100, 151, 255]))
"""Architectures without an evaluation."""
Result = tuple[float, Mapping[str, float]]


def pursuing(limit: float | None = None, objectives: bool = True) -> Halving:
    """Return halving around a random search, for an accuracy and an energy."""
    strategy = Halving(SPACE, 0, HalvingSettings(), RandomSearch(SPACE, 0), LEVELS)
    if objectives:
        both = Objectives((ACCURACY, ENERGY), ACCURACY)
        strategy.pursue(Goals(both, exact_costs(SPACE), SPACE))
    if limit is not None:
        strategy.respect(MeasuredLimits([MeasuredLimit(ENERGY, limit)]))
    return strategy


def begun(strategy: Halving, results: list[Result]) -> list[Choices]:
    """Answer the first questions with results at the lowest level. Return the architectures."""
    strategy.start([len(results), 10])
    architectures = []
    for number, (accuracy, further) in enumerate(results):
        rung = Rung(SPACE.at(np.array([number]))[0], 1)
        strategy.receive_further([rung], [further])
        strategy.tell([rung], [accuracy])
        architectures.append(rung.architecture)
    return architectures


def promoted(strategy: Halving, number: int) -> list[Any]:
    """Return the architectures of the next promotions, whose evaluations stay pending."""
    pending: dict[Any, None] = {}
    for _ in range(number):
        (rung,) = strategy.ask(1, pending).architectures
        assert (rung.epochs, rung.trained) == (3, 1)
        pending[rung] = None
    return [rung.architecture for rung in pending]


def test_promotions_go_by_front_and_crowding_distance() -> None:
    """Nine results: a front of four, whose inner members are 0.6 and 0.65, and five that are dominated."""
    front = [(0.9, 9.0), (0.3, 1.0), (0.6, 5.0), (0.65, 5.5)]
    others = [(0.2, 2.0 + i) for i in range(5)]
    strategy = pursuing()
    cells = begun(strategy, [(a, {"energy": e}) for a, e in [*others, *front]])
    best = promoted(strategy, 3)
    assert set(best) <= set(cells[5:]) and {cells[5], cells[6]} <= set(best)


def test_promotions_go_by_constrained_dominance() -> None:
    results = [(0.9, {"energy": 8.0}), (0.8, {"energy": 9.0}), (0.3, {"energy": 5.0})]
    results += [(0.4, {"energy": 4.0}), (0.95, {"energy": 20.0}), (0.2, {"energy": 1.0})]
    strategy = pursuing(limit=5.0, objectives=False)
    cells = begun(strategy, results * 2)  # The second half are other architectures with equal results.
    assert promoted(strategy, 4) == [cells[3], cells[9], cells[2], cells[8]]


def test_the_inner_strategy_knows_further_metrics_of_full_trainings() -> None:
    """The energy grows by 3 with each level, so that of a short training is carried to the full one."""
    strategy = pursuing(limit=10.0)
    inner = strategy._inner
    strategy.start([4, 10])
    cells = SPACE.at(np.arange(40))
    for i, cell in enumerate(cells):
        for level, epochs in enumerate(LEVELS[: 1 if i >= 30 else 3]):
            rung = Rung(cell, epochs)
            strategy.receive_further([rung], [{"energy": 1.0 + i % 10 + 3 * level}])
            strategy.tell([rung], [0.5 + i / 100])
    for i, cell in enumerate(cells):
        energy = inner.further[cell]["energy"]
        assert energy == pytest.approx(7.0 + i % 10)
        assert inner.is_feasible(cell) == (i % 10 <= 3 and energy <= 10.0)


def plans_of(strategy: Halving, labels: list[Label]) -> PlanGoals[Any]:
    """Return the gains of plans after the labels of a strategy."""
    process = PlanImprovement(SPACE, labels, (), LEVELS).process
    trained = {label.architecture: LEVELS[label.level] for label in labels}
    return PlanGoals(labels, (), LEVELS, process, trained, strategy._inner)


def labeled(strategy: Halving, energies: Any) -> list[Label]:
    """Tell a strategy forty architectures of all levels, and return their labels."""
    strategy.start([40, 10])
    labels = []
    for i, cell in enumerate(SPACE.at(np.arange(0, 240, 6))):
        choices = SPACE.encode([cell])[0].astype(float)
        for level, epochs in enumerate(LEVELS[: 1 + i % 3]):
            accuracy = 0.3 + 0.02 * float(choices.sum()) + 0.05 * level
            rung = Rung(cell, epochs)
            strategy.receive_further([rung], [{"energy": energies(choices)}])
            strategy.tell([rung], [accuracy])
            labels.append(Label(cell, level, accuracy))
    return labels


def test_the_gain_of_a_full_training_is_the_simulated_growth_of_the_hypervolume() -> None:
    strategy = pursuing()
    plans = plans_of(strategy, labeled(strategy, lambda c: float(c.sum() + c[0])))
    gain = plans._gain(views_of(SPACE, NEW), NEW)
    mean, deviation = np.array([[0.2, 1.5], [-1.0, 0.5], [1.0, 2.0]]), np.full((3, 2), 0.8)
    got = gain(mean, deviation)
    front, reference, rng = plans._front, plans._reference, np.random.default_rng(0)
    (modeled,) = plans._modeled
    groups = SPACE.described_groups(NEW)
    before = hypervolume(front, reference)
    for i in range(3):
        energy_mean, energy_deviation = (x[i] for x in modeled.process.predict(groups))
        for k in range(2):
            accuracies = plans._of_full.values(rng.normal(mean[i, k], deviation[i, k], 4000))
            energies = modeled.scale.accuracies(rng.normal(energy_mean, energy_deviation, 4000))
            points = np.stack([accuracies, energies], axis=1)
            grown = [hypervolume(np.vstack([front, p]), reference) - before for p in points]
            assert got[i, k] == pytest.approx(np.mean(grown), rel=0.1, abs=5e-3)


def test_only_full_trainings_are_on_the_front_of_plans() -> None:
    strategy = pursuing()
    labels = labeled(strategy, lambda c: float(c.sum()))
    plans = plans_of(strategy, labels)
    full = {label.architecture for label in labels if label.level == 2}
    assert set(plans._to_beat) == full and len(plans._front) == len(full)


def test_a_measured_architecture_beyond_a_limit_is_not_trained_on() -> None:
    sums = SPACE.encode(SPACE.at(np.arange(256))).sum(axis=1)
    limit = float(np.median(sums))
    strategy = pursuing(limit=limit, objectives=False)
    labels = labeled(strategy, lambda c: float(c.sum()))
    plans = plans_of(strategy, labels)
    full = {label.architecture for label in labels if label.level == 2}
    short = [a for a in dict.fromkeys(label.architecture for label in labels) if a not in full]
    gains = plans.gain(views_of(SPACE, short), short)
    feasible = np.array([SPACE.encode([a])[0].sum() <= limit for a in short])
    assert (gains[~feasible] == 0).all() and feasible.any() and not feasible.all()
    probability = plans._feasibility.probability(views_of(SPACE, NEW).groups)  # type: ignore[union-attr]
    assert (plans.gain(views_of(SPACE, NEW), NEW) > 0).any() and (probability < 1).all()


def test_without_a_feasible_architecture_the_next_level_looks_for_one() -> None:
    strategy = pursuing(limit=0.5, objectives=False)
    plans = plans_of(strategy, labeled(strategy, lambda c: float(c.sum())))
    ratios, stops = plans.plans(views_of(SPACE, NEW), NEW)
    assert stops.tolist() == [0, 0, 0]
    probability = plans._feasibility.probability(views_of(SPACE, NEW).groups)  # type: ignore[union-attr]
    np.testing.assert_allclose(ratios, 9 * probability)


def test_the_inner_strategy_must_take_several_objectives() -> None:
    class One(RandomSearch[Any]):
        takes_objectives = False

    strategy = Halving(SPACE, 0, HalvingSettings(), One(SPACE, 0), LEVELS)
    with pytest.raises(UserError, match="takes one objective"):
        strategy.pursue(pursuing().goals)  # type: ignore[arg-type]
