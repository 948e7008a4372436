"""Compare the settings of a problem at equal cost, in full trainings, if some of their searches have fidelities."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from seminas.report.curves import has_fidelities, trainings_of
from seminas.report.runs import Run, Setting
from seminas.report.section import Table, probability, written
from seminas.report.statistics import baseline_of, mean_sd, p_value

SHARES = (0.25, 0.5, 0.75, 1.0)
"""Parts of the cost of the cheapest run at which the settings are compared."""


def equal_cost_table(settings: Sequence[Setting], baseline: str | None) -> Table | None:
    """Return a table of the best value so far at some costs, with a paired test. None if no search has fidelities.

    Args:
        settings: Settings of one problem.
        baseline: Setting or strategy for the paired test, see ``statistics.table``.

    Raises:
        UserError: The baseline does not exist.
    """
    if not has_fidelities(settings):
        return None
    base, metric = baseline_of(settings, baseline), settings[0].metric
    end = min(float(trainings_of(run)[-1]) for setting in settings for run in setting.runs.values())
    rows = []
    for setting in settings:
        row = [setting.label]
        for cost in (share * end for share in SHARES):
            at_cost = partial(_values_within, cost=cost)
            values, p = at_cost(setting), None
            if np.isnan(values).any():  # A run has no full training yet.
                row += ["–", "–"]
                continue
            if base is not None and base is not setting and not np.isnan(at_cost(base)).any():
                p = p_value(setting, base, at_cost)
            row += [written(metric, mean_sd(values)), probability(p)]
        rows.append(row)
    costs = [text for share in SHARES for text in (f"after {share * end:.1f}", "p")]
    return Table(f"Best {metric.title} so far at equal cost, in full trainings", ["setting", *costs], rows)


def _values_within(setting: Setting, cost: float) -> NDArray[np.float64]:
    """Return the best value of each run within a cost, ``[seeds]``, in the order of ``seeds``."""
    return np.array([best_within(setting.runs[seed], cost) for seed in setting.seeds])


def best_within(run: Run, cost: float) -> float:
    """Return the best value of a run within a cost in full trainings. NaN if no full training has ended by then."""
    number = int(np.searchsorted(trainings_of(run), cost + 1e-9, side="right"))
    return float(run.best_val[number - 1]) if number else np.nan
