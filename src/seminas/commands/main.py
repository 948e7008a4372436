"""``seminas``: the program that contains all commands."""

from collections.abc import Callable

import typer

from seminas.commands.arch import arch
from seminas.commands.cancel import cancel
from seminas.commands.data import data
from seminas.commands.experiments import add_experiments
from seminas.commands.report import dashboard, report
from seminas.commands.space import space
from seminas.commands.speak import intelligibility, speak
from seminas.commands.status import status
from seminas.commands.sweep import sweep

app = typer.Typer(
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Semi-supervised neural architecture search. seminas COMMAND --help explains a command.",
)
add_experiments(app)
RUNS, SPACES, SPEECH = "Runs and sweeps", "Spaces, architectures and tables", "Speech"
COMMANDS: dict[str, tuple[str, Callable[..., None], str]] = {
    "status": (RUNS, status, "Print the state of a run. Example: seminas status RUN"),
    "cancel": (RUNS, cancel, "Cancel the Slurm jobs of a run or a sweep. Example: seminas cancel RUN"),
    "report": (RUNS, report, "Compare runs on one page. Example: seminas report runs"),
    "dashboard": (RUNS, dashboard, "Save a W&B view of ablations. Example: seminas dashboard"),
    "speak": (SPEECH, speak, "Speak a text with a trained network. Example: seminas speak RUN 'hello'"),
    "intelligibility": (SPEECH, intelligibility, "Measure word errors. Example: seminas intelligibility RUN"),
}
GROUPS = {
    "sweep": (RUNS, sweep, "Watch and resume sweeps. Example: seminas sweep status DIR"),
    "space": (SPACES, space, "Inspect search spaces. Example: seminas space count nasbench201"),
    "arch": (SPACES, arch, "Show one architecture. Example: seminas arch show RUN --figure cell.png"),
    "data": (SPACES, data, "Make tables of accuracies. Example: seminas data info digits101"),
}
for name, (panel, command, about) in COMMANDS.items():
    app.command(name, short_help=about, rich_help_panel=panel)(command)
for name, (panel, group, about) in GROUPS.items():
    app.add_typer(group, name=name, short_help=about, rich_help_panel=panel)


def main() -> None:
    """Run ``seminas``."""
    app()
