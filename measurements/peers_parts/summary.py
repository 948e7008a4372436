"""The summary of results: a table in Markdown and a figure. Both come from the statistics of the project's reports."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median

from peers_parts.searches import Row
from seminas.report.curves import over_evaluations
from seminas.report.plots import lines
from seminas.report.runs import Run, Setting
from seminas.report.section import Section, as_markdown, percent
from seminas.report.statistics import LEAST_PAIRS, table
from seminas.runs.folder import RunFolder
from seminas.runs.records import Record
from seminas.runs.results import Incumbent, SearchResult
from seminas.storage.files import write_file

BASELINE = "seminas"
HEADER = (
    "method",
    "seeds",
    "test accuracy (%)",
    "validation accuracy (%)",
    "found the best (%)",
    "p",
    "CPU seconds",
    "repeats",
    "random",
)
NOTES = (
    "Mean ± standard deviation over seeds. The test accuracy is that of the architecture with the best validation "
    "accuracy. On a landscape it is the accuracy without noise.",
    "Found the best: searches that found the highest validation accuracy of the table.",
    f"p: Wilcoxon's signed-rank test of the test accuracy against {BASELINE}, paired by seed, with at least "
    f"{LEAST_PAIRS} common seeds. Not corrected for the number of methods.",
    "CPU seconds: processor time of one search, median. Repeats: mean number of questions for an architecture that was "
    "evaluated already. Random: mean number of random architectures in place of such questions.",
)


def settings_of(rows: Sequence[Row]) -> list[Setting]:
    """Return the searches of each method as a setting of a report."""
    settings: dict[str, Setting] = {}
    for row in rows:
        setting = settings.setdefault(row.method, Setting(row.method, (), {}))
        setting.runs[row.seed] = _run(row)
    return list(settings.values())


def section(rows: Sequence[Row]) -> Section:
    """Return the section of all searches with the same number of evaluations, the best method first."""
    settings = settings_of(rows)
    has_baseline = any(setting.label == BASELINE for setting in settings)
    cells = []
    for line in table(settings, BASELINE if has_baseline else None):
        of_method = [row for row in rows if row.method == line.setting.strategy]
        is_tested = has_baseline and line.p_value is not None
        cells.append(
            [
                line.setting.strategy,
                str(line.num_seeds),
                percent(line.test),
                percent(line.val),
                "–" if line.found_best is None else f"{100 * line.found_best:.0f}",
                f"{line.p_value:.2g}" if is_tested else "–",
                f"{median(row.cpu_s for row in of_method):.1f}",
                f"{fmean(row.repeats for row in of_method):.1f}",
                f"{fmean(row.randoms for row in of_method):.1f}",
            ]
        )
    title = f"{rows[0].problem}, {rows[0].queries} evaluations"
    return Section(title, HEADER, cells, (), (), (), NOTES)


def write_summary(rows: Sequence[Row], folder: Path) -> str:
    """Write ``table.md`` and a figure for each number of evaluations. Return the text of the table.

    A line of a figure is the mean of the best accuracy so far over seeds. Its band is the standard error.
    """
    numbers = sorted({row.queries for row in rows})
    sections = [section([row for row in rows if row.queries == number]) for number in numbers]
    versions = ", ".join(sorted({row.version for row in rows}))
    text = as_markdown(sections) + "\n" + "\n".join([*NOTES, f"Versions: {versions}."]) + "\n"
    write_file(folder / "table.md", text.encode())
    for number, part in zip(numbers, sections, strict=True):
        order = [cells[0] for cells in part.rows]
        settings = settings_of([row for row in rows if row.queries == number])
        ordered = sorted(settings, key=lambda setting: order.index(setting.strategy))
        figure = lines(over_evaluations(ordered))
        figure.savefig(folder / f"curves-{number}.png", dpi=110)
    return text


def _run(row: Row) -> Run:
    """Return a search as a run of a report."""
    best = row.incumbents[-1]
    records = [
        Record(i, 0, key, key, accuracy, 0.0)
        for i, (key, accuracy) in enumerate(zip(row.architectures, row.val_accuracies, strict=True))
    ]
    result = SearchResult(
        space="",
        seed=row.seed,
        wall_s=row.wall_s,
        config={},
        strategy=row.method,
        evaluator="",
        num_queries=len(records),
        num_failures=0,
        best_architecture=records[best["index"]].architecture,
        best_key=records[best["index"]].key,
        best_value=best["val_accuracy"],
        test_value=best["test_accuracy"],
        parameters=None,
        incumbents=[
            Incumbent(index=i["index"], value=i["val_accuracy"], test_value=i["test_accuracy"])
            for i in row.incumbents
        ],
        best_there_is=row.best_there_is,
        cost_s=0.0,
    )
    return Run(RunFolder(Path()), result, records)
