"""Successive halving and Hyperband around strategies: what they promote, and what they tell."""

import numpy as np
import pytest

from seminas.config.fidelities import HalvingSettings, HyperbandSettings
from seminas.errors import UserError
from seminas.spaces.nasbench201 import NASBench201
from seminas.spaces.rungs import Rung
from seminas.strategies.halving import Halving
from seminas.strategies.hyperband import Hyperband
from seminas.strategies.levels import at_full_fidelity
from seminas.strategies.random import RandomSearch
from strategies import MAKERS

pytestmark = pytest.mark.unit
SPACE = NASBench201()


def run(strategy: Halving, number: int, value) -> list[Rung]:
    """Answer questions one by one, and return the rungs in order."""
    strategy.start([10, 10])
    rungs = []
    for _ in range(number):
        (rung,) = strategy.ask(1).architectures
        rungs.append(rung)
        strategy.tell([rung], [value(rung)])
    return rungs


def by_index(rung: Rung) -> float:
    return float(SPACE.index([rung.architecture])[0]) / len(SPACE) + rung.epochs / 1000


def test_the_best_third_of_each_level_goes_on_and_pays_for_new_epochs_alone():
    strategy = Halving(SPACE, 0, HalvingSettings(), RandomSearch(SPACE, 0), (1, 3, 9))
    rungs = run(strategy, 60, by_index)
    assert len(set(rungs)) == 60
    reached: dict[object, int] = {}
    for rung in rungs:
        assert rung.trained == reached.get(rung.architecture, 0)
        reached[rung.architecture] = rung.epochs
    counts = {epochs: sum(rung.epochs == epochs for rung in rungs) for epochs in (1, 3, 9)}
    # Promotions that do not wait are more than a third, by about the root of the number (Li et al., section 3.2).
    assert counts[1] / 3 - 1 <= counts[3] <= counts[1] / 3 + counts[1] ** 0.5
    assert counts[3] / 3 - 1 <= counts[9] <= counts[3] / 3 + counts[3] ** 0.5
    of_first = sorted({r.architecture for r in rungs}, key=lambda a: -by_index(Rung(a, 1)))
    assert of_first[0] in {r.architecture for r in rungs if r.epochs == 9}


def test_a_promotion_waits_for_no_pending_evaluation():
    strategy = Halving(SPACE, 0, HalvingSettings(), RandomSearch(SPACE, 0), (1, 3))
    strategy.start([10])
    first = strategy.ask(5).architectures
    strategy.tell(first[:3], [0.1, 0.3, 0.2])
    (promoted,) = strategy.ask(1, first[3:]).architectures
    assert (promoted, promoted.trained) == (Rung(first[1].architecture, 3), 1)
    (new,) = strategy.ask(1, [*first[3:], promoted]).architectures
    assert new.epochs == 1 and new not in first


def test_a_failed_training_is_not_promoted():
    strategy = Halving(SPACE, 0, HalvingSettings(), RandomSearch(SPACE, 0), (1, 3))
    rungs = run(strategy, 20, lambda rung: None)
    assert {rung.epochs for rung in rungs} == {1}


def test_brackets_spend_about_the_same():
    strategy = Hyperband(SPACE, 0, HyperbandSettings(), RandomSearch(SPACE, 0), (1, 3, 9))
    rungs = run(strategy, 100, by_index)
    lowest: dict[object, int] = {}
    for rung in rungs:
        lowest.setdefault(rung.architecture, rung.epochs)
    spent = dict.fromkeys((1, 3, 9), 0)
    for rung in rungs:
        spent[lowest[rung.architecture]] += rung.epochs - rung.trained
    assert max(spent.values()) - min(spent.values()) <= 18
    assert sum(rung.epochs == 9 and not rung.trained for rung in rungs) >= 3


