"""Test that a finished or interrupted search continues under a larger budget, and keeps its evaluations."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seminas.commands import search
from seminas.errors import UserError
from seminas.evaluators.table import TableEvaluator
from seminas.runs.folder import RunFolder

Configure = Callable[..., dict[str, Any]]
STRATEGIES = ("random", "evolution")


@pytest.fixture
def run(configure: Configure, small_table: Path) -> Callable[..., list[str]]:
    """Return a function that runs a search in a folder and returns the lines of its history."""

    def searched(folder: Path, strategy: str, *overrides: str) -> list[str]:
        table = ["evaluator=table", f"evaluator.path={small_table}"]
        config = configure("search", *table, f"strategy={strategy}", *overrides)
        search.run(config, RunFolder(folder), quiet=True)
        return (folder / "history.jsonl").read_text().splitlines()

    return searched


def result_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result.json").read_text())


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("before", "after", "num_after"),
    [
        (["search.max_queries=12"], ["search.max_queries=20"], 20),
        (
            ["search.num_labeled=6", "search.num_new=4", "search.num_rounds=1"],
            ["search.num_labeled=6", "search.num_new=4", "search.num_rounds=3"],
            18,
        ),
    ],
    ids=["max_queries", "num_rounds"],
)
def test_a_finished_search_goes_on_under_a_larger_budget(
    run: Callable[..., list[str]],
    tmp_path: Path,
    strategy: str,
    before: list[str],
    after: list[str],
    num_after: int,
) -> None:
    short = run(tmp_path, strategy, *before)
    best = result_of(tmp_path)["best_val_accuracy"]
    longer = run(tmp_path, strategy, *after)
    assert len(short) < num_after and longer[: len(short)] == short and len(longer) == num_after
    records = [json.loads(line) for line in longer]
    assert len({record["key"] for record in records}) == num_after
    result = result_of(tmp_path)
    assert result["num_queries"] == num_after and result["best_val_accuracy"] >= best
    assert result["best_val_accuracy"] == max(record["val_accuracy"] for record in records)
    key, _, value = after[-1].partition("=")
    assert result["config"]["search"][key.removeprefix("search.")] == int(value)
    # The same command again does nothing, because the search is finished.
    assert run(tmp_path, strategy, *after) == longer and result_of(tmp_path) == result


@pytest.mark.parametrize("strategy", [pytest.param("random", marks=pytest.mark.long), "evolution"])
@pytest.mark.parametrize(
    ("before", "key", "smaller"),
    [
        (["search.max_queries=12"], "search.max_queries", 8),
        (["search.num_labeled=6", "search.num_new=4", "search.num_rounds=2"], "search.num_rounds", 1),
    ],
    ids=["max_queries", "num_rounds"],
)
def test_a_smaller_budget_is_refused_and_changes_nothing(
    run: Callable[..., list[str]], tmp_path: Path, strategy: str, before: list[str], key: str, smaller: int
) -> None:
    run(tmp_path, strategy, *before)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    old = before[-1].partition("=")[2]
    with pytest.raises(UserError) as raised:
        run(tmp_path, strategy, *before[:-1], f"{key}={smaller}")
    assert str(raised.value) == f"{key}={smaller}: must be at least {old}, since {tmp_path} has run with that"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == files


@pytest.mark.parametrize("key", ["target_accuracy", "max_hours"])
def test_a_limit_ends_a_search_after_a_round_and_a_larger_one_goes_on(
    run: Callable[..., list[str]], tmp_path: Path, key: str
) -> None:
    """The limit lies within the second of four rounds, so that the search ends after it, with a result."""
    sizes = ["search.num_labeled=6", "search.num_new=4", "search.num_rounds=3"]
    whole = run(tmp_path / "whole", "random", *sizes)
    records = [json.loads(line) for line in whole]
    if key == "max_hours":
        limits = [sum(r["cost_s"] for r in records[:n]) / 3600 for n in (8, len(records))]
    else:
        first = max(r["val_accuracy"] for r in records[:6])
        limits = [max(r["val_accuracy"] for r in records[:10]), 1.0]
        assert limits[0] > first, "the second round of this seed is not better"
    history = run(tmp_path / "limited", "random", *sizes, f"search.{key}={limits[0]!r}")
    assert history == whole[:10]
    result = result_of(tmp_path / "limited")
    assert result["num_queries"] == 10 and result["test_accuracy"] is not None
    assert run(tmp_path / "limited", "random", *sizes, f"search.{key}={limits[0]!r}") == history
    longer = run(tmp_path / "limited", "random", *sizes, f"search.{key}={limits[1]!r}")
    assert longer == whole and result_of(tmp_path / "limited")["num_queries"] == len(whole)
    with pytest.raises(UserError, match=f"search.{key}=.*: must be at least"):
        run(tmp_path / "limited", "random", *sizes, f"search.{key}={limits[0] / 2!r}")


def test_another_key_does_not_make_it_smaller(run: Callable[..., list[str]], tmp_path: Path) -> None:
    sizes = ["search.num_labeled=6", "search.num_new=4", "search.num_rounds=2"]
    run(tmp_path, "random", *sizes)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(UserError) as raised:
        run(tmp_path, "random", *sizes, "search.max_queries=8")
    line = f"{tmp_path}: search asks for 8 evaluations, and 14 are planned there; ask for at least as many, "
    assert str(raised.value) == f"{line}or choose another hydra.run.dir"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == files


@pytest.mark.parametrize("strategy", [pytest.param("random", marks=pytest.mark.long), "evolution"])
def test_an_interrupted_search_goes_on_under_a_larger_budget(
    run: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    """Check that its history is the same as if the search had ended before it was extended."""
    run(tmp_path / "whole", strategy, "search.max_queries=12")
    evaluate = TableEvaluator.evaluate
    count = [0]

    def interrupted(evaluator: TableEvaluator[object], architectures: list[object]) -> object:
        for answer in evaluate(evaluator, architectures):
            count[0] += 1
            if count[0] == 8:
                raise KeyboardInterrupt
            yield answer

    with monkeypatch.context() as patch:
        patch.setattr(TableEvaluator, "evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "cut", strategy, "search.max_queries=12")
    kept = (tmp_path / "cut" / "history.jsonl").read_text().splitlines()
    assert len(kept) == 7 and not (tmp_path / "cut" / "result.json").exists()
    history = run(tmp_path / "cut", strategy, "search.max_queries=20")
    assert history[:7] == kept and len(history) == 20
    assert history == run(tmp_path / "whole", strategy, "search.max_queries=20")
    assert result_of(tmp_path / "cut")["num_queries"] == 20
