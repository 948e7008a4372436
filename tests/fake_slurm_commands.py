"""Put the imitated Slurm commands of ``fake_slurm`` on the path, and read and change their state."""

import json
import os
import sys
from pathlib import Path

import pytest

from support import ROOT

COMMANDS = ("sbatch", "srun", "sacct", "scancel", "scontrol")


class FakeSlurm:
    """The imitated Slurm.

    Attributes:
        state: Folder of its state.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Write the commands into a folder, and put them on the path until the end of the test."""
        bin_folder, self.state = folder / "bin", folder / "state"
        bin_folder.mkdir()
        self.state.mkdir()
        for name in COMMANDS:
            file = bin_folder / name
            file.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/tests/fake_slurm.py {name} "$@"\n')
            file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{bin_folder}:{os.environ['PATH']}")
        monkeypatch.setenv("FAKE_SLURM", str(self.state))

    def jobs(self) -> dict[str, str]:
        """Return the state of each job by its id."""
        found = [json.loads(file.read_text()) for file in self.state.glob("job-*.json")]
        return {job["JobID"]: job["State"] for job in sorted(found, key=lambda job: job["JobID"])}

    def script(self, number: int) -> str:
        """Return the script of a job or an array."""
        return (self.state / f"submitted-{number}").read_text()

    def end(self, job: str, state: str) -> None:
        """End a job, so that it has a state such as ``PREEMPTED``."""
        os.system(f"{sys.executable} {ROOT}/tests/fake_slurm.py end {job} {state}")
