"""``seminas report``."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from seminas.errors import user_errors


class Format(StrEnum):
    """What ``seminas report`` writes."""

    HTML = "html"
    CSV = "csv"
    MD = "md"
    LATEX = "latex"


@user_errors
def report(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR…", help="Run folders, sweeps, or folders of sweeps.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of the page. [default: report in the first DIR]"),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="A page with figures, or the table alone on the screen.")
    ] = Format.HTML,
    baseline: Annotated[
        str | None,
        typer.Option(help="Strategy, or setting as the table names it, to test against. [default: random]"),
    ] = None,
) -> None:
    """Compare searches: tables and figures of finished runs, also of a sweep that is still running."""
    from seminas.report.page import as_csv, as_latex, as_markdown, write_report
    from seminas.report.runs import find_runs, group

    found = find_runs(folders)
    print(f"searches: {found}", file=sys.stderr)
    if form is Format.HTML:
        print(write_report(found, out or folders[0] / "report", baseline))
        return
    written = {Format.CSV: as_csv, Format.MD: as_markdown, Format.LATEX: as_latex}[form]
    print(written(group(found.runs), baseline), end="")
