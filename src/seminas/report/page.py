"""The report of a study: one HTML page without outside assets, figures as PNG and SVG, the table in four formats."""

import base64
import csv
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from omegaconf import OmegaConf

from seminas.app import build
from seminas.errors import UserError
from seminas.files import atomic_write
from seminas.report import plots
from seminas.report.figures import draw_architecture, save_figure
from seminas.report.runs import Found, Setting, group
from seminas.report.statistics import Row, table

if TYPE_CHECKING:
    from seminas.spaces.base import SearchSpace

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
    "hours",
)
NUM_BEST = 3
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
NOTES = (
    "Mean ± standard deviation over seeds.",
    "The architecture is chosen by validation accuracy alone; its test accuracy is looked up after the search.",
    "Rank: mean over the seeds that all settings have.",
    "p: Wilcoxon's signed-rank test of the final accuracy against the baseline, paired by seed, not corrected for the "
    "number of settings.",
    "Found the best: runs that found the highest validation accuracy there is.",
    "Bands and bars: standard error.",
)


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
    sections = []
    problems = group(found.runs)
    for number, (problem, settings) in enumerate(problems.items()):
        rows = table(settings, baseline)
        prefix = f"{number + 1}-" if len(problems) > 1 else ""
        body = [f"<h2>{html.escape(problem)}</h2>", html_table(rows)]
        for name, caption, figure in _figures([row.setting for row in rows]):
            image = b""
            for kind in ("svg", "png"):
                image = save_figure(figure, out / "figures" / f"{prefix}{name}.{kind}")
            source = f"data:image/png;base64,{base64.b64encode(image).decode()}"
            text = html.escape(caption)
            body.append(f'<figure><img alt="{text}" src="{source}"><figcaption>{text}</figcaption></figure>')
        sections.append("\n".join(body))
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>seminas report</title>'
        f"<style>{STYLE}</style></head><body><h1>Report</h1><p>Searches: {html.escape(str(found))}.</p>"
        f'<p class="note">{" ".join(NOTES)}</p>{"".join(sections)}</body></html>\n'
    )
    path = out / "report.html"
    _write(path, page)
    _write(out / "results.csv", as_csv(problems, baseline))
    return path


def _figures(settings: list[Setting]) -> list[tuple[str, str, Figure]]:
    """Name, caption and figure of what there is to show of a problem."""
    found = [("curves", "Best so far: mean and standard error over seeds.", plots.curves(settings))]
    for key in plots.swept_keys(settings):
        name = key.replace(".", "-")
        found.append((f"ablation-{name}", f"Final accuracy over {key}.", plots.ablation(settings, key)))
    for strategy in dict.fromkeys(s.strategy for s in settings):
        of_it = [run.records for s in settings if s.strategy == strategy for run in s.runs.values()]
        figure = plots.predictions(of_it)
        if figure is not None:
            caption = (
                f"{strategy}: predicted and true accuracy of what it asked for, by round (τ: mean over runs)."
            )
            found.append((f"predictions-{strategy}", caption, figure))
    best: dict[str, Any] = {}
    runs = [run for s in settings for run in s.runs.values()]
    for run in sorted(runs, key=lambda r: -r.result["best_val_accuracy"]):
        best.setdefault(run.result["best_key"], run)
    space: SearchSpace[Any] = build(OmegaConf.create(runs[0].config), "space")
    found.append(
        (
            "looked-at",
            "What was evaluated, in two principal components of the architectures' features.",
            plots.looked_at(space, settings),
        )
    )
    for rank, run in enumerate(list(best.values())[:NUM_BEST], start=1):
        drawing = draw_architecture(space, space.from_json(run.result["best_architecture"]))
        caption = f"Number {rank} of all runs by validation accuracy: {run.result['best_val_accuracy']:.4f}"
        if run.result["test_accuracy"] is not None:
            caption += f", test {run.result['test_accuracy']:.4f}"
        found.append((f"best-{rank}", caption + f" ({run.strategy}, seed {run.seed}).", drawing))
    return found


def _write(path: Path, text: str) -> None:
    try:
        with atomic_write(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error


def cells(row: Row) -> list[str]:
    """Return a row as text, in the order of ``HEADER``."""
    return [
        row.setting.label,
        str(row.num_seeds),
        str(row.num_queries),
        _percent(row.val),
        _percent(row.test),
        _percent(row.regret),
        "–" if row.found is None else f"{100 * row.found:.0f}",
        "–" if row.rank is None else f"{row.rank:.1f}",
        "–" if row.p_value is None else f"{row.p_value:.1g}" if row.p_value < 0.01 else f"{row.p_value:.2f}",
        "–" if row.hours is None else f"{row.hours:.2f}",
    ]


def _percent(value: tuple[float, float] | None) -> str:
    return "–" if value is None else f"{100 * value[0]:.2f} ± {100 * value[1]:.2f}"


def html_table(rows: Sequence[Row]) -> str:
    """Return the table in HTML."""
    head = "".join(f"<th>{name}</th>" for name in HEADER)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells(row)) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def as_markdown(problems: dict[str, list[Setting]], baseline: str | None) -> str:
    """Return the tables in Markdown, one for each problem."""
    parts = []
    for problem, settings in problems.items():
        lines = ["| " + " | ".join(HEADER) + " |", "|---" + "|---:" * (len(HEADER) - 1) + "|"]
        lines += ["| " + " | ".join(cells(row)) + " |" for row in table(settings, baseline)]
        parts.append(f"**{problem}**\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def as_latex(problems: dict[str, list[Setting]], baseline: str | None) -> str:
    """Return the tables in LaTeX (booktabs), one for each problem."""
    parts = []
    for problem, settings in problems.items():
        lines = [f"% {problem}", r"\begin{tabular}{l" + "r" * (len(HEADER) - 1) + "}", r"\toprule"]
        lines += [_latex(HEADER), r"\midrule", *(_latex(cells(row)) for row in table(settings, baseline))]
        parts.append("\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""]))
    return "\n".join(parts)


def _latex(texts: Sequence[str]) -> str:
    escaped = [
        t.replace("_", r"\_").replace("%", r"\%").replace("±", r"$\pm$").replace("–", "--") for t in texts
    ]
    return " & ".join(escaped) + r" \\"


def as_csv(problems: dict[str, list[Setting]], baseline: str | None) -> str:
    """Return the tables as CSV of plain numbers: fractions, standard deviations in columns of their own."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = ("val_accuracy", "test_accuracy", "test_regret")
    header = ["problem", "setting", "strategy", "seeds", "evaluations"]
    header += [f"{name}_{part}" for name in names for part in ("mean", "sd")]
    writer.writerow([*header, "found_best", "rank", "p_value", "hours"])
    for problem, settings in problems.items():
        for row in table(settings, baseline):
            pairs = [v for pair in (row.val, row.test, row.regret) for v in (pair or (None, None))]
            numbers = [*pairs, row.found, row.rank, row.p_value, row.hours]
            texts = ["" if v is None else f"{v:.6g}" for v in numbers]
            setting = row.setting
            writer.writerow(
                [problem, setting.label, setting.strategy, row.num_seeds, row.num_queries, *texts]
            )
    return out.getvalue()
