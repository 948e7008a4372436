"""How many evaluations does another strategy need for the accuracy that seminas has after N evaluations?

    python measurements/labels_saved.py space=nasbench201 evaluator.path=nasbench201.npz --out runs/labels-201

The searches are those of ``peers.py``, in the same folder form. So the same command continues after a kill, and the
folder may be one that ``peers.py`` began.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import peers
import typer
from numpy.typing import NDArray
from peers_parts.searches import Problem, Row

RESAMPLES = 2000
"""Number of bootstrap samples of a confidence interval."""
FILE = "labels_saved.csv"
FIELDS = (
    "method",
    "evaluations_of_seminas",
    "validation_accuracy",
    "needed",
    "low",
    "high",
    "budget",
    "seeds",
)


def curves(rows: Sequence[Row], method: str, queries: int, seeds: int) -> NDArray[np.float64]:
    """Return the best validation accuracy so far after each evaluation: ``[seeds, queries]``."""
    of = {row.seed: row.val_accuracies for row in rows if row.method == method and row.queries == queries}
    return np.maximum.accumulate([of[seed] for seed in range(seeds)], axis=1)


def needed(goals: NDArray[np.float64], other: NDArray[np.float64]) -> int | None:
    """Return the first number of evaluations after which a mean curve has the mean goal, or None if it has it never.

    Args:
        goals: Accuracy of each search to compare with, ``[n]``.
        other: Best accuracy so far of each search, ``[n, queries]``.
    """
    reached = np.flatnonzero(other.mean(axis=0) >= goals.mean() - 1e-12)
    return int(reached[0]) + 1 if len(reached) else None


def interval(
    goals: NDArray[np.float64], other: NDArray[np.float64], rng: np.random.Generator
) -> tuple[int | None, int | None]:
    """Return the 95% bootstrap interval of ``needed`` over seeds. None means more evaluations than were made."""
    most = other.shape[1]
    samples = []
    for _ in range(RESAMPLES):
        seeds = rng.integers(len(goals), size=len(goals))
        samples.append(needed(goals[seeds], other[seeds]) or most + 1)
    ends = np.quantile(samples, (0.025, 0.975), method="inverted_cdf")
    low, high = (None if end > most else int(end) for end in ends)
    return low, high


def text(number: int | None, budget: int) -> str:
    """Return a number of evaluations as text."""
    return f"> {budget}" if number is None else str(number)


def main(
    overrides: Annotated[
        list[str], typer.Argument(help="The problem, as settings of seminas-search.", metavar="KEY=VALUE…")
    ],
    at: Annotated[str, typer.Option(help="Evaluations of seminas, with commas.")] = "25,50,100",
    baselines: Annotated[
        str, typer.Option(help="Each strategy with its number of evaluations, with commas.")
    ] = "random:1000,evolution:500,local_search:500",
    seeds: Annotated[int, typer.Option(help="Seeds, from 0.", min=2)] = 20,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the results.")] = Path("runs/labels"),
) -> None:
    """Measure the evaluations that each baseline needs for the mean best validation accuracy of seminas.

    The interval is a bootstrap over seeds (95%), which resamples the searches of both.
    """
    if not any(override.startswith("evaluator=") for override in overrides):
        overrides = ["evaluator=table", *overrides]
    budgets = {name: int(number) for name, number in (b.split(":") for b in baselines.split(","))}
    for methods, queries in (("seminas", at), *((name, str(n)) for name, n in budgets.items())):
        peers.main(overrides=overrides, methods=methods, queries=queries, seeds=seeds, repeats=200, out=out)
    rows = peers.read_rows(out / "results.jsonl", Problem(overrides).name)
    lines = []
    for name, budget in budgets.items():
        other = curves(rows, name, budget, seeds)
        for number in map(int, at.split(",")):
            goals = curves(rows, "seminas", number, seeds)[:, -1]
            low, high = interval(goals, other, np.random.default_rng(0))
            found = needed(goals, other)
            ends = [text(n, budget) for n in (found, low, high)]
            lines.append((name, number, f"{goals.mean():.5f}", *ends, budget, seeds))
            print(
                f"{name}: {ends[0]} evaluations (95%: {ends[1]} to {ends[2]}) for the {goals.mean():.4f} of seminas "
                f"after {number}"
            )
    with (out / FILE).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([FIELDS, *lines])


if __name__ == "__main__":
    typer.run(main)