def test_the_inner_strategy_gets_estimates_of_full_trainings():
    rng = np.random.default_rng(0)
    low = {i: float(x) for i, x in enumerate(rng.normal(0.5, 0.1, 200))}
    high = {i: 0.6 + 0.5 * low[i] for i in list(low)[:100]}
    estimates = at_full_fidelity([low, high])
    errors = [abs(estimates[i] - (0.6 + 0.5 * low[i])) for i in low]
    assert max(errors) < 0.01
    assert at_full_fidelity([low, {}]) == low


@pytest.mark.parametrize(
    ("fidelities", "epochs", "message"),
    [
        ((), None, "fidelity=halving: must be none with an evaluator without fidelities"),
        ((1, 3, 9), [2, 9], "fidelity.epochs=[2, 9]: must be among [1, 3, 9], with 9 as the last one"),
        ((1, 3, 9), [1, 3], "fidelity.epochs=[1, 3]: must be among [1, 3, 9], with 9 as the last one"),
        ((1, 3, 9), [3, 1], "fidelity.epochs=[3, 1]: must be an increasing list of two or more"),
    ],
)
def test_wrong_levels_are_one_line(fidelities, epochs, message):
    with pytest.raises(UserError) as error:
        Halving(SPACE, 0, HalvingSettings(epochs=epochs), RandomSearch(SPACE, 0), fidelities)
    assert str(error.value) == message


@pytest.mark.parametrize(
    "name", ["bananas", "evolution", pytest.param("seminas_evolution", marks=pytest.mark.long)]
)
def test_a_resumed_strategy_proposes_a_round_from_the_labels_that_it_had(name: str):
    """Estimates change with each evaluation, also those of the labels from which the round was proposed."""

    def made() -> Halving:
        strategy = Halving(SPACE, 0, HalvingSettings(), MAKERS[name](SPACE, 0), (1, 3, 9))
        strategy.start([6, 8, 8, 8])
        return strategy

    noise = np.random.default_rng(1).normal(scale=0.2, size=(3, 200))
    whole, events = made(), []
    for number in range(60):
        (rung,) = whole.ask(1).architectures
        score = by_index(rung) + noise[whole.levels.index(rung.epochs), number]
        events.append((rung, score))
        whole.tell([rung], [score])
    for number in (27, 41, 50):
        resumed = made()
        for rung, score in events[:number]:
            resumed.begin_question((), rung)
            resumed.tell([rung], [score])
        for rung, score in events[number : number + 6]:
            assert resumed.ask(1).architectures == [rung]
            resumed.tell([rung], [score])


@pytest.mark.parametrize("kind", [Halving, Hyperband])
def test_a_round_has_all_promotions_and_then_new_architectures(kind: type[Halving]):
    settings = HalvingSettings() if kind is Halving else HyperbandSettings()
    strategy = kind(SPACE, 0, settings, MAKERS["evolution"](SPACE, 0), (1, 3, 9))
    reached: dict[object, int] = {}
    for number in range(8):
        rungs = strategy.ask(12).architectures
        assert len(rungs) == len({rung.architecture for rung in rungs}) == 12
        promotions = [rung.architecture in reached for rung in rungs]
        assert promotions == sorted(promotions, reverse=True)
        assert any(promotions) == (number > 0) and not all(promotions)
        for rung in rungs:
            assert rung.epochs > reached.get(rung.architecture, 0)
            reached[rung.architecture] = rung.epochs
        strategy.tell(rungs, [by_index(rung) for rung in rungs])
        told = list(reached)
        assert set(strategy._inner.told) == set(told) and len(strategy._inner.ends) == number + 1
        # The evaluator measures again, with other values in the same order.
        known = [Rung(a, e) for e, s in zip((1, 3, 9), strategy._scores, strict=True) for a in s]
        strategy.revise(known, [by_index(rung) / 2 for rung in known])
        strategy.revise(known, [by_index(rung) for rung in known])
    assert set(reached.values()) == {1, 3, 9}
