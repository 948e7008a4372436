"""Comparison of methods over the same seeds, with figures and a paired test for each pair of methods."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations
from multiprocessing import get_context
from statistics import fmean, stdev

import numpy as np
import typer
from scipy.stats import wilcoxon

Run = Callable[[tuple[str, int, int]], tuple[float, float]]
"""A search by method, seed and number of evaluations. It returns the best value and the duration in seconds."""


def chosen(methods: str, allowed: Sequence[str]) -> list[str]:
    """Return the names of methods in a text with commas.

    Raises:
        typer.BadParameter: A name is not allowed.
    """
    names = methods.split(",")
    for name in names:
        if name not in allowed:
            raise typer.BadParameter(f"{name}: must be one of {', '.join(allowed)}")
    return names


def compare(run: Run, methods: Sequence[str], queries: int, seeds: int, jobs: int, of: str = "") -> None:
    """Run all searches. Print the mean and the standard deviation of the best value, and p-values for each pair.

    Args:
        run: Search. Another process imports it.
        methods: Names of the methods.
        queries: Number of evaluations.
        seeds: Number of seeds, from 0.
        jobs: Number of searches at once.
        of: What the best value is a part of.
    """
    best: dict[str, np.ndarray] = {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for name in methods:
            done = list(pool.map(run, [(name, seed, queries) for seed in range(seeds)]))
            best[name] = np.array([value for value, _ in done])
            print(
                f"{name}: best {best[name].mean():.4f} ± {stdev(best[name].tolist()):.4f}{of} after {queries} "
                f"evaluations, {fmean(s for _, s in done):.1f} s a search, {seeds} seeds",
                flush=True,
            )
    for one, other in combinations(methods, 2):
        gain = best[one] - best[other]
        p = wilcoxon(gain).pvalue if gain.any() else 1.0
        print(
            f"{one} - {other}: {gain.mean():+.4f}, better with {(gain > 0).sum()} of {seeds} seeds, p = {p:.3g}"
        )
