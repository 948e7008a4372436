"""Artificial run folders of searches on ``nasbench_macro``, for tests of reports."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seminas.runs.folder import RunFolder
from seminas.runs.metric import ACCURACY, Metric
from seminas.runs.results import FrontMember, SearchResult

MACS, LATENCY = Metric("macs", "minimize"), Metric("latency_ms", "minimize", "ms")
REFERENCE = {"val_accuracy": 0.7, "macs": 50.0, "latency_ms": 30.0}

QUERIES = 12


def accuracies(strategy: str, seed: int, n: int) -> np.ndarray:
    better = {"random": 0.0, "evolution": 0.02, "seminas": 0.03}[strategy]
    return np.random.default_rng([seed, n]).uniform(0.8, 0.9, QUERIES).round(4) + better


def costs_of(choices: dict[str, str]) -> dict[str, float]:
    numbers = [int(choice) for choice in choices.values()]
    return {
        "macs": 5.0 + sum(n * n for n in numbers),
        "latency_ms": 1.0 + sum(numbers[:4]) + 0.5 * numbers[7],
    }


def dominates(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((one >= other).all() and (one > other).any())


def write_run(
    folder: Path,
    strategy: str,
    seed: int,
    n: int = 4,
    finished: bool = True,
    costs: Sequence[Metric] = (),
) -> None:
    """Write the run folder of a search on ``nasbench_macro``. Its test accuracy is half of its validation accuracy.

    Args:
        folder: Run folder.
        strategy: Name of the strategy.
        seed: Seed.
        n: Number of labels.
        finished: Whether the run has a result.
        costs: Objectives after the accuracy.
    """
    folder.mkdir(parents=True)
    values = accuracies(strategy, seed, n)
    rng = np.random.default_rng([seed, n, 1])
    lines, incumbents, members = [], [], []
    for i, value in enumerate(values):
        choices = {f"layer{p + 1}": str(c) for p, c in enumerate(rng.integers(0, 3, 8))}
        predicted = value - 0.01 if strategy == "seminas" and i >= n else None
        record = {"index": i, "round": i // n, "architecture": choices, "key": "".join(choices.values())}
        record |= {"val_accuracy": value, "cost_s": 36.0, "prediction": predicted, "error": None}
        if strategy == "seminas":
            record["origin"] = "random" if i < n else "gradient"
        if costs:
            record["metrics"] = {metric.name: costs_of(choices)[metric.name] for metric in costs}
            objectives = {ACCURACY.name: value, **record["metrics"]}
            tests = {ACCURACY.name: value / 2}
            about = {"index": i, "architecture": choices, "key": record["key"]}
            members.append(FrontMember(**about, values=objectives, test_values=tests))
        lines.append(json.dumps(record) + "\n")
        if value == values[: i + 1].max():
            incumbents.append({"index": i, "val_accuracy": value, "test_accuracy": value / 2})
            best: dict[str, Any] = record
    (folder / "history.jsonl").write_text("".join(lines))
    config = {
        "seed": seed,
        "space": {
            "_target_": "seminas.spaces.sequence.SequenceSpace",
            "name": "nasbench_macro",
            "positions": {f"layer{p + 1}": ["0", "1", "2"] for p in range(8)},
        },
        "evaluator": {"_target_": "seminas.evaluators.table.TableEvaluator", "path": "some/macro.npz"},
        "strategy": {"_target_": strategy, **({"population_size": 10} if strategy == "evolution" else {})},
        "search": {"num_labeled": n, "pseudo_label_ratio": 100},
        "names": {"strategy": strategy, "space": "nasbench_macro"},
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    result = SearchResult(
        strategy=strategy,
        evaluator="table",
        space="nasbench_macro",
        seed=seed,
        wall_s=1.0,
        config=config,
        num_queries=QUERIES,
        num_failures=0,
        best_architecture=best["architecture"],
        best_key=best["key"],
        best_value=values.max(),
        test_value=values.max() / 2,
        parameters=None,
        incumbents=incumbents,
        best_there_is={"val_accuracy": 0.95, "test_accuracy": 0.48},
        cost_s=36.0 * QUERIES,
    )
    if costs:
        scores = [[m["values"][c.name] * c.sign for c in (ACCURACY, *costs)] for m in members]
        rows = np.array(scores)
        front = [m for m, row in zip(members, rows, strict=True) if not any(dominates(r, row) for r in rows)]
        reference = {metric.name: REFERENCE[metric.name] for metric in (ACCURACY, *costs)}
        result = replace(result, objectives=[ACCURACY, *costs], pareto=front, reference=reference)
    if finished:
        RunFolder(folder).write_result(result)
