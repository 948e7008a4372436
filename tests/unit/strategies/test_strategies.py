from collections import Counter
from typing import Any

import numpy as np
import pytest

from seminas.config.fields import Settings
from seminas.config.search import SearchSettings
from seminas.config.strategies import (
    BananasSettings,
    EvolutionSettings,
    GaussianProcessSettings,
    LocalSearchSettings,
    SemiNASEvolutionSettings,
    SemiNASSettings,
)
from seminas.errors import UserError
from seminas.loop.plan import make_plan
from seminas.spaces.nasbench101 import Cell, NASBench101
from seminas.spaces.nasbench201.space import NASBench201
from seminas.spaces.sequence import SequenceSpace
from seminas.spaces.subset import Subset
from seminas.strategies import controlled
from seminas.strategies.bananas import Bananas
from seminas.strategies.evolution import Evolution
from seminas.strategies.local_search import LocalSearch
from seminas.strategies.seminas import NAO, SemiNAS
from seminas.strategies.seminas_evolution import SemiNASEvolution
from strategies import LONGER, MAKERS, SMALL, semi
from support import with_sections


def accuracy(cell: Cell) -> float | None:
    """Return the accuracy of a cell, or None for about one cell in five."""
    return None if cell.edges % 5 == 0 else 0.5 + 0.1 * (cell.operations % 4)


@pytest.mark.parametrize("name", MAKERS)
def test_asks_for_new_ones_and_follows_from_what_it_was_told(space: NASBench101, name: str) -> None:
    asked: list[list[Cell]] = []
    strategy = MAKERS[name](space, 0)
    for size in (10, 7, 7):
        asked.append(strategy.ask(size).architectures)
        assert len(set(asked[-1])) == size
        strategy.tell(asked[-1], [accuracy(cell) for cell in asked[-1]])
    all_asked = [cell for part in asked for cell in part]
    assert len(set(all_asked)) == len(all_asked) == 24
    # A new strategy that is told the first two rounds asks for the same third round. A resumed search relies on this.
    resumed = MAKERS[name](space, 0)
    for part in asked[:2]:
        resumed.tell(part, [accuracy(cell) for cell in part])
    assert resumed.ask(7).architectures == asked[2]
    assert MAKERS[name](space, 1).ask(10).architectures != asked[0]


@pytest.mark.parametrize("name", MAKERS)
def test_of_a_part_of_the_space_only_members_and_in_the_end_all(space: NASBench101, name: str) -> None:
    part = Subset(space, np.arange(100, 160))
    strategy = MAKERS[name](part, 0)  # type: ignore[arg-type]
    seen: set[Cell] = set()
    for size in (20, 20, 15, 15):
        cells = strategy.ask(size).architectures
        part.index(cells)
        strategy.tell(cells, [accuracy(cell) for cell in cells])
        seen |= set(cells)
    assert len(seen) == 60
    assert strategy.ask(5).architectures == []


def test_nothing_but_failures_is_answered_at_random(space: NASBench101) -> None:
    strategy = semi(space, 0)
    cells = strategy.ask(5).architectures
    strategy.tell(cells, [None] * 5)
    assert len(strategy.ask(5).architectures) == 5


@pytest.mark.parametrize(("ratio", "expected"), [(0, 0), (10, 100), (2.55, 26)])
def test_pseudo_labels_are_in_proportion_to_the_first_round(
    space: NASBench101, monkeypatch: pytest.MonkeyPatch, ratio: float, expected: int
) -> None:
    fit = controlled.fit_controller
    fitted = []

    def watched(space, settings, architectures, accuracies, seed, unlabeled, **rest):  # type: ignore[no-untyped-def]
        fitted.append((len(architectures), len(unlabeled)))
        assert not set(unlabeled) & set(strategy.told)
        return fit(space, settings, architectures, accuracies, seed, unlabeled, **rest)

    monkeypatch.setattr(controlled, "fit_controller", watched)
    strategy = semi(space, 0, ratio)
    for size in (10, 4):
        cells = strategy.ask(size).architectures
        strategy.tell(cells, [0.9 + 0.01 * i for i in range(len(cells))])
    strategy.ask(4)
    assert fitted == [(10, expected), (14, expected)]


