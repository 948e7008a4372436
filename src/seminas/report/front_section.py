"""Make the part of a section that compares Pareto fronts: tables, columns for programs, and figures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seminas.report import charts, fronts, plots
from seminas.report.front_plots import surfaces
from seminas.report.fronts import ATTAINED, FrontRow, Scale
from seminas.report.gallery import Gallery
from seminas.report.objectives import objectives_of
from seminas.report.runs import Setting
from seminas.report.section import Illustration, Table, percent, probability, with_unit
from seminas.runs.metric import Metric

MOST_ROWS = 30
"""Maximum number of rows of the table of the front of all runs."""
PLAIN_HEADER = (
    *(
        f"{name}_{part}"
        for name in ("hypervolume", "hypervolume_share", "front_size")
        for part in ("mean", "sd")
    ),
    "hypervolume_p_value",
)


@dataclass(frozen=True)
class FrontPart:
    """What a section states about the fronts of its searches. Everything is empty for searches with one objective.

    Attributes:
        tables: Tables for people.
        header: Columns for programs.
        plain: Numbers of each setting for programs, by its label.
        figures: Figures.
        notes: Sentences that explain the numbers.
    """

    tables: Sequence[Table] = ()
    header: Sequence[str] = ()
    plain: dict[str, list[Any]] = field(default_factory=dict)
    figures: Sequence[Illustration] = ()
    notes: Sequence[str] = ()


def front_part(
    settings: Sequence[Setting], baseline: str | None, gallery: Gallery, *, figures: bool = True
) -> FrontPart:
    """Return the part on the fronts of the settings of one problem.

    Args:
        settings: Settings of the problem.
        baseline: Setting or strategy for the paired test, see ``statistics.table``.
        gallery: Gallery that receives the architectures of the charts.
        figures: Whether to draw figures.

    Raises:
        UserError: The baseline does not exist.
    """
    if not objectives_of(next(iter(settings[0].runs.values())).result):
        return FrontPart()
    scale = Scale.of(settings)
    rows = fronts.front_table(settings, scale, baseline)
    return FrontPart(
        tables=[_table(rows), _best_table(settings)],
        header=PLAIN_HEADER,
        plain={row.setting.label: [*row.volume, *row.share, *row.size, row.p_value] for row in rows},
        figures=_figures(settings, scale, gallery) if figures else (),
        notes=_notes(scale),
    )


def _notes(scale: Scale) -> list[str]:
    return [
        f"Hypervolume: of the front by validation values, above the reference point ({scale}), which is the same for "
        "all runs: of each objective the worst value among the runs' reference points.",
        "It is stated in percent of the box between the reference point and the best value of each objective among all "
        "evaluations; results.csv also has it in the objectives' units.",
        "p of the hypervolume: the same test as above.",
    ]


def _table(rows: Sequence[FrontRow]) -> Table:
    header = ("setting", "seeds", "hypervolume (%)", "p", "architectures on the front")
    cells = [
        [
            row.setting.label,
            str(len(row.setting.runs)),
            percent(row.share),
            probability(row.p_value),
            f"{row.size[0]:.1f} ± {row.size[1]:.1f}",
        ]
        for row in rows
    ]
    return Table("Pareto fronts", header, cells)


def _best_table(settings: Sequence[Setting]) -> Table:
    """Return the table of the front of all runs. It alone states the test values of fronts."""
    members = fronts.best_of_all(settings)
    objectives = objectives_of(next(iter(settings[0].runs.values())).result)
    tested = [
        j for j in range(len(objectives)) if any(np.isfinite(member.test_values[j]) for *_, member in members)
    ]
    header = [
        "architecture",
        "setting",
        "seed",
        *(with_unit(metric, metric.title) for metric in objectives),
        *(with_unit(objectives[j], objectives[j].test_title) for j in tested),
    ]
    chosen = np.unique(np.linspace(0, len(members) - 1, min(MOST_ROWS, len(members))).round().astype(int))
    rows = []
    for setting, run, member in (members[i] for i in chosen):
        values = [_value(metric, v) for metric, v in zip(objectives, member.values, strict=True)]
        tests = [_value(objectives[j], member.test_values[j]) for j in tested]
        rows.append([member.key, setting.label, str(run.seed), *values, *tests])
    title = "Front of all runs, with test values" if tested else "Front of all runs"
    title += "" if len(rows) == len(members) else f" ({len(rows)} of {len(members)} architectures)"
    return Table(title, header, rows)


def _value(metric: Metric, value: float) -> str:
    if not np.isfinite(value):
        return "–"
    return f"{100 * value:.2f}" if metric.is_fraction else f"{value:.8g}"


def _figures(settings: Sequence[Setting], scale: Scale, gallery: Gallery) -> list[Illustration]:
    figures = []
    planes = fronts.planes(settings)
    if planes:
        caption = (
            "Empirical attainment surfaces: half of the runs attain the line; the band is between a quarter and three "
            "quarters of the runs. Points: fronts of single runs."
        )
        drawn = [charts.plane(plane, settings, gallery) for plane in planes]
        figures.append(Illustration("fronts", caption, surfaces(planes), drawn))
    panels = fronts.over_evaluations(settings, scale)
    caption = (
        f"Hypervolume over evaluations (mean and standard error), and the part of the runs that has reached "
        f"{100 * ATTAINED:.0f}% of the hypervolume of the front of all runs."
    )
    drawn = [charts.curves(panel, settings, gallery) for panel in panels]
    return [*figures, Illustration("hypervolume", caption, plots.lines(panels), drawn)]
