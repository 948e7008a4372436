"""Statistics of a study: means, deviations, ranks and a paired test."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, wilcoxon

from seminas.errors import UserError
from seminas.report.runs import Setting

LEAST_PAIRS = 5
"""Seeds in common below which a paired test can say nothing (p is at least 1/16)."""


@dataclass(frozen=True)
class Row:
    """A setting in the table; accuracies and regrets are fractions, by (mean, standard deviation).

    Attributes:
        setting: Which one.
        num_seeds: Runs.
        num_queries: Evaluations of each run; the most of any.
        val: Best validation accuracy.
        test: Test accuracy of the best by validation, None where it is not known.
        regret: How far the test accuracy is below the highest that there is, None where that is not known.
        found_best: Fraction of runs that found the highest validation accuracy that there is, likewise.
        rank: Mean rank by the final accuracy among the settings, over the seeds that all have; None without any.
        p_value: Of Wilcoxon's signed-rank test against the baseline, paired by seed; None for the baseline and
            where there are too few pairs.
        reaches: Evaluations after which its mean best validation accuracy is at least what the baseline ends with;
            None for one that never is, for the baseline, and without one.
        hours: Cost of a run, mean; None where it is not known.
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
    """Return a row for each setting, best first.

    Args:
        settings: Of one problem.
        baseline: The label or the strategy of the setting to test against; ``random`` where there is one and
            none is given, and else no test is made.

    Raises:
        UserError: There is no such baseline.
    """
    base = _baseline(settings, baseline)
    ranks = _ranks(settings)
    rows = []
    for setting, rank in zip(settings, ranks, strict=True):
        runs = setting.runs.values()
        test, val = setting.final("test_accuracy"), setting.final("best_val_accuracy")
        best = [run.result.best_there_is or {} for run in (setting.runs[s] for s in setting.seeds)]
        best_test = np.array([b.get("test_accuracy", np.nan) for b in best])
        best_val = np.array([b.get("val_accuracy", np.nan) for b in best])
        known = not np.isnan(best_val).any()
        rows.append(
            Row(
                setting=setting,
                num_seeds=len(runs),
                num_queries=max(len(run.records) for run in runs),
                val=mean_sd(val),
                test=None if np.isnan(test).any() else mean_sd(test),
                regret=None if np.isnan(best_test - test).any() else mean_sd(best_test - test),
                found_best=float((val >= best_val).mean()) if known else None,
                rank=rank,
                p_value=None if base is None or base is setting else _p_value(setting, base),
                reaches=None if base is None or base is setting else _reaches(setting, base),
                hours=float(np.mean([run.result.cost_s for run in runs])) / 3600 or None,
            )
        )
    return sorted(rows, key=lambda row: -(row.test or row.val)[0])


def mean_sd(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return mean and standard deviation (of the sample; 0 of a single value)."""
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0


def final_accuracy(setting: Setting) -> NDArray[np.float64]:
    """Return what settings are compared by, ``[seeds]``: test accuracy, where not known validation accuracy."""
    test = setting.final("test_accuracy")
    return setting.final("best_val_accuracy") if np.isnan(test).any() else test


def _baseline(settings: Sequence[Setting], name: str | None) -> Setting | None:
    wanted = name or "random"
    matching = [s for s in settings if s.label == wanted] or [s for s in settings if s.strategy == wanted]
    if len(matching) == 1:
        return matching[0]
    if name is None:
        return None
    labels = "; ".join(s.label for s in matching or settings)
    raise UserError(f"--baseline {name}: must be one of {labels}")


def standard_error(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard error of the mean over the first axis; 0 of a single value."""
    if len(values) < 2:
        return np.zeros(values.shape[1:])
    return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(len(values)))


def stacked(curves: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return curves as ``[curves, q]``, q the length of the shortest."""
    shortest = min(len(curve) for curve in curves)
    return np.stack([curve[:shortest] for curve in curves])


def mean_curve(setting: Setting) -> NDArray[np.float64]:
    """Return the mean over runs of the best validation accuracy so far, ``[q]`` of the shortest run."""
    curve: NDArray[np.float64] = stacked([run.best_val for run in setting.runs.values()]).mean(axis=0)
    return curve


def _reaches(setting: Setting, base: Setting) -> int | None:
    reached = np.flatnonzero(mean_curve(setting) >= mean_curve(base)[-1])
    return int(reached[0]) + 1 if len(reached) else None


def _ranks(settings: Sequence[Setting]) -> list[float | None]:
    common = set.intersection(*(set(s.runs) for s in settings))
    if not common or len(settings) < 2:
        return [None] * len(settings)
    chosen = [np.isin(s.seeds, list(common)) for s in settings]
    values = np.stack([final_accuracy(s)[mask] for s, mask in zip(settings, chosen, strict=True)])
    ranks: list[Any] = rankdata(-values, axis=0).mean(axis=1).tolist()
    return ranks


def _p_value(setting: Setting, base: Setting) -> float | None:
    common = sorted(set(setting.runs) & set(base.runs))
    if len(common) < LEAST_PAIRS:
        return None
    mine, other = (final_accuracy(s)[np.isin(s.seeds, common)] for s in (setting, base))
    return 1.0 if (mine == other).all() else float(wilcoxon(mine, other).pvalue)
