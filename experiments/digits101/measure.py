"""Trains every cell of at most 5 vertices on the digits, three seeds each, and packs the table ``digits101``.

    python experiments/digits101/measure.py train     # more than an hour on two cores; goes on where it was stopped
    python experiments/digits101/measure.py pack      # writes src/seminas/tables/digits101.npz
    python experiments/digits101/measure.py show      # writes results.csv and the figures beside this file

Needs a checkout with ``make test`` run once. Each training is that of ``seminas-search`` with its defaults
(``evaluator=training data=digits``): the same seed gives the same accuracy there.
"""

import csv
import json
import os
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn
from scipy.stats import kendalltau

from seminas.config import build
from seminas.config.check import checked
from seminas.config.compose import compose
from seminas.config.recipe import Recipe
from seminas.evaluators.base import Evaluator
from seminas.loop.drawing import draw_architecture
from seminas.spaces.cost import count_macs, count_parameters
from seminas.spaces.nasbench101 import NASBench101
from seminas.spaces.nasbench101.enumeration import NUM_CELLS
from seminas.storage.files import atomic_write
from seminas.tables import table as tables

MAX_VERTICES, SEEDS = 5, (0, 1, 2)
HERE = Path(__file__).resolve().parent
MEASURED = HERE / "measured.jsonl"
TABLE = HERE.parents[1] / "src" / "seminas" / "tables" / "digits101.npz"
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)
File = Annotated[Path, typer.Option(help="Where the trainings are written, a line each.")]


def num_cells() -> int:
    """The cells are the first of the enumeration, which is ordered by vertices."""
    return sum(number for vertices, number in NUM_CELLS.items() if vertices <= MAX_VERTICES)


def read(file: Path) -> dict[tuple[int, int], dict[str, float]]:
    """Return the trainings so far by (seed, cell); a half-written last line is left out."""
    if not file.exists():
        return {}
    lines = file.read_text().split("\n")[:-1]
    rows = [json.loads(line) for line in lines]
    return {(row["seed"], row["cell"]): row for row in rows}


def digits_config() -> dict[str, Any]:
    """Return the config of ``seminas-search`` with its defaults."""
    return checked(compose("search", ["evaluator=training", "data=digits"]), "search")


