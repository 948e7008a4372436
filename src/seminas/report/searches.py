"""Make the report's section on the searches of one problem."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from seminas.config.recorded import recorded_space
from seminas.errors import UserError
from seminas.loop.drawing import draw_architecture
from seminas.loop.figures import predictions
from seminas.report import charts, curves, plots
from seminas.report.curves import Panel
from seminas.report.equal_cost import equal_cost_table
from seminas.report.feasible import feasible_tables, left_out
from seminas.report.front_section import front_part
from seminas.report.further import Further
from seminas.report.gallery import Gallery
from seminas.report.recordings import speech_of_searches
from seminas.report.runs import Run, Setting
from seminas.report.section import Illustration, Section, probability, with_unit, written
from seminas.report.statistics import Row, table
from seminas.runs.metric import ACCURACY, Metric
from seminas.spaces.base import SearchSpace

log = logging.getLogger(__name__)
NUM_BEST = 3


def _header(metric: Metric) -> tuple[str, ...]:
    """Return the columns of the table for people."""
    return (
        "setting",
        "seeds",
        "evaluations",
        with_unit(metric, metric.title),
        with_unit(metric, metric.test_title),
        with_unit(metric, "test regret"),
        "found the best (%)",
        "rank",
        "p",
        "reaches the baseline after",
        "hours",
    )


def _plain_header(metric: Metric) -> tuple[str, ...]:
    """Return the columns of the table for programs."""
    names = (metric.name, metric.test_name, "test_regret")
    numbers = [f"{name}_{part}" for name in names for part in ("mean", "sd")]
    last = ("found_best", "rank", "p_value", "reaches_baseline_after", "hours")
    return ("setting", "strategy", "seeds", "evaluations", *numbers, *last)


def _notes(metric: Metric) -> tuple[str, ...]:
    """Return sentences that explain the numbers."""
    title, test, short = metric.title, metric.test_title, "accuracy" if metric == ACCURACY else metric.name
    values, best = (
        ("validation accuracies", "highest validation accuracy")
        if metric == ACCURACY
        else (f"values of {title}", f"{'highest' if metric.sign > 0 else 'lowest'} {title}")
    )
    direction = "least" if metric.sign > 0 else "most"
    return (
        "Mean ± standard deviation over seeds.",
        f"The architecture is chosen by {title} alone; its {test} is looked up after the search.",
        "Rank: mean over the seeds that all settings have.",
        f"p: Wilcoxon's signed-rank test of the final {short} against the baseline, paired by seed, not corrected for "
        "the number of settings.",
        f"Reaches the baseline after: evaluations until the mean of the best {values} so far is at {direction} what "
        "the baseline ends with.",
        f"Found the best: runs that found the {best} of all architectures.",
        "Hours: of training, where they are known.",
        "Bands and bars: standard error.",
    )


def search_section(
    problem: str,
    settings: Sequence[Setting],
    baseline: str | None,
    *,
    figures: bool = True,
    infeasible: Sequence[Run] = (),
) -> Section:
    """Return the section for the settings of one problem.

    Args:
        problem: Title of the section.
        settings: Settings of the problem.
        baseline: Setting or strategy for the paired test, see ``statistics.table``.
        figures: Whether to draw figures.
        infeasible: Runs of the problem without an evaluation within the limits of measured metrics.

    Raises:
        UserError: The baseline does not exist, or the space cannot be built.
    """
    rows = table(settings, baseline)
    ordered = [row.setting for row in rows]
    metric = settings[0].metric
    gallery = Gallery()
    fronts = front_part(ordered, baseline, gallery, figures=figures)
    further = Further.of(ordered)
    drawn: list[Illustration] = []
    architectures: Sequence[Mapping[str, Any]] = ()
    notes = [*_notes(metric), *fronts.notes, *left_out(infeasible)]
    if figures:
        drawn = [*fronts.figures, *_figures(ordered, gallery)]
        try:
            space = _space(ordered)
            drawn += _drawings(ordered, space)
            architectures = gallery.entries(space)
        except (UserError, ValueError) as error:
            architectures = gallery.entries(None)
            log.warning("%s: its architectures are not drawn", error)
            notes.append(f"The architectures are not drawn, because their space cannot be made ({error}).")
    plain = [
        [*_plain(row), *fronts.plain.get(row.setting.label, ()), *further.plain(i)]
        for i, row in enumerate(rows)
    ]
    equal_cost = equal_cost_table(ordered, baseline)
    return Section(
        problem,
        _header(metric),
        [_cells(row) for row in rows],
        (*_plain_header(metric), *fronts.header, *further.header),
        plain,
        drawn,
        notes,
        [
            *feasible_tables(ordered),
            *([] if equal_cost is None else [equal_cost]),
            *([further.table(ordered)] if further.metrics else []),
            *fronts.tables,
        ],
        architectures,
        speech_of_searches([run for s in ordered for run in s.runs.values()]) if figures else (),
    )


def _cells(row: Row) -> list[str]:
    metric = row.setting.metric
    return [
        row.setting.label,
        str(row.num_seeds),
        str(row.num_queries),
        written(metric, row.val),
        written(metric, row.test),
        written(metric, row.regret),
        "–" if row.found_best is None else f"{100 * row.found_best:.0f}",
        "–" if row.rank is None else f"{row.rank:.1f}",
        probability(row.p_value),
        "–" if row.reaches is None else str(row.reaches),
        "–" if row.hours is None else f"{row.hours:.2f}",
    ]


def _plain(row: Row) -> list[Any]:
    pairs = [v for pair in (row.val, row.test, row.regret) for v in (pair or (None, None))]
    setting = row.setting
    numbers = [*pairs, row.found_best, row.rank, row.p_value, row.reaches, row.hours]
    return [setting.label, setting.strategy, row.num_seeds, row.num_queries, *numbers]


def _figures(settings: Sequence[Setting], gallery: Gallery) -> list[Illustration]:
    metric = settings[0].metric
    short = "accuracy" if metric == ACCURACY else metric.name

    def lines(name: str, caption: str, panels: Sequence[Panel]) -> Illustration:
        drawn = [charts.curves(panel, settings, gallery) for panel in panels]
        return Illustration(name, caption, plots.lines(panels), drawn)

    caption = "Best so far: mean and standard error over seeds. Points: improvements of single runs."
    figures = [lines("curves", caption, curves.over_evaluations(settings))]
    for name, caption, panel in (
        ("trainings", "Best so far over the cost in full trainings.", curves.over_trainings(settings)),
        ("cost", "Best so far over the cost of the evaluations.", curves.over_cost(settings)),
        (
            "time",
            "Best so far over the time since the start of the search, simulated on tables.",
            curves.over_time(settings),
        ),
    ):
        if panel is not None:
            figures.append(lines(f"curves-over-{name}", caption, [panel]))
    for key in curves.swept_keys(settings):
        shown = curves.ablation(settings, key)
        name = f"ablation-{key.replace('.', '-')}"
        drawn = [charts.ablation(shown, gallery)]
        figures.append(Illustration(name, f"Final {short} over {key}.", plots.ablation(shown), drawn))
    origins = plots.origins(settings)
    if origins is not None:
        caption = "Origin of the evaluations and of the improvements; random includes the first round."
        figures.append(Illustration("origins", caption, origins))
    for strategy in dict.fromkeys(s.strategy for s in settings):
        histories = [run.records for s in settings if s.strategy == strategy for run in s.runs.values()]
        figure = predictions(histories, metric)
        if figure is not None:
            caption = (
                f"{strategy}: predicted and true {short} of what it asked for, by round (τ: mean over runs)."
            )
            figures.append(Illustration(f"predictions-{strategy}", caption, figure))
    return figures


def _space(settings: Sequence[Setting]) -> SearchSpace:
    """Return the space of the settings of a problem.

    Raises:
        UserError: It cannot be made.
    """
    run = next(iter(settings[0].runs.values()))
    space: SearchSpace = recorded_space(run.result.config, str(run.folder), SearchSpace)
    return space


def _drawings(settings: Sequence[Setting], space: SearchSpace) -> list[Illustration]:
    """Return the figures that need the space: all evaluated architectures, and the best ones.

    Raises:
        ValueError: An architecture is none of the space.
    """
    best: dict[str, Run] = {}
    runs = [run for s in settings for run in s.runs.values()]
    metric = settings[0].metric
    for run in sorted(runs, key=lambda r: -metric.score(r.best[1])):
        best.setdefault(run.best[0], run)
    caption = (
        "The architectures that were evaluated, in two principal components of the architectures' features."
    )
    figures = [Illustration("evaluated", caption, plots.evaluated(space, settings))]
    for rank, run in enumerate(list(best.values())[:NUM_BEST], start=1):
        drawing = draw_architecture(space, space.from_json(run.result.best_architecture))
        caption = f"Number {rank} of all runs by {metric.title}: {metric.text(run.best[1])}"
        if run.result.test_value is not None:
            caption += f", test {metric.text(run.result.test_value)}"
        figures.append(Illustration(f"best-{rank}", f"{caption} ({run.strategy}, seed {run.seed}).", drawing))
    return figures
