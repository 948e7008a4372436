"""The report of a study: one HTML page without outside assets, its figures as PNG and SVG, its tables as CSV."""

import base64
import html
from pathlib import Path

from seminas.files import write_file
from seminas.report.figures import save_figure
from seminas.report.predictors import predictor_section
from seminas.report.runs import Found, group, problem_of
from seminas.report.searches import search_section
from seminas.report.section import Section, as_csv, html_table

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


def sections(found: Found, baseline: str | None = None, figures: bool = True) -> list[Section]:
    """Return a section for each problem that was searched, then for each on which models were compared.

    Raises:
        UserError: There is no such baseline, see ``statistics.table``.
    """
    searched = [search_section(p, s, baseline, figures) for p, s in group(found.runs).items()]
    ranked: dict[str, list[dict[str, object]]] = {}
    for result in found.predictors:
        ranked.setdefault(problem_of(result), []).append(result)
    return searched + [predictor_section(p, results, figures) for p, results in sorted(ranked.items())]


def write_report(found: Found, out: Path, baseline: str | None = None) -> Path:
    """Write the page and its figures into a folder.

    Args:
        found: The runs.
        out: Folder; ``report.html``, ``results.csv`` and ``figures/`` are written there.
        baseline: What the paired test compares with, see ``statistics.table``.

    Returns:
        The page.

    Raises:
        UserError: There is no such baseline, or nothing can be written there.
    """
    parts = sections(found, baseline)
    body = "".join(
        _section(part, out / "figures", f"{i}-" if len(parts) > 1 else "")
        for i, part in enumerate(parts, start=1)
    )
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>seminas report</title>'
        f"<style>{STYLE}</style></head><body><h1>Report</h1><p>Runs: {html.escape(str(found))}.</p>{body}"
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
