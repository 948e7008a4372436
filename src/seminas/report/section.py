"""A section of a report: a table, its figures, and writers for HTML, Markdown, LaTeX and CSV."""

import csv
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from seminas.report.recordings import Speech
from seminas.runs.metric import DIGITS, Metric

Chart = Mapping[str, Any]
"""A chart of Plotly as JSON, with ``data`` and ``layout``."""


@dataclass(frozen=True)
class Illustration:
    """A figure of a section.

    Attributes:
        name: Name of its files.
        caption: Sentence below it.
        figure: Figure for the files, and for readers without JavaScript.
        charts: The same figure for the page, a chart for each of its axes (``charts.py``). Empty if the page shows the
            figure itself.
    """

    name: str
    caption: str
    figure: Figure
    charts: Sequence[Chart] = ()


@dataclass(frozen=True)
class Table:
    """A further table of a section, for people.

    Attributes:
        title: Title of the table.
        header: Column names.
        rows: Rows of texts.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """The tables and the figures for one problem.

    Attributes:
        title: Title of the section.
        header: Column names of the table for people.
        rows: Rows of the table for people.
        plain_header: Column names of the table for programs.
        plain_rows: Rows of the table for programs, with one unrounded number in each column. None if a number is not
            known.
        figures: Figures, in the order of the page.
        notes: Sentences that explain the numbers.
        tables: Further tables.
        architectures: Architectures of the charts' points (``gallery.py``).
        speech: Speech of the best architectures, for the page.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    plain_header: Sequence[str]
    plain_rows: Sequence[Sequence[Any]]
    figures: Sequence[Illustration] = ()
    notes: Sequence[str] = ()
    tables: Sequence[Table] = ()
    architectures: Sequence[Mapping[str, Any]] = ()
    speech: Sequence[Speech] = ()

    @property
    def all_tables(self) -> list[Table]:
        """The table of the section and the further ones."""
        return [Table(self.title, self.header, self.rows), *self.tables]


def percent(value: tuple[float, float] | None) -> str:
    """Return the mean and the standard deviation of fractions as text in percent, or a dash for None."""
    return "–" if value is None else f"{100 * value[0]:.2f} ± {100 * value[1]:.2f}"


def significant(value: tuple[float, float] | None) -> str:
    """Return the mean and the standard deviation with significant digits as text, or a dash for None."""
    return "–" if value is None else f"{value[0]:.{DIGITS}g} ± {value[1]:.2g}"


def written(metric: Metric, value: tuple[float, float] | None) -> str:
    """Return the mean and the standard deviation of a metric's values as text: fractions in percent."""
    return percent(value) if metric.is_fraction else significant(value)


def with_unit(metric: Metric, title: str) -> str:
    """Return a column's title with the unit of its values."""
    return f"{title} (%)" if metric.is_fraction else metric.labeled(title)


def probability(value: float | None) -> str:
    """Return a p-value as text, or a dash for None."""
    return "–" if value is None else f"{value:.1g}" if value < 0.01 else f"{value:.2f}"


def html_table(table: Table) -> str:
    """Return a table in HTML."""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in table.header)
    rows = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in table.rows)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def as_markdown(sections: Sequence[Section]) -> str:
    """Return the tables of sections in Markdown."""
    parts = []
    for table in (table for section in sections for table in section.all_tables):
        lines = ["| " + " | ".join(table.header) + " |", "|---" + "|---:" * (len(table.header) - 1) + "|"]
        lines += ["| " + " | ".join(row) + " |" for row in table.rows]
        parts.append(f"**{table.title}**\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def as_latex(sections: Sequence[Section]) -> str:
    """Return the tables of sections in LaTeX. They need the package booktabs."""
    parts = []
    for table in (table for section in sections for table in section.all_tables):
        columns = "l" + "r" * (len(table.header) - 1)
        lines = [f"% {table.title}", rf"\begin{{tabular}}{{{columns}}}", r"\toprule", _latex(table.header)]
        lines += [r"\midrule", *(_latex(row) for row in table.rows), r"\bottomrule", r"\end{tabular}", ""]
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
