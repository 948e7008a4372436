"""Write the report of a study: an HTML page with all its images inside, PNG and SVG figures, and a CSV file."""

import base64
import html
from collections.abc import Callable, Sequence
from pathlib import Path

from seminas.errors import UserError
from seminas.loop.drawing import save_figure
from seminas.report.predictors import predictor_section
from seminas.report.problems import problem_of
from seminas.report.runs import Runs, group
from seminas.report.searches import search_section
from seminas.report.section import Section, as_csv, html_table
from seminas.runs.results import PredictorResult
from seminas.storage.files import write_file

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .7rem; text-align: right }
th:first-child, td:first-child { text-align: left }
thead th { border-bottom: 1px solid #888 }
tbody tr:nth-child(even) { background: #f5f5f5 }
img { max-width: 100%; height: auto }
figure { margin: 1rem 0 }
figcaption, .note { color: #555 }
"""


def sections(
    runs: Runs, baseline: str | None = None, figures: bool = True, at: Sequence[int] = ()
) -> list[Section]:
    """Return a section for each problem with searches, and then for each problem with compared predictors.

    Args:
        runs: Runs of the report.
        baseline: Setting or strategy for the paired test, see ``statistics.table``.
        figures: Whether to draw figures.
        at: Numbers of evaluations. For each number n, a further section compares the searches after n evaluations. It
            leaves out shorter searches.

    Raises:
        UserError: The baseline does not exist, or no search of a problem has so many evaluations.
    """
    searched = []
    for problem, settings in group(runs.searches).items():
        searched.append(search_section(problem, settings, baseline, figures=figures))
        for n in at:
            shorter = [s for s in (setting.first(n) for setting in settings) if s is not None]
            if not shorter:
                raise UserError(f"--at {n}: no search of {problem} has so many evaluations; ask for fewer")
            searched.append(
                search_section(f"{problem}, first {n} evaluations", shorter, baseline, figures=False)
            )
    ranked: dict[str, list[PredictorResult]] = {}
    for result in runs.predictors:
        ranked.setdefault(problem_of(result), []).append(result)
    return searched + [
        predictor_section(p, results, figures=figures) for p, results in sorted(ranked.items())
    ]


def write_report(
    runs: Runs,
    out: Path,
    baseline: str | None = None,
    at: Sequence[int] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write the page, the tables and the figures into a folder.

    Args:
        runs: Runs of the report.
        out: Folder for ``report.html``, ``results.csv`` and ``figures/``.
        baseline: Setting or strategy for the paired test, see ``statistics.table``.
        at: Numbers of evaluations for further sections, see ``sections``.
        progress: Function that takes the number of sections that have been written, and the number of all.

    Returns:
        The path of the page.

    Raises:
        UserError: The baseline does not exist, no search of a problem is long enough for ``at``, or a file cannot be
            written.
    """
    parts = sections(runs, baseline, at=at)
    drawn = sum(bool(part.figures) for part in parts)
    body = ""
    for number, part in enumerate(parts, start=1):
        body += _section(part, out / "figures", f"{number}-" if drawn > 1 else "")
        progress(number, len(parts))
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>seminas report</title>'
        f"<style>{STYLE}</style></head><body><h1>Report</h1><p>Runs: {html.escape(str(runs))}.</p>{body}"
        f"</body></html>\n"
    )
    path = out / "report.html"
    write_file(path, page.encode())
    write_file(out / "results.csv", as_csv(parts).encode())
    return path


def _section(section: Section, folder: Path, prefix: str) -> str:
    body = [f"<h2>{html.escape(section.title)}</h2>", html_table(section)]
    body.append(f'<p class="note">{html.escape(" ".join(section.notes))}</p>')
    for name, caption, figure in section.figures:
        image = b""
        for kind in ("svg", "png"):
            image = save_figure(figure, folder / f"{prefix}{name}.{kind}")
        source = f"data:image/png;base64,{base64.b64encode(image).decode()}"
        text = html.escape(caption)
        body.append(f'<figure><img alt="{text}" src="{source}"><figcaption>{text}</figcaption></figure>')
    return "\n".join(body)
