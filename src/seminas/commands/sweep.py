"""``seminas sweep``: watch and resume the sweeps that the option -m starts."""

from pathlib import Path
from typing import Annotated

import typer

from seminas.commands.errors import user_errors
from seminas.runs.folder import STATES
from seminas.sweeps.folder import SweepFolder

sweep = typer.Typer(no_args_is_help=True, help="Watch and resume sweeps. The option -m starts a sweep.")
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the sweep (hydra.sweep.dir).")]


@sweep.command("status")
@user_errors
def status(
    folder: Folder,
    errors: Annotated[
        bool, typer.Option("--errors", help="Name the file with the traceback of each failed job.")
    ] = False,
) -> None:
    """Count the jobs in each state, and print the errors. Exit with status 1 unless all jobs are done."""
    jobs = SweepFolder(folder).jobs()
    counts = {state: sum(job.state.name == state for job in jobs) for state in STATES}
    print(f"{len(jobs)} jobs: " + ", ".join(f"{n} {state}" for state, n in counts.items() if n))
    for job in jobs:
        if job.state.name in ("failed", "stopped"):
            print(f"{job.state.name}: {job.name}{f': {job.state.error}' if job.state.error else ''}")
        file = job.folder.traceback_file() if errors else None
        if file is not None:
            print(f"  traceback: {file}")
    if counts["done"] < len(jobs):
        raise typer.Exit(1)


@sweep.command("resume")
@user_errors
def resume(folder: Folder) -> None:
    """Run the jobs of a sweep that are not done, with the sweep's own command."""
    from seminas.sweeps.resume import resume as go_on

    go_on(SweepFolder(folder))
    print(f"all jobs are done in {folder}")