def test_it_finds_what_is_good(space: NASBench101) -> None:
    """Check that later rounds are better than random ones if accuracies follow from the cells."""
    strategy = SemiNAS(space, 0, SemiNASSettings(pool=500, max_steps=10, improvement=0), LONGER, 10)

    def good(cell: Cell) -> float:
        return 0.7 + 0.04 * cell.labels.count("conv3x3-bn-relu")

    means = []
    for _ in range(3):
        proposal = strategy.ask(30)
        cells = proposal.architectures
        values = [good(cell) for cell in cells]
        means.append(np.mean(values))
        strategy.tell(cells, values)
        assert strategy.round == 1 or set(proposal.predictions) == set(cells)
    assert means[2] > means[0] + 0.06
    assert max(v for v in strategy.told.values() if v is not None) == pytest.approx(0.9)


def test_a_round_takes_one_of_those_that_the_controller_cannot_tell_apart() -> None:
    space = NASBench201()
    strategy = SemiNAS(space, 0, SemiNASSettings(improvement=0), SMALL, 10)
    rng = np.random.default_rng(0)
    first = strategy.ask(20).architectures
    strategy.tell(first, rng.random(20).tolist())
    chosen = strategy.ask(30).architectures
    adjacency, labels = space.graphs(chosen)
    graphs = set()
    for matrix, names in zip(adjacency, labels, strict=True):
        present = names > 0
        graphs.add((matrix[np.ix_(present, present)].tobytes(), tuple(names[present])))
    assert len(graphs) == 30


CHAIN = SequenceSpace("chain", {f"p{i}": list("abcd") for i in range(8)})
EFFECTS = [np.random.default_rng(3).normal(size=g.shape[1]) for g in CHAIN.kernel_features([(0,) * 8])]


def of_choices(architectures: list[tuple[int, ...]]) -> list[float]:
    """Return accuracies that follow from the choices and, less, from their pairs."""
    choices, pairs = (g @ e for g, e in zip(CHAIN.kernel_features(architectures), EFFECTS, strict=True))
    return (0.5 + 0.02 * (choices + 0.3 * pairs)).tolist()


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("pool", [0, 100_000])
def test_a_process_chooses_on_chains(pool: int, asynchronous: bool) -> None:
    """Check that its choices are good, new, and counted by their source, in a listed and in a large space."""
    controller = with_sections(SMALL, teachers={"gaussian_process": None})
    strategy = SemiNAS(CHAIN, 0, SemiNASSettings(pool=pool, max_steps=3), controller, 10)
    assert strategy.asks_singly and strategy.round_sizes == (20, 5, 0.4, 0.2)
    if asynchronous:
        strategy.start([20, 5, 5, 5])
    told: dict[Any, float] = {}
    sources: Counter[str] = Counter()
    for size in [1] * 35 if asynchronous else [20, 5, 5, 5]:
        proposal = strategy.ask(size)
        assert len(proposal.architectures) == size and not told.keys() & set(proposal.architectures)
        sources.update(proposal.origins.values())
        accuracies = of_choices(proposal.architectures)
        told |= dict(zip(proposal.architectures, accuracies, strict=True))
        strategy.tell(proposal.architectures, accuracies)
    values = list(told.values())
    others = sorted(of_choices(CHAIN.at(np.arange(0, CHAIN.size, 16))))
    assert max(values) > others[-40] and np.mean(values[-10:]) > np.mean(values[:20]) + 0.05
    assert sum(sources.values()) == 35 and sources["random"] >= 20
    assert set(sources) <= {"gradient", "random", "space" if pool else "neighbors"}


