"""``seminas cancel``: cancel the Slurm jobs of a run or a sweep."""

from pathlib import Path
from typing import Annotated

import typer

from seminas.commands.errors import user_errors
from seminas.config.names import SWEEP_FILE
from seminas.errors import UserError
from seminas.runs.folder import NO_RUN, RunFolder, run_folders
from seminas.sweeps.folder import SweepFolder


@user_errors
def cancel(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or folder of a sweep.")],
) -> None:
    """Cancel all Slurm jobs of a run or a sweep, queued or running.

    A search that waits for the jobs ends. A sweep begins no other job. The same command continues later.

    Examples: seminas cancel runs/mine, seminas cancel multirun/sweep
    """
    from seminas.execution.submitted import JobsFolder, cancel_sweep

    number = 0
    if (folder / SWEEP_FILE).is_file():
        sweep = SweepFolder(folder)
        sweep.stop()
        number += cancel_sweep(sweep.submitted())
        runs = [run.path for run in run_folders(folder)]
    elif RunFolder(folder).is_claimed():
        runs = [folder]
    else:
        raise UserError(f"{folder}: {NO_RUN}")
    number += sum(JobsFolder(run).cancel_all() for run in runs)
    print(f"{number} jobs cancelled")
