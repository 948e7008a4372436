"""Test the launchers of Slurm jobs without Slurm."""

from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import JobStatus
from omegaconf import OmegaConf

from hydra_plugins.seminas_launchers import SlurmLauncher
from seminas.config.names import pinned_name
from seminas.runs.folder import RESULT_FILE


def test_a_job_that_ended_since_the_sweep_looked_is_not_submitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [["seed=0", "hydra.sweep.subdir=a"], ["seed=1", "hydra.sweep.subdir=b"]]
    for name in map(pinned_name, jobs):
        (tmp_path / name).mkdir()
        (tmp_path / name / RESULT_FILE).write_text("{}")

    def submit(self: Any) -> None:
        pytest.fail("a job was submitted")

    monkeypatch.setattr(SlurmLauncher, "_executor", submit)
    launcher = object.__new__(SlurmLauncher)
    launcher.config = OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}})
    outcomes = launcher.launch(jobs, 0)
    assert [outcome.status for outcome in outcomes] == [JobStatus.COMPLETED] * 2
    assert not (tmp_path / "submitted.json").exists()
