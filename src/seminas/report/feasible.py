"""Make the report's table of evaluations within the limits of measured metrics."""

from collections.abc import Sequence

import numpy as np

from seminas.report.runs import Run, Setting
from seminas.report.section import Table, percent
from seminas.report.statistics import mean_sd


def feasible_tables(settings: Sequence[Setting]) -> list[Table]:
    """Return the table of feasible evaluations. The list is empty for searches without limits of measured metrics."""
    rows = []
    for setting in settings:
        results = [run.result for run in setting.runs.values()]
        shares = [
            r.num_feasible / r.num_queries for r in results if r.num_feasible is not None and r.num_queries
        ]
        if shares:
            rows.append([setting.label, str(len(shares)), percent(mean_sd(np.array(shares)))])
    header = ("setting", "seeds", "evaluations within the limits (%)")
    return [Table("Limits of measured metrics", header, rows)] if rows else []


def left_out(runs: Sequence[Run]) -> list[str]:
    """Return the note on the runs that are not compared, because they have no feasible evaluation."""
    if not runs:
        return []
    named = ", ".join(f"{run.strategy} with seed {run.seed}" for run in runs)
    return [f"Without an evaluation within the limits, and not in the tables: {named}."]
