"""Measurement of a final choice that spends the last evaluations on second trainings of the best architectures.

    python measurements/repeats.py --table digits101 --space nasbench101
    python measurements/repeats.py --table macro.npz --space nasbench_macro

The table needs several trainings of each architecture in its validation column. The search sees one of them, drawn by
the seed. A second training of an architecture is another one of them.
"""

import tempfile
from statistics import fmean, stdev
from typing import Annotated, Any

import numpy as np
import typer
from scipy.stats import wilcoxon

import seminas
from seminas.config.build import build_section
from seminas.spaces.base import EnumerableSpace
from seminas.tables import find_table
from seminas.tables.table import load_table


def main(
    table: Annotated[str, typer.Option(help="digits101, or a table that seminas data import wrote.")],
    space: Annotated[str, typer.Option(help="Space of the table.")],
    strategy: Annotated[str, typer.Option(help="Strategy.")] = "seminas",
    queries: Annotated[int, typer.Option(help="Evaluations, second trainings included.")] = 50,
    repeats: Annotated[str, typer.Option(help="Numbers of second trainings, with commas.")] = "3,5,10",
    seeds: Annotated[int, typer.Option(help="Seeds, from 0.")] = 20,
) -> None:
    """Compare the final choice of a search with that of a shorter search and second trainings of its best.

    The true accuracy of an architecture is its mean test accuracy. Without a test column, it is the mean of the
    trainings that neither the search nor a second training has seen.
    """
    numbers = list(map(int, repeats.split(",")))
    truths: dict[int, list[float]] = {number: [] for number in (0, *numbers)}
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            result = seminas.search(
                [f"evaluator.path={table}"],
                space=space,
                evaluator="table",
                strategy=strategy,
                seed=seed,
                folder=f"{folder}/run",
                quiet=True,
                search={"max_queries": queries},
                logger=[],
            )
            history = result.history
        the_space: EnumerableSpace[Any] = build_section(dict(result.config), "space", EnumerableSpace)
        data = load_table(find_table(table), the_space)
        val, test = data.column("val"), data.column("test")
        assert val is not None
        architectures = [the_space.from_json(record.architecture) for record in history]
        rows = data.rows(the_space.index(architectures))
        runs = np.random.default_rng(seed).integers(val.num_runs, size=len(data))[rows]
        values, seen = val.at(rows), np.array([record.val_accuracy for record in history])
        assert (values[np.arange(len(rows)), runs] == seen).all()
        second = (runs + 1) % val.num_runs
        others = np.ones(values.shape, dtype=bool)
        others[np.arange(len(rows)), runs] = others[np.arange(len(rows)), second] = False
        truth = (
            test.at(rows).mean(axis=1) if test is not None else np.ma.array(values, mask=~others).mean(axis=1)
        )
        truths[0].append(float(truth[seen.argmax()]))
        for number in numbers:
            best = np.argsort(-seen[: queries - number], kind="stable")[:number]
            means = (seen[best] + values[best, second[best]]) / 2
            truths[number].append(float(truth[best[means.argmax()]]))
    print(
        f"{strategy} on {table}, {queries} evaluations, {seeds} seeds: true accuracy of the final choice (%)"
    )
    for number, accuracies in truths.items():
        text = f"{number} second trainings: {100 * fmean(accuracies):.3f} ± {100 * stdev(accuracies):.3f}"
        differences = np.subtract(accuracies, truths[0])
        if differences.any():
            text += f", p = {wilcoxon(differences).pvalue:.2g} against none"
        print(text)


if __name__ == "__main__":
    typer.run(main)
