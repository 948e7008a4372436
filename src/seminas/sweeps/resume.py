"""Resume a sweep: run the command of the sweep again."""

import os
import sys
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from seminas.config.names import quoted
from seminas.sweeps.folder import SweepFolder


def resume(folder: SweepFolder) -> None:
    """Replace this process by the sweep's command. The command runs the jobs that are not done.

    If all jobs are done, return without running the command.

    Raises:
        UserError: The folder holds no sweep.
    """
    if all(job.state.name == "done" for job in folder.jobs()):
        return
    program, command = resume_command(folder)
    sys.stdout.flush()
    os.chdir(folder.config().hydra.runtime.cwd)
    os.execv(program, command)


def resume_command(folder: SweepFolder) -> tuple[Path, list[str]]:
    """Return the program and the argument list of the sweep's command.

    Raises:
        UserError: The folder holds no sweep.
    """
    config = folder.config()
    overrides: Any = OmegaConf.to_container(config.hydra.overrides, resolve=False)
    name = config.hydra.job.name
    program = Path(sys.argv[0]).with_name(f"seminas-{name}")
    command = [str(program)]
    if Path(sys.argv[0]).name == "__main__.py":  # python -m seminas
        program, command = Path(sys.executable), [sys.executable, "-m", "seminas", name]
    of_hydra = [o for o in overrides["hydra"] if not o.startswith(("hydra.sweep.dir=", "hydra.mode="))]
    config_dirs = [s.path for s in config.hydra.runtime.config_sources if s.provider == "command-line"]
    return program, [
        *command,
        "-m",
        *(f"--config-dir={path}" for path in config_dirs),
        *overrides["task"],
        *of_hydra,
        f"hydra.sweep.dir={quoted(str(folder.path.resolve()))}",
    ]
