"""Compute the statistics of a study: means, standard deviations, ranks and a paired test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, wilcoxon

from seminas.errors import UserError
from seminas.report.runs import Setting

LEAST_PAIRS = 5
"""Minimum number of common seeds for a paired test. With five seeds, p is at least 1/16."""


@dataclass(frozen=True)
class Row:
    """A row of the table, for one setting. Values and regrets are (mean, standard deviation).

    Attributes:
        setting: Setting of the row.
        num_seeds: Number of runs, one for each seed.
        num_queries: Number of evaluations in the longest run.
        val: Best value of the metric.
        test: Test value of the architecture with the best value. None if it is not known.
        regret: Distance of ``test`` from the best test value of all candidates. None if it is not known.
        found_best: Fraction of runs that found the best value of all candidates. None if this value is not known.
        rank: Mean rank of the setting by its final value, over the seeds that all settings have. None without common
            seeds, and for a single setting.
        p_value: p-value of Wilcoxon's signed-rank test against the baseline, paired by seed. None for the baseline,
            without a baseline, and for fewer than ``LEAST_PAIRS`` pairs.
        reaches: Number of evaluations until the setting's mean best value reaches the baseline's final
            value. None if it never does, for the baseline, and without a baseline.
        hours: Mean cost of a run in hours. None if it is not known.
    """

    setting: Setting
    num_seeds: int
    num_queries: int
    val: tuple[float, float]
    test: tuple[float, float] | None
    regret: tuple[float, float] | None
    found_best: float | None
    rank: float | None
    p_value: float | None
    reaches: int | None
    hours: float | None


def table(settings: Sequence[Setting], baseline: str | None = None) -> list[Row]:
    """Return a row for each setting, with the best mean value first.

    Args:
        settings: Settings of one problem.
        baseline: Label or strategy of the setting that the others are tested against. None means the setting of the
            strategy ``random``. If there is not exactly one such setting, no test is made.

    Raises:
        UserError: A baseline is given, and not exactly one setting matches it.
    """
    base, metric = baseline_of(settings, baseline), settings[0].metric
    ranks = _ranks(settings)
    rows = []
    for setting, rank in zip(settings, ranks, strict=True):
        runs = setting.runs.values()
        test, val = setting.final("test_value"), setting.final("best_value")
        best = [run.result.best_there_is or {} for run in (setting.runs[s] for s in setting.seeds)]
        best_test = np.array([b.get(metric.test_name, np.nan) for b in best])
        best_val = np.array([b.get(metric.name, np.nan) for b in best])
        # The mean of two trainings and the best single training of a table do not compare.
        known = not np.isnan(best_val).any() and all(run.result.num_trainings == 1 for run in runs)
        regret = metric.sign * (best_test - test)
        rows.append(
            Row(
                setting=setting,
                num_seeds=len(runs),
                num_queries=max(len(run.records) + run.result.num_repeats for run in runs),
                val=mean_sd(val),
                test=None if np.isnan(test).any() else mean_sd(test),
                regret=None if np.isnan(regret).any() else mean_sd(regret),
                found_best=float((metric.sign * (val - best_val) >= 0).mean()) if known else None,
                rank=rank,
                p_value=None if base is None or base is setting else p_value(setting, base, final_value),
                reaches=None if base is None or base is setting else _reaches(setting, base),
                hours=float(np.mean([run.result.cost_s for run in runs])) / 3600 or None,
            )
        )
    return sorted(rows, key=lambda row: -metric.score((row.test or row.val)[0]))


def mean_sd(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean and the sample standard deviation. The deviation of a single value is 0."""
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0


def final_value(setting: Setting) -> NDArray[np.float64]:
    """Return the final values that the report compares, ``[seeds]``.

    They are test values. If the test value of any run is not known, they are the values that the search optimized.
    """
    test = setting.final("test_value")
    return setting.final("best_value") if np.isnan(test).any() else test


def baseline_of(settings: Sequence[Setting], name: str | None) -> Setting | None:
    """Return the baseline of a table, or None if no test is made. ``table`` describes the argument and the error."""
    wanted = name or "random"
    matching = [s for s in settings if s.label == wanted] or [s for s in settings if s.strategy == wanted]
    if len(matching) == 1:
        return matching[0]
    if name is None:
        return None
    labels = "; ".join(s.label for s in matching or settings)
    raise UserError(f"--baseline {name}: must be one of {labels}")


def standard_error(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard error of the mean over the first axis. For a single value it is 0."""
    if len(values) < 2:
        return np.zeros(values.shape[1:])
    return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(len(values)))


def stacked(curves: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return curves as one array ``[curves, q]``, where q is the length of the shortest curve."""
    shortest = min(len(curve) for curve in curves)
    return np.stack([curve[:shortest] for curve in curves])


def mean_curve(setting: Setting) -> NDArray[np.float64]:
    """Return the mean over runs of the best value so far, ``[q]``. q is the shortest run's length."""
    curve: NDArray[np.float64] = stacked([run.best_val for run in setting.runs.values()]).mean(axis=0)
    return curve


def _reaches(setting: Setting, base: Setting) -> int | None:
    sign = setting.metric.sign
    reached = np.flatnonzero(sign * mean_curve(setting) >= sign * mean_curve(base)[-1])
    return int(reached[0]) + 1 if len(reached) else None


def _ranks(settings: Sequence[Setting]) -> list[float | None]:
    common = set.intersection(*(set(s.runs) for s in settings))
    if not common or len(settings) < 2:
        return [None] * len(settings)
    chosen = [np.isin(s.seeds, list(common)) for s in settings]
    values = np.stack([final_value(s)[mask] for s, mask in zip(settings, chosen, strict=True)])
    ranks: list[Any] = rankdata(-settings[0].metric.sign * values, axis=0).mean(axis=1).tolist()
    return ranks


def p_value(
    setting: Setting, base: Setting, values: Callable[[Setting], NDArray[np.float64]]
) -> float | None:
    """Return the p-value of Wilcoxon's signed-rank test of a setting against a baseline, paired by seed.

    Args:
        setting: Setting.
        base: Baseline.
        values: Function that returns the values of a setting, ``[seeds]``, in the order of its seeds.

    Returns:
        The p-value. It is 1 if all pairs are equal, and None for fewer than ``LEAST_PAIRS`` pairs.
    """
    common = sorted(set(setting.runs) & set(base.runs))
    if len(common) < LEAST_PAIRS:
        return None
    mine, other = (values(s)[np.isin(s.seeds, common)] for s in (setting, base))
    return 1.0 if (mine == other).all() else float(wilcoxon(mine, other).pvalue)
