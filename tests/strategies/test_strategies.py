from collections.abc import Callable

import numpy as np
import pytest

from seminas.controller import ControllerSettings
from seminas.errors import UserError
from seminas.spaces.nasbench101 import Cell, NASBench101
from seminas.spaces.subset import Subset
from seminas.strategies import seminas as seminas_module
from seminas.strategies.base import Strategy
from seminas.strategies.random import RandomSearch
from seminas.strategies.seminas import SemiNAS

SMALL = ControllerSettings(hidden=16, layers=2, labeled_steps=20, pseudo_steps=20)
Make = Callable[[NASBench101, int], Strategy[Cell]]


def semi(space: NASBench101, seed: int, ratio: float = 10) -> SemiNAS[Cell]:
    return SemiNAS(space, seed, SMALL, ratio, num_seeds=20, max_steps=5, pool=200)


MAKERS: dict[str, Make] = {
    "random": RandomSearch,
    "seminas": semi,
    "nao": lambda space, seed: semi(space, seed, 0),
}


def accuracy(cell: Cell) -> float | None:
    """Fails for one cell in five."""
    return None if cell.edges % 5 == 0 else 0.5 + 0.1 * (cell.operations % 4)


@pytest.mark.parametrize("name", MAKERS)
def test_asks_for_new_ones_and_follows_from_what_it_was_told(space: NASBench101, name: str) -> None:
    asked: list[list[Cell]] = []
    strategy = MAKERS[name](space, 0)
    for size in (10, 7, 7):
        asked.append(strategy.ask(size))
        assert len(set(asked[-1])) == size
        strategy.tell(asked[-1], [accuracy(cell) for cell in asked[-1]])
    everything = [cell for part in asked for cell in part]
    assert len(set(everything)) == len(everything) == 24
    # Another one that was told the first two rounds goes on alike: this is how a search resumes.
    resumed = MAKERS[name](space, 0)
    for part in asked[:2]:
        resumed.tell(part, [accuracy(cell) for cell in part])
    assert resumed.ask(7) == asked[2]
    assert MAKERS[name](space, 1).ask(10) != asked[0]


@pytest.mark.parametrize("name", MAKERS)
def test_of_a_part_of_the_space_only_members_and_in_the_end_all(space: NASBench101, name: str) -> None:
    part = Subset(space, np.arange(100, 160))
    strategy = MAKERS[name](part, 0)  # type: ignore[arg-type]
    seen: set[Cell] = set()
    for size in (20, 20, 15, 15):
        cells = strategy.ask(size)
        part.index(cells)
        strategy.tell(cells, [accuracy(cell) for cell in cells])
        seen |= set(cells)
    assert len(seen) == 60
    assert strategy.ask(5) == []


def test_nothing_but_failures_is_answered_at_random(space: NASBench101) -> None:
    strategy = semi(space, 0)
    cells = strategy.ask(5)
    strategy.tell(cells, [None] * 5)
    assert len(strategy.ask(5)) == 5


@pytest.mark.parametrize(("ratio", "expected"), [(0, 0), (10, 100), (2.55, 26)])
def test_pseudo_labels_are_in_proportion_to_the_first_round(
    space: NASBench101, monkeypatch: pytest.MonkeyPatch, ratio: float, expected: int
) -> None:
    fit = seminas_module.fit_controller
    fitted = []

    def watched(space, settings, architectures, accuracies, seed, unlabeled):  # type: ignore[no-untyped-def]
        fitted.append((len(architectures), len(unlabeled)))
        assert not set(unlabeled) & set(strategy.told)
        return fit(space, settings, architectures, accuracies, seed, unlabeled)

    monkeypatch.setattr(seminas_module, "fit_controller", watched)
    strategy = semi(space, 0, ratio)
    for size in (10, 4):
        cells = strategy.ask(size)
        strategy.tell(cells, [0.9 + 0.01 * i for i in range(len(cells))])
    strategy.ask(4)
    assert fitted == [(10, expected), (14, expected)]


def test_it_finds_what_is_good(space: NASBench101) -> None:
    """On accuracies that follow from the cell, the later rounds are better than random ones."""
    strategy = SemiNAS(
        space, 0, ControllerSettings(labeled_steps=150, pseudo_steps=100), 20, pool=2_000, max_steps=10
    )

    def good(cell: Cell) -> float:
        return 0.7 + 0.04 * cell.labels.count("conv3x3-bn-relu")

    means = []
    for _ in range(3):
        cells = strategy.ask(30)
        values = [good(cell) for cell in cells]
        means.append(np.mean(values))
        strategy.tell(cells, values)
        assert strategy.round == 1 or set(strategy.predictions) == set(cells)
    assert means[2] > means[0] + 0.06
    assert max(v for v in strategy.told.values() if v is not None) == pytest.approx(0.9)


@pytest.mark.parametrize(
    "change",
    [
        {"num_seeds": 0},
        {"max_steps": 0},
        {"step_size": 0.0},
        {"favorites": 1.1},
        {"overgenerate": 0.5},
        {"pool": -1},
    ],
)
def test_settings_that_cannot_be_are_refused_by_their_key(
    space: NASBench101, change: dict[str, float]
) -> None:
    with pytest.raises(UserError, match=f"strategy.{next(iter(change))}="):
        SemiNAS(space, 0, SMALL, 10, **change)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="search.pseudo_label_ratio=-1"):
        SemiNAS(space, 0, SMALL, -1)
