"""``seminas``: everything that is not an experiment."""

import typer

from seminas.commands.arch import arch
from seminas.commands.data import data
from seminas.commands.report import dashboard, report
from seminas.commands.space import space
from seminas.commands.status import status
from seminas.commands.sweep import sweep

app = typer.Typer(
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
    help="Semi-supervised neural architecture search.",
)
app.add_typer(data, name="data")
app.add_typer(space, name="space")
app.add_typer(arch, name="arch")
app.add_typer(sweep, name="sweep")
app.command("status")(status)
app.command("report")(report)
app.command("dashboard")(dashboard)


def main() -> None:
    """Entry point of ``seminas``."""
    app()