@pytest.mark.parametrize("sources", [["gradient"], ["neighbors"], ["random"], []])
def test_candidates_come_from_the_sources_of_the_settings(sources: list[str]) -> None:
    settings = SemiNASSettings(pool=0, max_steps=3, sources=sources)
    strategy = SemiNAS(CHAIN, 0, settings, SMALL, 10)
    first = strategy.ask(20).architectures
    strategy.tell(first, of_choices(first))
    origins = strategy.ask(5).origins
    assert set(origins.values()) <= {*sources, "random"} and (
        not sources or set(sources) <= set(origins.values())
    )


def test_a_process_chooses_two_in_five_cells(space: NASBench101) -> None:
    part = Subset(space, np.arange(300))
    strategy = SemiNAS(part, 0, SemiNASSettings(pool=500, max_steps=3), SMALL, 10)
    assert strategy.asks_singly and strategy.round_sizes == (20, 5, 0.4, 0.2)
    first = strategy.ask(20).architectures
    strategy.tell(first, [accuracy(cell) for cell in first])
    proposal = strategy.ask(5)
    assert len(proposal.architectures) == 5 and set(proposal.predictions) == set(proposal.architectures)
    origins = Counter(proposal.origins.values())
    assert set(origins) <= {"space", "gradient", "members"} and origins["space"] + origins["gradient"] >= 2


def test_nao_has_no_process_unless_it_gets_one() -> None:
    controller = with_sections(SMALL, teachers={"gaussian_process": None})
    assert not NAO(CHAIN, 0, SemiNASSettings(), controller, 0).asks_singly
    assert NAO(CHAIN, 0, SemiNASSettings(improvement=0.5), controller, 0).asks_singly


def test_evolution_mutates_a_winner_among_the_youngest(space: NASBench101) -> None:
    """Check the parent: in a tournament of the whole population the best one wins, and older ones do not take part."""
    strategy = Evolution(space, 0, EvolutionSettings(population_size=4, tournament_size=4))
    old, young = space.sample(3, np.random.default_rng(0)), space.sample(4, np.random.default_rng(1))
    strategy.tell(old, [0.99, 0.98, 0.97])
    strategy.tell(young, [0.1, 0.4, 0.3, 0.2])
    assert strategy.population() == young
    children = strategy.ask(5).architectures
    assert set(children) <= set(space.neighbors(young[1])) - set(strategy.told)
    # A failed architecture cannot be a parent.
    strategy.tell(children[:1], [None])
    assert strategy.population() == young


def test_local_search_climbs_to_the_optimum_and_starts_again(space: NASBench101) -> None:
    part = Subset(space, np.arange(2_532))

    def value(cell: Cell) -> float:
        return 0.5 + 0.05 * cell.labels.count("conv3x3-bn-relu") + 0.01 * cell.num_vertices

    strategy = LocalSearch(part, 0, LocalSearchSettings(num_start=2))
    cells = strategy.ask(2).architectures
    strategy.tell(cells, [value(cell) for cell in cells])
    for _ in range(600):
        centers = [a for a in strategy.told if set(part.neighbors(a)) - set(strategy.told)]
        cells = strategy.ask(1).architectures
        assert any(cells[0] in part.neighbors(a) for a in centers)
        strategy.tell(cells, [value(cells[0])])
        best = max(strategy.told, key=lambda a: strategy.told[a] or 0)
        if set(part.neighbors(best)) <= set(strategy.told) and max(map(value, part.neighbors(best))) <= value(
            best
        ):
            break
    assert value(best) == pytest.approx(0.5 + 0.05 * 3 + 0.05) and len(strategy.told) < 400
    (again,) = strategy.ask(1).architectures
    assert again not in part.neighbors(best)


