"""``seminas report`` and ``seminas dashboard``: compare finished runs."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from seminas.commands.errors import user_errors
from seminas.commands.progress import shown_progress


class Format(StrEnum):
    """Output format of ``seminas report``."""

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
        typer.Option("--out", "-o", help="Folder for the page. [default: report in the first DIR]"),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="Page with figures (html), or tables on the screen.")
    ] = Format.HTML,
    baseline: Annotated[
        str | None,
        typer.Option(help="Strategy or setting that the others are tested against. [default: random]"),
    ] = None,
    at: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Add a table of the first N evaluations of each search."),
    ] = None,
) -> None:
    """Compare finished runs in tables and figures. A sweep may still be running."""
    from seminas.commands.space import import_path
    from seminas.report.page import sections, write_report
    from seminas.report.runs import read_runs
    from seminas.report.section import as_csv, as_latex, as_markdown

    with shown_progress("reading runs") as advance:
        runs = read_runs(folders, advance)
    print(f"runs: {runs}", file=sys.stderr)
    import_path([path for run in runs.searches for path in run.folder.import_paths()])
    if form is Format.HTML:
        with shown_progress("drawing") as advance:
            page = write_report(runs, out or folders[0] / "report", baseline, at or (), advance)
        print(page)
        return
    written = {Format.CSV: as_csv, Format.MD: as_markdown, Format.LATEX: as_latex}[form]
    print(written(sections(runs, baseline, figures=False, at=at or ())), end="")


@user_errors
def dashboard(
    project: Annotated[str, typer.Option(help="W&B project.")] = "seminas",
    entity: Annotated[str, typer.Option(help="W&B user or team. [default: user of the login]")] = "",
    name: Annotated[str, typer.Option(help="Name of the view.")] = "SemiNAS: labeled fraction",
    group: Annotated[str | None, typer.Option(help="Show only the sweep with this folder name.")] = None,
    metric: Annotated[str, typer.Option(help="Metric that the searches optimized.")] = "val_accuracy",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the view to a JSON file, without network.")
    ] = None,
) -> None:
    """Save a W&B workspace view with ablations over labels and pseudo-labels, strategies, and single searches."""
    from seminas.report.dashboard import ablation_view, default_entity, save_view, write_view
    from seminas.runs.metric import ACCURACY, Metric

    # The view names the metric, and does not use its direction.
    shown = ACCURACY if metric == ACCURACY.name else Metric(metric, "maximize")
    if out is not None:
        write_view(ablation_view(entity or "ENTITY", project, name, group, shown), out)
        print(out)
    else:
        print(save_view(ablation_view(entity or default_entity(), project, name, group, shown)))
