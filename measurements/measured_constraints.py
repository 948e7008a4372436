"""Measurement of searches under a limit of a measured metric: python measurements/measured_constraints.py --help."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import fmean, stdev
from typing import Annotated

import numpy as np
import typer
from comparison import chosen
from scipy.stats import wilcoxon

from seminas.commands.study import strategy_maker
from seminas.config.evaluators import TableSettings
from seminas.evaluators.table import TableEvaluator
from seminas.runs.constraints import MeasuredLimit, MeasuredLimits
from seminas.runs.metric import Metric
from seminas.spaces.nasbench101 import Cell, NASBench101
from seminas.spaces.subset import Subset
from seminas.strategies.base import Strategy

STRATEGIES = ("gaussian_process", "seminas", "evolution", "local_search", "random")
ENERGY = Metric("energy", "minimize", "J")


def energy(cell: Cell) -> float:
    """Return a made-up energy: small networks of few operations need much of it, so that it opposes the accuracy."""
    return float(20 - cell.edges.bit_count() - 3 * cell.operations.bit_count())


def run(arguments: tuple[str, int, int, float]) -> tuple[float, int, float]:
    """Run a search on digits101. Return the best feasible accuracy, the feasible cells, and the best there is."""
    name, seed, queries, limit = arguments
    whole = NASBench101()
    table = TableEvaluator(whole, seed, TableSettings(path="digits101"))
    members = table.members()
    assert members is not None
    space = Subset(whole, members)
    strategy: Strategy[Cell] = strategy_maker(name, seed)(space)
    strategy.respect(MeasuredLimits([MeasuredLimit(ENERGY, limit)]))
    first = 10 if strategy.round_sizes is None else strategy.round_sizes.first_of(queries)
    strategy.start([first, *[1] * (queries - first)])
    feasible = [0.0]
    for _ in range(queries):
        (cell,) = strategy.ask(1).architectures
        (accuracy,) = table.val_accuracies([cell]).tolist()
        strategy.receive_further([cell], [{"energy": energy(cell)}])
        strategy.tell([cell], [accuracy])
        feasible += [accuracy] if energy(cell) <= limit else []
    cells = space.at(np.arange(space.size))
    within = np.array([energy(cell) <= limit for cell in cells])
    return max(feasible), len(feasible) - 1, float(table.val_accuracies(cells)[within].max())


def main(
    strategies: Annotated[str, typer.Option("--strategies", "-s", help="Names, with commas.")] = ",".join(
        STRATEGIES
    ),
    limit: Annotated[float, typer.Option(help="Largest energy.")] = 4.0,
    queries: Annotated[int, typer.Option(help="Evaluations.", min=10)] = 40,
    seeds: Annotated[int, typer.Option(help="Seeds, from 0.", min=5)] = 20,
    jobs: Annotated[int, typer.Option(help="Searches at once.", min=1)] = 2,
) -> None:
    """Print the regret of the best feasible cell of digits101 under a limit of a made-up energy.

    A search sees the accuracies and the energies of the cells that it evaluates, and no others.
    """
    names = chosen(strategies, STRATEGIES)
    regrets: dict[str, list[float]] = {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for name in names:
            done = list(pool.map(run, [(name, seed, queries, limit) for seed in range(seeds)]))
            regrets[name] = [100 * (best - found) for found, _, best in done]
            print(
                f"{name}: regret {fmean(regrets[name]):.3f} ± {stdev(regrets[name]):.3f} points, "
                f"{fmean(number for _, number, _ in done):.1f} of {queries} cells are feasible",
                flush=True,
            )
    for name in names:
        if name != "random" and "random" in names:
            p = wilcoxon(regrets[name], regrets["random"]).pvalue
            print(f"{name} against random, Wilcoxon, paired by seed: p = {p:.2g}")


if __name__ == "__main__":
    typer.run(main)
