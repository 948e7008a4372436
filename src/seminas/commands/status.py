"""``seminas status``: print the state of a single run."""

from pathlib import Path
from typing import Annotated

import typer

from seminas.commands.errors import user_errors
from seminas.errors import UserError
from seminas.runs.folder import NO_RUN, RunFolder


@user_errors
def status(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN", help="Run folder, or folder of a sweep of your own Hydra app.")
    ],
) -> None:
    """Print a run's state, evaluations, best accuracy and time left. Exit with status 1 unless the run is done."""
    from seminas.config.names import STUDY
    from seminas.runs.progress import progress_of

    run = RunFolder(folder)
    if not run.is_claimed() and (study := RunFolder(folder / STUDY)).is_claimed():
        run = study
    if not run.is_claimed() and run.error() is None:
        raise UserError(f"{folder}: {NO_RUN}")
    state = run.state()
    print(f"state        {state.name}{f': {state.error}' if state.error else ''}")
    for name, value in progress_of(run).items():
        print(f"{name:<13}{value}")
    if state.name != "done":
        raise typer.Exit(1)
