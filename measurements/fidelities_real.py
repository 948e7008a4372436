"""Fidelities in real trainings, on the cells and the data of ``make search``.

    python measurements/fidelities_real.py ranks --number 40 --folder runs/fidelities_real
    python measurements/fidelities_real.py searches --seeds 5 --minutes 10 --folder runs/fidelities_real

``ranks`` trains random cells. It prints the rank correlation (Kendall's τ) of the accuracy after few epochs with the
accuracy of full trainings from other seeds, for several ways to measure after few epochs, and the mean accuracies of
full trainings. ``searches`` compares searches with and without fidelities in equal time on the same machine. Both go on
where an earlier call has ended.
"""

import csv
import logging
import os
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated, Any

import numpy as np
import typer
from scipy.stats import kendalltau, wilcoxon

import seminas
from seminas.config.recipe import STABLE, Recipe
from seminas.evaluators.trial import Trial
from seminas.spaces.nasbench101 import NASBench101
from seminas.spaces.rungs import Rung

app = typer.Typer()
DIGITS = {"_target_": "seminas.training.data.memory.digits", "batch_size": 64}
SKELETON = {"stem_channels": 16, "num_stacks": 2, "cells_per_stack": 1, "batch_norm_momentum": 0.1}
LEVELS = (1, 2, 4)
DEFAULT = Recipe(epochs=8, learning_rate=0.2, weight_decay=1e-4, networks={"nasbench101": SKELETON})
"""The recipe of ``conf/data/digits.yaml``."""
WSD = replace(DEFAULT, schedule=STABLE)
MEASURES: dict[str, tuple[Recipe, bool]] = {
    "one_cycle": (DEFAULT, False),
    "wsd": (WSD, False),
    "wsd, mean weights": (replace(WSD, ema=0.95), False),
    "wsd, cooldown": (WSD, True),
}
"""Recipe, and whether a short training has a cooldown. The others are measured in the middle of the schedule."""
FULL = {
    "one_cycle": DEFAULT,
    "wsd": WSD,
    "wsd, warm-up": replace(WSD, warmup_epochs=1.0),
    "wsd, decay 0.5": replace(WSD, decay_share=0.5),
}
"""Recipes of full trainings."""
TRUTH_SEEDS = (1, 2)
SEARCHES = {
    "full trainings": [],
    "halving": ["fidelity=halving", "evaluator.fidelities=[2,4,8]"],
    "halving, wsd": [
        *("fidelity=halving", "evaluator.fidelities=[2,4,8]"),
        *(f"data.recipe.schedule={STABLE}", "data.recipe.warmup_epochs=1"),
    ],
}


def measured(cell: Any, recipe: Recipe, seed: int, cooldown: bool | None = None) -> dict[str, float]:
    """Return the validation accuracies of a cell after the levels and after a full training.

    Args:
        cell: The cell.
        recipe: Recipe of the full training.
        seed: Seed of the training.
        cooldown: Whether short trainings have a cooldown. None means a full training alone.
    """
    space, found = NASBench101(), {}
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(space, DIGITS, recipe, seed, "cpu", Path(folder), cooldown=bool(cooldown))
        before = 0
        for epochs in (*(LEVELS if cooldown is not None else ()), recipe.epochs):
            rung = Rung(cell, epochs, before)
            found[str(epochs)] = trial.run(rung, ("val",)).metrics["val"]
            before = epochs
    return found


@app.command()
def ranks(
    folder: Annotated[Path, typer.Option(help="Folder of the measurements.")],
    number: Annotated[int, typer.Option(help="Random cells.")] = 40,
) -> None:
    """Measure which accuracy after few epochs ranks cells as full trainings do."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = NASBench101().sample(number, np.random.default_rng(0))
    path = folder / "ranks.csv"
    rows = list(csv.DictReader(path.open())) if path.exists() else []
    for i in range(len(rows), number):
        row: dict[str, Any] = {"cell": i}
        for name, (recipe, cooldown) in MEASURES.items():
            accuracies = measured(cells[i], recipe, 0, cooldown)
            row |= {f"{name}/{epochs}": value for epochs, value in accuracies.items()}
        for name, recipe in FULL.items():
            for seed in TRUTH_SEEDS:
                row[f"full {name}/{seed}"] = measured(cells[i], recipe, seed)[str(recipe.epochs)]
        rows.append({key: str(value) for key, value in row.items()})
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    column = {key: np.array([float(row[key]) for row in rows[:number]]) for key in rows[0]}
    full = {name: np.mean([column[f"full {name}/{s}"] for s in TRUTH_SEEDS], axis=0) for name in FULL}
    for name, values in full.items():
        line = f"full training, {name:18} {values.mean():.4f} ± {values.std(ddof=1):.4f}"
        if name == "one_cycle":
            line += f", median {np.median(values):.4f}"
        else:
            change = values - full["one_cycle"]
            line += f", median {np.median(values):.4f}, change {change.mean():+.4f}, p = {wilcoxon(change).pvalue:.3g}"
        print(f"{line}  ({number} cells, {len(TRUTH_SEEDS)} seeds)")
    for name, (recipe, _) in MEASURES.items():
        truth = full[name if name in full else "wsd"]
        taus = [
            kendalltau(column[f"{name}/{epochs}"], truth).statistic for epochs in (*LEVELS, recipe.epochs)
        ]
        shown = ", ".join(f"{tau:.2f}" for tau in taus)
        print(f"τ after {', '.join(map(str, LEVELS))} and {recipe.epochs} epochs, {name:18} {shown}")


@app.command()
def searches(
    folder: Annotated[Path, typer.Option(help="Folder of the runs.")],
    seeds: Annotated[int, typer.Option(help="Seeds, from 0.")] = 5,
    minutes: Annotated[float, typer.Option(help="Time of each search.")] = 10.0,
    num_workers: Annotated[int, typer.Option(help="Trainings at the same time.")] = 2,
    strategy: Annotated[str, typer.Option(help="Strategy of all searches.")] = "seminas",
    only: Annotated[list[str] | None, typer.Option(help="Names of the searches. All by default.")] = None,
) -> None:
    """Compare searches in equal time. The test accuracy is of a full training of the best cell."""
    rounds = round(10 * minutes)  # More than the time allows.
    best: dict[str, list[float]] = {}
    for seed in range(seeds):
        for name in only or SEARCHES:
            overrides = [
                *SEARCHES[name],
                f"strategy={strategy}",
                f"evaluator.num_workers={num_workers}",
                f"search.max_hours={minutes / 60}",
                "search.num_labeled=25",
                "search.num_new=25",
                f"search.num_rounds={rounds}",
                f"seed={seed}",
            ]
            run = folder / f"{name}-{minutes:g}-{seed}".replace(", ", "-").replace(" ", "-")
            result = seminas.search(overrides, folder=run, quiet=True)
            best.setdefault(name, []).append(result.best_value)
            print(
                f"seed {seed}  {name:16} best {result.best_value:.4f}  test {result.test_value:.4f}  "
                f"{result.num_queries} evaluations, cost {result.total_cost or result.num_queries:.1f}, "
                f"ended by {result.ended_by}",
                flush=True,
            )
    baseline = best.get("full trainings")
    for name, values in best.items():
        line = f"{name:16} {fmean(values):.4f} ± {stdev(values) if seeds > 1 else 0:.4f}"
        if baseline is not None and values is not baseline and values != baseline:
            line += f"  paired test: p = {wilcoxon(values, baseline).pvalue:.3f}"
        print(f"{line}  ({seeds} seeds, {minutes:g} minutes, {num_workers} of {os.cpu_count()} cores)")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    app()
