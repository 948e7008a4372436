"""Make the report's section on the searches of one problem."""

import logging
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from seminas.config.recorded import recorded_space
from seminas.errors import UserError
from seminas.loop.drawing import draw_architecture
from seminas.loop.figures import predictions
from seminas.report import plots
from seminas.report.runs import Run, Setting
from seminas.report.section import Section, percent, significant
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
        _with_unit(metric, metric.title),
        _with_unit(metric, metric.test_title),
        _with_unit(metric, "test regret"),
        "found the best (%)",
        "rank",
        "p",
        "reaches the baseline after",
        "hours",
    )


def _with_unit(metric: Metric, title: str) -> str:
    return f"{title} (%)" if metric.is_fraction else metric.labeled(title)


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
    problem: str, settings: Sequence[Setting], baseline: str | None, *, figures: bool = True
) -> Section:
    """Return the section for the settings of one problem.

    Args:
        problem: Title of the section.
        settings: Settings of the problem.
        baseline: Setting or strategy for the paired test, see ``statistics.table``.
        figures: Whether to draw figures.

    Raises:
        UserError: The baseline does not exist, or the space cannot be built.
    """
    rows = table(settings, baseline)
    metric = settings[0].metric
    drawn: list[tuple[str, str, Figure]] = []
    notes = _notes(metric)
    if figures:
        drawn = _figures([row.setting for row in rows])
        try:
            drawn += _drawings([row.setting for row in rows])
        except (UserError, ValueError) as error:
            log.warning("%s: its architectures are not drawn", error)
            notes = (
                *notes,
                f"The architectures are not drawn, because their space cannot be made ({error}).",
            )
    cells, plain = [_cells(row) for row in rows], [_plain(row) for row in rows]
    return Section(problem, _header(metric), cells, _plain_header(metric), plain, drawn, notes)


def _cells(row: Row) -> list[str]:
    def written(value: tuple[float, float] | None) -> str:
        return percent(value) if row.setting.metric.is_fraction else significant(value)

    return [
        row.setting.label,
        str(row.num_seeds),
        str(row.num_queries),
        written(row.val),
        written(row.test),
        written(row.regret),
        "–" if row.found_best is None else f"{100 * row.found_best:.0f}",
        "–" if row.rank is None else f"{row.rank:.1f}",
        "–" if row.p_value is None else f"{row.p_value:.1g}" if row.p_value < 0.01 else f"{row.p_value:.2f}",
        "–" if row.reaches is None else str(row.reaches),
        "–" if row.hours is None else f"{row.hours:.2f}",
    ]


def _plain(row: Row) -> list[Any]:
    pairs = [v for pair in (row.val, row.test, row.regret) for v in (pair or (None, None))]
    setting = row.setting
    numbers = [*pairs, row.found_best, row.rank, row.p_value, row.reaches, row.hours]
    return [setting.label, setting.strategy, row.num_seeds, row.num_queries, *numbers]


def _figures(settings: Sequence[Setting]) -> list[tuple[str, str, Figure]]:
    metric = settings[0].metric
    short = "accuracy" if metric == ACCURACY else metric.name
    figures = [("curves", "Best so far: mean and standard error over seeds.", plots.curves(settings))]
    over_time = plots.curves_over_time(settings)
    if over_time is not None:
        caption = "Best so far over the time since the start of the search, simulated on tables."
        figures.append(("curves-over-time", caption, over_time))
    for key in plots.swept_keys(settings):
        name = key.replace(".", "-")
        figures.append((f"ablation-{name}", f"Final {short} over {key}.", plots.ablation(settings, key)))
    origins = plots.origins(settings)
    if origins is not None:
        caption = "Origin of the evaluations and of the improvements; random includes the first round."
        figures.append(("origins", caption, origins))
    for strategy in dict.fromkeys(s.strategy for s in settings):
        histories = [run.records for s in settings if s.strategy == strategy for run in s.runs.values()]
        figure = predictions(histories, metric)
        if figure is not None:
            caption = (
                f"{strategy}: predicted and true {short} of what it asked for, by round (τ: mean over runs)."
            )
            figures.append((f"predictions-{strategy}", caption, figure))
    return figures


def _drawings(settings: Sequence[Setting]) -> list[tuple[str, str, Figure]]:
    """Return the figures that need the space: all evaluated architectures, and the best ones.

    Raises:
        UserError: The space of the runs cannot be made.
        ValueError: An architecture is none of the space.
    """
    best: dict[str, Run] = {}
    runs = [run for s in settings for run in s.runs.values()]
    metric = settings[0].metric
    for run in sorted(runs, key=lambda r: -metric.score(r.result.best_value)):
        best.setdefault(run.result.best_key, run)
    space: SearchSpace = recorded_space(runs[0].result.config, str(runs[0].folder), SearchSpace)
    caption = (
        "The architectures that were evaluated, in two principal components of the architectures' features."
    )
    figures = [("evaluated", caption, plots.evaluated(space, settings))]
    for rank, run in enumerate(list(best.values())[:NUM_BEST], start=1):
        drawing = draw_architecture(space, space.from_json(run.result.best_architecture))
        caption = f"Number {rank} of all runs by {metric.title}: {metric.text(run.result.best_value)}"
        if run.result.test_value is not None:
            caption += f", test {metric.text(run.result.test_value)}"
        figures.append((f"best-{rank}", f"{caption} ({run.strategy}, seed {run.seed}).", drawing))
    return figures