def test_children_that_the_controller_picks_are_better_than_those_proposed(space: NASBench101) -> None:
    def good(cell: Cell) -> float:
        return 0.7 + 0.04 * cell.labels.count("conv3x3-bn-relu")

    strategy = SemiNASEvolution(space, 0, SemiNASEvolutionSettings(), LONGER, 5)
    first = strategy.ask(40).architectures
    strategy.tell(first, [good(cell) for cell in first])
    proposed = strategy.evolution.children(200, strategy.rng(), strategy.told)
    proposal = strategy.ask(10)
    picked = proposal.architectures
    assert set(proposal.predictions) == set(picked)
    assert np.mean([good(cell) for cell in picked]) > np.mean([good(cell) for cell in proposed]) + 0.02


@pytest.mark.parametrize("name", ["gaussian_process", "bananas", "evolution", "local_search"])
def test_a_baseline_beats_random_search(space: NASBench101, name: str) -> None:
    def good(cell: Cell) -> float:
        return 0.7 + 0.04 * cell.labels.count("conv3x3-bn-relu") + 0.002 * (cell.edges % 7)

    part = Subset(space, np.arange(2_532))
    makers = {**MAKERS, "bananas": lambda space, seed: Bananas(space, seed, BananasSettings())}
    values = {}
    for kind in (name, "random"):
        strategy = makers[kind](part, 0)  # type: ignore[arg-type]
        for size in make_plan(SearchSettings(max_queries=60), part.size, strategy.round_sizes).sizes():
            cells = strategy.ask(size).architectures
            strategy.tell(cells, [good(cell) for cell in cells])
        values[kind] = np.sort([v for v in strategy.told.values() if v is not None])[-20:].mean()
    assert values[name] > values["random"] + 0.005


@pytest.mark.parametrize(
    ("settings", "change"),
    [
        (SemiNASSettings, {"num_seeds": 0}),
        (SemiNASSettings, {"max_steps": 0}),
        (SemiNASSettings, {"step_size": 0.0}),
        (SemiNASSettings, {"favorites": 1.1}),
        (SemiNASSettings, {"overgenerate": 0.5}),
        (SemiNASSettings, {"pool": -1}),
        (EvolutionSettings, {"population_size": 0}),
        (EvolutionSettings, {"tournament_size": 0}),
        (LocalSearchSettings, {"num_start": 1}),
        (BananasSettings, {"ensemble_size": 1}),
        (BananasSettings, {"learning_rate": 0.0}),
        (GaussianProcessSettings, {"num_random": 1}),
        (GaussianProcessSettings, {"max_candidates": 0}),
    ],
)
def test_settings_that_cannot_be_are_refused_by_their_key(
    settings: type[Settings], change: dict[str, float]
) -> None:
    with pytest.raises(UserError, match=f"^strategy.{next(iter(change))}="):
        settings(**change)


def test_a_negative_ratio_of_pseudo_labels_is_refused_by_its_key() -> None:
    with pytest.raises(UserError, match="^search.pseudo_label_ratio=-1"):
        SearchSettings(pseudo_label_ratio=-1)


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "random"])
def test_every_strategy_improves_on_a_loss(space: NASBench101, name: str) -> None:
    """A strategy is told scores, which are negative losses. The losses go from 3.7 to about 120."""

    def scores(cells: list[Cell]) -> list[float]:
        adjacency, labels = space.graphs(cells)
        good = (labels == 3).sum(axis=1) / 5 + adjacency.sum(axis=(1, 2)) / 9
        return [-float(loss) for loss in 3.7 + 58 * (2 - good)]

    strategy = MAKERS[name](space, 0)
    told: list[list[float]] = []
    for size in (20, 10, 10, 10, 10):
        cells = strategy.ask(size).architectures
        told.append(scores(cells))
        strategy.tell(cells, told[-1])
    assert max(map(np.mean, told[1:])) > np.mean(told[0])
    assert max(map(max, told[1:])) > np.quantile(told[0], 0.9)
