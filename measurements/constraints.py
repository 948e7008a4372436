"""Measurement of searches under a limit of exact costs: python measurements/constraints.py --help.

    seminas data import nasbench201 nasbench201_cifar.csv.gz --val cifar10_val_12ep --test cifar10_test_200ep \\
        --scale percent -o nb201.npz
    python measurements/constraints.py nb201.npz
"""

import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import fmean, stdev
from typing import Annotated

import typer
from comparison import chosen

import seminas
from seminas.spaces.exact import exact_costs
from seminas.spaces.nasbench201 import NASBench201

STRATEGIES = ("seminas", "gaussian_process", "evolution", "random")


def run(arguments: tuple[str, str, int, int, float]) -> tuple[float, float, int, float]:
    """Run a search. Return its best accuracy, the best of all feasible cells, its infeasible cells, and its seconds."""
    table, strategy, seed, queries, limit = arguments
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        result = seminas.search(
            [f"evaluator.path={table}"],
            space="nasbench201",
            evaluator="table",
            strategy=strategy,
            seed=seed,
            folder=f"{folder}/run",
            quiet=True,
            search={"max_queries": queries, "constraints": {"macs": limit}},
            logger=[],
        )
        space = NASBench201()
        cells = [space.from_json(record.architecture) for record in result.history]
    infeasible = int((exact_costs(space)(cells, ["macs"]) > limit).sum())
    best = (result.best_there_is or {})["val_accuracy"]
    return result.best_value, best, infeasible, time.perf_counter() - start


def main(
    table: Annotated[str, typer.Argument(help="Table of NAS-Bench-201 that seminas data import wrote.")],
    strategies: Annotated[
        str, typer.Option("--strategies", "-s", help="Names, with commas.")
    ] = "seminas,random",
    limit: Annotated[
        float, typer.Option(help="Largest number of multiply-adds for an image of CIFAR-10.")
    ] = 60e6,
    queries: Annotated[int, typer.Option(help="Evaluations.", min=2)] = 50,
    seeds: Annotated[int, typer.Option(help="Seeds, from 0.", min=2)] = 30,
    jobs: Annotated[int, typer.Option(help="Searches at once.", min=1)] = 2,
) -> None:
    """Print how often a search finds the feasible cell with the highest validation accuracy of NAS-Bench-201.

    The search sees the validation accuracies of the cells that it evaluates, and no others.
    """
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for name in chosen(strategies, STRATEGIES):
            done = list(pool.map(run, [(table, name, seed, queries, limit) for seed in range(seeds)]))
            found = [value for value, *_ in done]
            hits = sum(value >= best for value, best, *_ in done)
            print(
                f"{name}: finds the best feasible cell with {hits} of {seeds} seeds, best accuracy "
                f"{fmean(found):.4f} ± {stdev(found):.4f} (best there is {done[0][1]:.4f}), "
                f"{sum(d[2] for d in done)} infeasible cells evaluated, {fmean(d[3] for d in done):.1f} s a search",
                flush=True,
            )


if __name__ == "__main__":
    typer.run(main)
