"""A section of a report: a table, its figures, and writers for HTML, Markdown, LaTeX and CSV."""

import csv
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from seminas.runs.metric import DIGITS


@dataclass(frozen=True)
class Section:
    """The table and the figures for one problem.

    Attributes:
        title: Title of the section.
        header: Column names of the table for people.
        rows: Rows of the table for people.
        plain_header: Column names of the table for programs.
        plain_rows: Rows of the table for programs, with one unrounded number in each column. None if a number is not
            known.
        figures: Name, caption and figure of each figure.
        notes: Sentences that explain the numbers.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    plain_header: Sequence[str]
    plain_rows: Sequence[Sequence[Any]]
    figures: Sequence[tuple[str, str, Figure]] = ()
    notes: Sequence[str] = ()


def percent(value: tuple[float, float] | None) -> str:
    """Return the mean and the standard deviation of fractions as text in percent, or a dash for None."""
    return "–" if value is None else f"{100 * value[0]:.2f} ± {100 * value[1]:.2f}"


def significant(value: tuple[float, float] | None) -> str:
    """Return the mean and the standard deviation with significant digits as text, or a dash for None."""
    return "–" if value is None else f"{value[0]:.{DIGITS}g} ± {value[1]:.2g}"


def html_table(section: Section) -> str:
    """Return the table of a section in HTML."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in section.header)
    rows = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in section.rows)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def as_markdown(sections: Sequence[Section]) -> str:
    """Return the tables of sections in Markdown."""
    parts = []
    for section in sections:
        lines = ["| " + " | ".join(section.header) + " |", "|---" + "|---:" * (len(section.header) - 1) + "|"]
        lines += ["| " + " | ".join(row) + " |" for row in section.rows]
        parts.append(f"**{section.title}**\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def as_latex(sections: Sequence[Section]) -> str:
    """Return the tables of sections in LaTeX. They need the package booktabs."""
    parts = []
    for section in sections:
        columns = "l" + "r" * (len(section.header) - 1)
        lines = [
            f"% {section.title}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            _latex(section.header),
        ]
        lines += [r"\midrule", *(_latex(row) for row in section.rows), r"\bottomrule", r"\end{tabular}", ""]
        parts.append("\n".join(lines))
    return "\n".join(parts)


_LATEX = {"_": r"\_", "%": r"\%", "±": r"$\pm$", "–": "--", "τ": r"$\tau$", "ρ": r"$\rho$"}


def _latex(texts: Sequence[str]) -> str:
    return " & ".join("".join(_LATEX.get(c, c) for c in text) for text in texts) + r" \\"


def as_csv(sections: Sequence[Section]) -> str:
    """Return the tables of sections in CSV. If the columns change, an empty line and a new header follow."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    before: Sequence[str] = ()
    for section in sections:
        if section.plain_header != before:
            if before:
                out.write("\n")
            writer.writerow(["problem", *section.plain_header])
            before = section.plain_header
        for row in section.plain_rows:
            texts = ["" if v is None else f"{v:.6g}" if isinstance(v, float) else str(v) for v in row]
            writer.writerow([section.title, *texts])
    return out.getvalue()
