"""Kill a sweep of a user's Hydra app from outside, with each launcher that runs jobs side by side."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fake_slurm_commands import FakeSlurm
from integration.sweeps.apps import RANDOM, SWEPT, history, ran, require_launcher, sweep, told, write_app

SLOW = 5
"""Number of the job that still runs when the sweep is killed."""


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local", "submitit_slurm", "ray"])
def test_a_killed_sweep_goes_on_and_pays_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launcher: str
) -> None:
    require_launcher(launcher)
    if launcher == "submitit_slurm":
        FakeSlurm(tmp_path, monkeypatch)
    write_app(tmp_path, f"__import__('time').sleep(8 * (number == {SLOW})) or kernel + depth / 10")
    arguments = [*SWEPT, *RANDOM, "hydra.sweeper.max_queries=9", "hydra.sweeper.n_jobs=3"]
    command = [sys.executable, "train.py", "-m", "hydra/sweeper=seminas", f"hydra/launcher={launcher}"]
    process = subprocess.Popen(
        [*command, *arguments], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 200
    while not {3, 4, SLOW} <= set(ran(tmp_path)):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)  # The two fast jobs of the launch end.
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(history(tmp_path)) == 3
    outlives = launcher.startswith("submitit")
    # The slow job ended with the sweep, or goes on. Then it is awaited.
    done = subprocess.run([*command, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sorted(set(ran(tmp_path))) == list(range(9))
    assert [n for n in range(9) if ran(tmp_path).count(n) > 1] == ([] if outlives else [SLOW])
    undisturbed = tmp_path / "undisturbed"
    write_app(undisturbed)
    assert sweep(undisturbed, *arguments).returncode == 0
    assert told(tmp_path) == told(undisturbed)
