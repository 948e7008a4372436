"""A part of a report: a table in four formats, and figures."""

import csv
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Section:
    """What there is to say of one problem.

    Attributes:
        title: Its name.
        header: Of the table, for people.
        rows: The table, for people.
        plain_header: Of the table for programs, whose numbers have all their digits and columns of their own.
        plain_rows: That table; None where a number is not known.
        figures: Name, caption and figure.
        notes: Sentences on what the numbers are.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    plain_header: Sequence[str]
    plain_rows: Sequence[Sequence[Any]]
    figures: Sequence[tuple[str, str, Figure]] = ()
    notes: Sequence[str] = ()


def percent(value: tuple[float, float] | None) -> str:
    """Return mean and deviation of fractions as percentages."""
    return "–" if value is None else f"{100 * value[0]:.2f} ± {100 * value[1]:.2f}"


def html_table(section: Section) -> str:
    """Return the table in HTML."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in section.header)
    rows = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in section.rows)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def as_markdown(sections: Sequence[Section]) -> str:
    """Return the tables in Markdown."""
    parts = []
    for section in sections:
        lines = ["| " + " | ".join(section.header) + " |", "|---" + "|---:" * (len(section.header) - 1) + "|"]
        lines += ["| " + " | ".join(row) + " |" for row in section.rows]
        parts.append(f"**{section.title}**\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def as_latex(sections: Sequence[Section]) -> str:
    """Return the tables in LaTeX (booktabs)."""
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
    """Return the tables as CSV; one after the other, with an empty line between, where their columns differ."""
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
