"""Write the report of a study: an interactive HTML page that needs no other file, figures, and a CSV file."""

import base64
import gzip
import html
import json
import re
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

from seminas.errors import UserError
from seminas.loop.drawing import save_figure
from seminas.report.predictors import predictor_section
from seminas.report.problems import problem_of
from seminas.report.recordings import Room, speech_html
from seminas.report.runs import Runs, group
from seminas.report.searches import search_section
from seminas.report.section import Section, as_csv, html_table
from seminas.report.trainings import problem_of_training, training_section
from seminas.runs.results import PredictorResult
from seminas.runs.speech_results import SpeechResult
from seminas.storage.files import write_file

HERE = Path(__file__).parent


def sections(
    runs: Runs, baseline: str | None = None, figures: bool = True, at: Sequence[int] = ()
) -> list[Section]:
    """Return a section for each problem with searches, with compared predictors, and with trainings on speech.

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
        infeasible = [run for run in runs.infeasible if run.problem == problem]
        searched.append(search_section(problem, settings, baseline, figures=figures, infeasible=infeasible))
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
    trained: dict[str, list[SpeechResult]] = {}
    for training in runs.trainings:
        trained.setdefault(problem_of_training(training), []).append(training)
    return [
        *searched,
        *(predictor_section(p, results, figures=figures) for p, results in sorted(ranked.items())),
        *(training_section(p, results, figures=figures) for p, results in sorted(trained.items())),
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
    body, room = "", Room()
    for number, part in enumerate(parts, start=1):
        body += _section(part, out / "figures", f"{number}-" if drawn > 1 else "", f"section-{number}", room)
        progress(number, len(parts))
    has_charts = any(figure.charts for part in parts for figure in part.figures)
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>seminas report</title>'
        f'<meta name="viewport" content="width=device-width"><style>{(HERE / "page.css").read_text()}</style></head>'
        f"<body><main><h1>Report</h1><p>Runs: {html.escape(str(runs))}.</p>{body}</main>"
        f"{_plotly() if has_charts else ''}<script>{(HERE / 'page.js').read_text()}</script></body></html>\n"
    )
    path = out / "report.html"
    write_file(path, page.encode())
    write_file(out / "results.csv", as_csv(parts).encode())
    return path


def _plotly() -> str:
    """Return the element with Plotly's library. It has 4.8 MB, and 2 MB in this form."""
    return _packed("plotly", resources.files("plotly").joinpath("package_data", "plotly.min.js").read_bytes())


def _packed(name: str, content: bytes) -> str:
    """Return an element with compressed content, which ``page.js`` reads."""
    packed = base64.b64encode(gzip.compress(content, mtime=0)).decode()
    return f'<script type="text/plain" id="{name}">{packed}</script>'


def _section(section: Section, folder: Path, prefix: str, name: str, room: Room) -> str:
    """Write the figures of a section into a folder, and return its HTML."""
    body = [
        f"<h2>{html.escape(section.title)}</h2>",
        f'<div class="wide">{html_table(section.all_tables[0])}</div>',
    ]
    for table in section.tables:
        body.append(f'<h3>{html.escape(table.title)}</h3><div class="wide">{html_table(table)}</div>')
    body.append(f'<p class="note">{html.escape(" ".join(section.notes))}</p>')
    if section.speech:
        body.append(speech_html(section.speech, room))
    for figure in section.figures:
        image = b""
        file_name = re.sub(r"[^\w.-]+", "-", prefix + figure.name)  # The name of a strategy may be any text.
        for kind in ("svg", "png"):
            image = save_figure(figure.figure, folder / f"{file_name}.{kind}")
        source = f"data:image/png;base64,{base64.b64encode(image).decode()}"
        text = html.escape(figure.caption)
        charts = f' data-section="{name}" data-charts="{html.escape(figure.name)}"' if figure.charts else ""
        body.append(
            f'<figure{charts}><img alt="{text}" src="{source}"><figcaption>{text}</figcaption></figure>'
        )
    charted = {figure.name: figure.charts for figure in section.figures if figure.charts}
    if charted:
        content = {"architectures": section.architectures, "figures": charted}
        text = json.dumps(content, separators=(",", ":"), allow_nan=False)
        body.append(_packed(name, text.encode()))
    return "\n".join(body)