@app.command()
def train(file: File = MEASURED) -> None:
    """Train what is not trained yet."""
    space = NASBench101()
    done = read(file)
    with atomic_write(file) as whole:
        whole.write("".join(json.dumps(row) + "\n" for row in done.values()).encode())
    config = digits_config()
    columns = (
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress, file.open("a") as out:
        for seed in SEEDS:
            todo = [cell for cell in range(num_cells()) if (seed, cell) not in done]
            task = progress.add_task(f"seed {seed}", total=num_cells(), completed=num_cells() - len(todo))
            if not todo:
                continue
            recipe = build.read(config["data"]["recipe"], "data.recipe", Recipe)
            context = {"space": space, "seed": seed, "images": config["data"]["images"], "recipe": recipe}
            evaluator: Any = build.build_section(config, "evaluator", Evaluator, **context)
            for position, outcome in evaluator.measure(space.at(np.array(todo)), ("val", "test")):
                if outcome.error is not None:
                    raise RuntimeError(f"cell {todo[position]}: {outcome.error}")
                row = {"seed": seed, "cell": todo[position], **outcome.accuracies, "cpu_s": outcome.cpu_s}
                out.write(json.dumps(row) + "\n")
                out.flush()
                os.fsync(out.fileno())
                progress.advance(task)
            evaluator.close()


@app.command()
def pack(file: File = MEASURED, out: Annotated[Path, typer.Option(help="The table.")] = TABLE) -> None:
    """Pack the trainings into a table."""
    space, done = NASBench101(), read(file)
    missing = len(SEEDS) * num_cells() - len(done)
    if missing:
        raise typer.BadParameter(f"{file}: {missing} trainings are missing: run train first")
    cells = np.arange(num_cells())

    def runs(name: str) -> np.ndarray:
        return np.array([[done[seed, cell][name] for seed in SEEDS] for cell in cells])

    skeleton = digits_config()["data"]["recipe"]["networks"]["nasbench101"]
    networks = [space.build_network(cell, 10, 1, **skeleton) for cell in space.at(cells)]
    columns = {
        "val": tables.accuracy_column(runs("val")),
        "test": tables.accuracy_column(runs("test")),
        "cost": tables.seconds_column(runs("cpu_s")),
        "parameters": tables.count_column(np.array([[count_parameters(n)] for n in networks])),
        "macs": tables.count_column(np.array([[count_macs(n, (1, 8, 8))] for n in networks])),
    }
    origin = {
        "measured by": "experiments/digits101/measure.py",
        "trained on": "scikit-learn's digits, 896 images, 8 epochs; validation on 450, test on 451",
        "runs": f"seeds {', '.join(map(str, SEEDS))}",
        "cost is": "processor seconds on one core",
        "licence": "Apache-2.0, as the package",
    }
    defaults = {role: role for role in ("val", "test", "cost")}
    tables.save_table(tables.Table(space.name, space.fingerprint(), cells, columns, defaults, origin), out)
    print(f"{out}: {out.stat().st_size / 1000:.0f} kB")


@app.command()
def show(table: Annotated[Path, typer.Option(help="The table.")] = TABLE) -> None:
    """Write what the table shows: results.csv, and figures of accuracies and of the best cells."""
    space = NASBench101()
    found = tables.load_table(table, space)
    val, test = found.columns["val"].at(), found.columns["test"].at()
    rows = describe(val, test)
    rows["hours of one processor"] = float(found.columns["cost"].at().sum() / 3600)
    with (HERE / "results.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("quantity", "value"), *((name, f"{value:.4f}") for name, value in rows.items())]
        )
    for name, value in rows.items():
        print(f"{name:<55}{value:.4f}")
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    left.hist([val.mean(axis=1), test.mean(axis=1)], bins=40, label=["validation", "test"])
    left.set(xlabel="mean accuracy of three seeds", ylabel="cells")
    left.legend()
    middle.scatter(val[:, 0], val[:, 1], s=3, alpha=0.3)
    middle.set(xlabel="validation accuracy, seed 0", ylabel="validation accuracy, seed 1")
    right.scatter(val.mean(axis=1), test.mean(axis=1), s=3, alpha=0.3)
    right.set(xlabel="mean validation accuracy", ylabel="mean test accuracy")
    figure.savefig(HERE / "accuracies.png", dpi=110)
    for rank, cell in enumerate(np.argsort(-val.mean(axis=1), kind="stable")[:3], start=1):
        drawing = draw_architecture(space, space.at(found.index[[cell]])[0])
        drawing.suptitle(f"validation {val[cell].mean():.4f}, test {test[cell].mean():.4f}")
        drawing.savefig(HERE / f"best{rank}.png", dpi=80)


def describe(val: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """Return what the accuracies, fractions ``[cells, seeds]``, say of the benchmark."""
    pairs = list(combinations(range(val.shape[1]), 2))
    best = val.mean(axis=1).argmax()
    return {
        "validation accuracy, median of cells": float(np.median(val.mean(axis=1))),
        "validation accuracy, best mean": float(val.mean(axis=1).max()),
        "validation accuracy, 90% quantile of cells": float(np.quantile(val.mean(axis=1), 0.9)),
        "test accuracy, best mean": float(test.mean(axis=1).max()),
        "test accuracy of the cell that is best by validation": float(test.mean(axis=1)[best]),
        "standard deviation between cells (mean of seeds)": float(val.mean(axis=1).std()),
        "standard deviation between seeds (of a cell)": float(np.sqrt(val.var(axis=1, ddof=1).mean())),
        "Kendall tau between two seeds": float(
            np.mean([kendalltau(val[:, a], val[:, b]).statistic for a, b in pairs])
        ),
        "Kendall tau, one seed's validation to mean test": float(
            np.mean([kendalltau(v, test.mean(axis=1)).statistic for v in val.T])
        ),
        "Kendall tau, mean validation to mean test": float(
            kendalltau(val.mean(axis=1), test.mean(axis=1)).statistic
        ),
    }


if __name__ == "__main__":
    app()
