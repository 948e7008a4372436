"""Test that the same seed and config still give the histories of version 0.1.0, byte for byte.

Version 0.1.0 recorded them with the arithmetic of ``portable.py``.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from pictures import write_pictures

from integration.recorded.portable import history_of, search

RECORDED = Path(__file__).parent / "histories"
OTHERS = ("random", "seminas", "gaussian_process")
"""Strategies of the long tests."""
CAMPAIGN = ("local_search", "nao", "seminas_evolution", "bananas")
"""Strategies of the campaign. The others have the same parts."""
AS_BEFORE = {
    "seminas": ["strategy.improvement=0"],
}
"""Settings with which a strategy asks for what version 0.1 asked for.

The Gaussian process of version 0.1 is gone. That of version 0.2 recorded its own history.
"""
STRATEGIES = (
    "evolution",
    *(pytest.param(s, marks=pytest.mark.long) for s in OTHERS),
    *(pytest.param(s, marks=[pytest.mark.long, pytest.mark.campaign]) for s in CAMPAIGN),
)


def without_cost(history: Path) -> list[dict[str, Any]]:
    """Return the lines of a history without the times, which vary."""
    lines = [json.loads(line) for line in history.read_text().splitlines()]
    return [
        {name: value for name, value in line.items() if name not in ("cost_s", "ended_s", "origin")}
        for line in lines
    ]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_asks_for_what_it_asked_for(tmp_path: Path, strategy: str) -> None:
    table = ["evaluator=table", "evaluator.path=digits101", "search.max_queries=40"]
    search(*table, f"strategy={strategy}", *AS_BEFORE.get(strategy, ()), folder=tmp_path / "run")
    assert history_of(tmp_path / "run") == (RECORDED / f"{strategy}.jsonl").read_bytes()


@pytest.mark.long
def test_a_training_gives_what_it_gave(tmp_path: Path) -> None:
    sizes = ["search.num_labeled=4", "search.num_new=3", "search.num_rounds=1", "search.asynchronous=false"]
    sizes += ["data.recipe.epochs=1"]
    search("strategy=evolution", *sizes, folder=tmp_path / "run")
    assert without_cost(tmp_path / "run" / "history.jsonl") == without_cost(RECORDED / "training.jsonl")


@pytest.mark.long
def test_a_supernet_gives_what_it_gave(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "pictures", train=30, val=4)
    search(
        "experiment=pictures",
        "data=pictures",
        f"data.images.root={pictures}",
        "data.images.num_validation=24",
        "data.images.num_calibration=16",
        "data.images.stratify=false",  # As version 0.1 drew them.
        "data.images.batch_size=8",
        "space=mobilenet_small",
        "strategy=random",
        "search.num_labeled=3",
        "search.num_new=2",
        "search.num_rounds=1",
        "evaluator.first_steps=3",
        "evaluator.round_steps=2",
        folder=tmp_path / "run",
    )
    history = tmp_path / "run" / "history.jsonl"
    assert without_cost(history) == without_cost(RECORDED / "supernet.jsonl")
    revisions = (tmp_path / "run" / "revisions.jsonl").read_bytes()
    assert revisions == (RECORDED / "supernet-revisions.jsonl").read_bytes()
