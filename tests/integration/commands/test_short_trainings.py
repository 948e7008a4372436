"""Searches with fidelities on real trainings: costs, kills, limits of the disk, and continued searches."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import seminas
from learning import ThisProcess
from seminas.errors import UserError
from seminas.runs.records import Record, read_history
from seminas.training.classifier import Classifier

SMALL = [
    "strategy=random",
    "fidelity=halving",
    "fidelity.reduction=2",
    "data.recipe.epochs=3",
    "evaluator.fidelities=[1,2,3]",
    "data.images._target_=campaign.users.few_digits",
    *(
        f"data.recipe.networks.nasbench101.{name}"
        for name in ("stem_channels=4", "num_stacks=1", "cells_per_stack=1")
    ),
]
COOLDOWN = ["data.recipe.schedule=warmup_stable_decay"]


class Killed(BaseException):
    """A simulated kill."""


@pytest.fixture(autouse=True)
def begun(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Train in this process. Return the epochs that begin, in order."""
    monkeypatch.setattr(
        "seminas.evaluators.training.make_engine", lambda settings, target, folder: ThisProcess(target)
    )
    epochs: list[int] = []
    monkeypatch.setattr(
        Classifier, "on_train_epoch_start", lambda module: epochs.append(module.current_epoch)
    )
    return epochs


def search(folder: Path, *overrides: str) -> Any:
    return seminas.search([*SMALL, *overrides], folder=folder, quiet=True)


def plain(records: Sequence[Record]) -> list[tuple[Any, ...]]:
    return [(r.key, r.epochs, r.value, r.cost, r.partial) for r in records]


@pytest.mark.parametrize("schedule", [[], COOLDOWN], ids=["one_cycle", "cooldown"])
def test_costs_are_the_epochs_that_were_trained(
    tmp_path: Path, begun: list[int], schedule: list[str]
) -> None:
    result = search(tmp_path, *schedule, "search.max_cost=4")
    records = read_history(tmp_path)
    trained = round(3 * sum(record.cost or 0.0 for record in records))
    assert len(begun) == trained + 3  # The test trains the best architecture again.
    assert 3 <= result.total_cost <= 4 + 1e-9 and result.ended_by == "max_cost"
    reached: defaultdict[str, list[int]] = defaultdict(list)
    for record in records:
        reached[record.key].append(record.epochs or 0)
        before = [0, *reached[record.key]][-2]
        # A longer training begins where the cooldown of the shorter one began: one epoch before its end.
        start = max(0, before - 1) if schedule else before
        assert record.cost == pytest.approx(((record.epochs or 0) - start) / 3)
    assert result.best_value == max(record.final for record in records if record.final is not None)
    assert any(epochs == [1, 2, 3] for epochs in reached.values())
    full = {key for key, epochs in reached.items() if 3 in epochs}
    assert len(list((tmp_path / "trainings" / "kept").iterdir())) <= len(reached) - len(full)


@pytest.mark.parametrize(
    "schedule", [pytest.param([], marks=pytest.mark.long), COOLDOWN], ids=["one_cycle", "cooldown"]
)
def test_a_killed_search_trains_nothing_twice(
    tmp_path: Path, begun: list[int], monkeypatch: pytest.MonkeyPatch, schedule: list[str]
) -> None:
    """Kill the search when each fourth epoch begins. It ends as the whole one, and only these epochs begin again."""
    arguments = [*schedule, "search.max_cost=3", "evaluator.checkpoint_every_s=0"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    search(whole, *arguments)
    number, kills = len(begun), 0
    begun.clear()

    def note(module: Classifier) -> None:
        begun.append(module.current_epoch)
        if len(begun) % 4 == 0:
            raise Killed

    monkeypatch.setattr(Classifier, "on_train_epoch_start", note)
    while not (killed / "result.json").exists():
        try:
            search(killed, *arguments)
        except Killed:
            kills += 1
    assert plain(read_history(killed)) == plain(read_history(whole)) and kills >= 2
    assert len(begun) <= number + kills + 3  # A test of the best architecture has no checkpoint.


def test_a_larger_cost_continues_a_finished_search(tmp_path: Path, begun: list[int]) -> None:
    search(tmp_path, "search.max_cost=3")
    first = (tmp_path / "history.jsonl").read_bytes()
    number = len(begun)
    result = search(tmp_path, "search.max_cost=4")
    assert (tmp_path / "history.jsonl").read_bytes().startswith(first)
    later = read_history(tmp_path)[len(first.splitlines()) :]
    assert len(begun) - number == round(3 * sum(r.cost or 0.0 for r in later)) + 3
    assert 3 < result.total_cost <= 4 + 1e-9


def test_without_room_for_checkpoints_every_promotion_pays_in_full(tmp_path: Path) -> None:
    search(tmp_path, "search.max_cost=5", "evaluator.max_checkpoint_gb=0")
    records = read_history(tmp_path)
    assert all(record.cost == pytest.approx((record.epochs or 0) / 3) for record in records)
    assert {record.epochs for record in records} == {1, 2, 3}
    assert list((tmp_path / "trainings" / "kept").iterdir()) == []


@pytest.mark.parametrize("evaluator", ["landscape", "proxy", "command"])
def test_other_evaluators_have_no_fidelities(tmp_path: Path, evaluator: str) -> None:
    more = {
        "landscape": ["space=sequence", "space.positions={a: [1, 2, 3], b: [1, 2, 3]}"],
        "command": ["evaluator.command=echo", "evaluator.metric=accuracy", "evaluator.mode=max"],
    }.get(evaluator, [])
    overrides = [f"evaluator={evaluator}", *more, "strategy=random", "fidelity=halving"]
    with pytest.raises(
        UserError, match="^fidelity=halving: must be none with an evaluator without fidelities"
    ):
        seminas.search(overrides, folder=tmp_path / "run", quiet=True)
    assert not (tmp_path / "run" / "history.jsonl").exists()


@pytest.mark.long
def test_an_imported_short_training_begins_again_when_it_is_promoted(
    tmp_path: Path, begun: list[int]
) -> None:
    search(tmp_path / "old", "search.max_cost=3", "seed=1")
    begun.clear()
    old = f"search.import_from=[{tmp_path / 'old'}]"
    search(tmp_path / "new", old, "search.max_cost=2", "seed=1")
    imported = {r.key for r in read_history(tmp_path / "old")}
    records = read_history(tmp_path / "new")
    reached: defaultdict[str, int] = defaultdict(int)
    for record in records:
        assert record.cost == pytest.approx(((record.epochs or 0) - reached[record.key]) / 3)
        reached[record.key] = record.epochs or 0
    assert any(record.key in imported for record in records)
    assert len(begun) == round(3 * sum(record.cost or 0.0 for record in records)) + 3
