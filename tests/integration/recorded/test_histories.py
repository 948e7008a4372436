"""Test that the same seed and config still give the histories of version 0.1.0, byte for byte."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pictures import write_pictures

from seminas.commands import search
from seminas.runs.folder import RunFolder

RECORDED = Path(__file__).parent / "histories"
STRATEGIES = (
    "seminas",
    "nao",
    "seminas_evolution",
    "evolution",
    "local_search",
    "bananas",
    "gaussian_process",
    "random",
)
EXACT = ("evolution", "local_search", "random")
"""Strategies that use no floating-point arithmetic of libraries. Its last digits differ between processors."""
Configure = Callable[..., dict[str, Any]]


def same_arithmetic() -> None:
    """Skip the test if its numbers were recorded on another kind of processor."""
    recorded = json.loads((RECORDED / "recorded_with.json").read_text())
    this_machine = {"cpu_capability": torch.backends.cpu.get_cpu_capability()}
    if this_machine != recorded:
        pytest.skip(f"recorded with {recorded}, this machine has {this_machine}")


def without_cost(history: Path) -> list[dict[str, Any]]:
    """Return the lines of a history without the cost, because the time of a training varies."""
    lines = [json.loads(line) for line in history.read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "cost_s"} for line in lines]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_asks_for_what_it_asked_for(
    configure: Configure, tmp_path: Path, strategy: str
) -> None:
    if strategy not in EXACT:
        same_arithmetic()
    table = ["evaluator=table", "evaluator.path=digits101", "search.max_queries=40"]
    search.run(configure("search", *table, f"strategy={strategy}"), RunFolder(tmp_path), quiet=True)
    assert (tmp_path / "history.jsonl").read_bytes() == (RECORDED / f"{strategy}.jsonl").read_bytes()


def test_a_training_gives_what_it_gave(configure: Configure, tmp_path: Path) -> None:
    same_arithmetic()
    sizes = ["search.num_labeled=4", "search.num_new=3", "search.num_rounds=1", "data.recipe.epochs=1"]
    config = configure("search", "strategy=evolution", *sizes)
    search.run(config, RunFolder(tmp_path), quiet=True)
    assert without_cost(tmp_path / "history.jsonl") == without_cost(RECORDED / "training.jsonl")


def test_a_supernet_gives_what_it_gave(configure: Configure, tmp_path: Path) -> None:
    same_arithmetic()
    pictures = write_pictures(tmp_path / "pictures", train=30, val=4)
    config = configure(
        "search",
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
    )
    search.run(config, RunFolder(tmp_path / "run"), quiet=True)
    history = tmp_path / "run" / "history.jsonl"
    assert without_cost(history) == without_cost(RECORDED / "supernet.jsonl")
    revisions = (tmp_path / "run" / "revisions.jsonl").read_bytes()
    assert revisions == (RECORDED / "supernet-revisions.jsonl").read_bytes()
