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
from seminas.report.section import Section, percent
from seminas.report.statistics import Row, table
from seminas.spaces.base import SearchSpace

log = logging.getLogger(__name__)
HEADER = (
    "setting",
    "seeds",
    "evaluations",
    "validation accuracy (%)",
    "test accuracy (%)",
    "test regret (%)",
    "found the best (%)",
    "rank",
    "p",
    "reaches the baseline after",
    "hours",
)
PLAIN_HEADER = (
    "setting",
    "strategy",
    "seeds",
    "evaluations",
    "val_accuracy_mean",
    "val_accuracy_sd",
    "test_accuracy_mean",
    "test_accuracy_sd",
    "test_regret_mean",
    "test_regret_sd",
    "found_best",
    "rank",
    "p_value",
    "reaches_baseline_after",
    "hours",
)
NOTES = (
    "Mean ± standard deviation over seeds.",
    "The architecture is chosen by validation accuracy alone; its test accuracy is looked up after the search.",
    "Rank: mean over the seeds that all settings have.",
    "p: Wilcoxon's signed-rank test of the final accuracy against the baseline, paired by seed, not corrected for the "
    "number of settings.",
    "Reaches the baseline after: evaluations until the mean of the best validation accuracies so far is at least what "
    "the baseline ends with.",
    "Found the best: runs that found the highest validation accuracy of all architectures.",
    "Hours: of training, where they are known.",
    "Bands and bars: standard error.",
)
NUM_BEST = 3


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
    drawn: list[tuple[str, str, Figure]] = []
    notes: tuple[str, ...] = NOTES
    if figures:
        drawn = _figures([row.setting for row in rows])
        try:
            drawn += _drawings([row.setting for row in rows])
        except (UserError, ValueError) as error:
            log.warning("%s: its architectures are not drawn", error)
            notes = (
                *NOTES,
                f"The architectures are not drawn, because their space cannot be made ({error}).",
            )
    cells, plain = [_cells(row) for row in rows], [_plain(row) for row in rows]
    return Section(problem, HEADER, cells, PLAIN_HEADER, plain, drawn, notes)


def _cells(row: Row) -> list[str]:
    return [
        row.setting.label,
        str(row.num_seeds),
        str(row.num_queries),
        percent(row.val),
        percent(row.test),
        percent(row.regret),
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
    figures = [("curves", "Best so far: mean and standard error over seeds.", plots.curves(settings))]
    over_time = plots.curves_over_time(settings)
    if over_time is not None:
        caption = "Best so far over the time since the start of the search, simulated on tables."
        figures.append(("curves-over-time", caption, over_time))
    for key in plots.swept_keys(settings):
        name = key.replace(".", "-")
        figures.append((f"ablation-{name}", f"Final accuracy over {key}.", plots.ablation(settings, key)))
    origins = plots.origins(settings)
    if origins is not None:
        caption = "Origin of the evaluations and of the improvements; random includes the first round."
        figures.append(("origins", caption, origins))
    for strategy in dict.fromkeys(s.strategy for s in settings):
        histories = [run.records for s in settings if s.strategy == strategy for run in s.runs.values()]
        figure = predictions(histories)
        if figure is not None:
            caption = (
                f"{strategy}: predicted and true accuracy of what it asked for, by round (τ: mean over runs)."
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
    for run in sorted(runs, key=lambda r: -r.result.best_val_accuracy):
        best.setdefault(run.result.best_key, run)
    space: SearchSpace = recorded_space(runs[0].result.config, str(runs[0].folder), SearchSpace)
    caption = (
        "The architectures that were evaluated, in two principal components of the architectures' features."
    )
    figures = [("evaluated", caption, plots.evaluated(space, settings))]
    for rank, run in enumerate(list(best.values())[:NUM_BEST], start=1):
        drawing = draw_architecture(space, space.from_json(run.result.best_architecture))
        caption = f"Number {rank} of all runs by validation accuracy: {run.result.best_val_accuracy:.4f}"
        if run.result.test_accuracy is not None:
            caption += f", test {run.result.test_accuracy:.4f}"
        figures.append((f"best-{rank}", f"{caption} ({run.strategy}, seed {run.seed}).", drawing))
    return figures
