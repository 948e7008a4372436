"""Test the rank of a process, and processes that end with their parent."""

import os
import signal
import subprocess
import sys

import pytest

from seminas.execution.processes import is_first_rank, number_of_ranks, rank_of_all, ranks_are_started


@pytest.mark.parametrize(
    ("environment", "started", "rank", "number"),
    [
        ({}, False, 0, 1),
        ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}, False, 0, 1),
        ({"SLURM_NTASKS": "8", "SLURM_PROCID": "5"}, True, 5, 8),
        ({"LOCAL_RANK": "1", "WORLD_SIZE": "2"}, True, 1, 2),
        ({"RANK": "6", "LOCAL_RANK": "2", "WORLD_SIZE": "8"}, True, 6, 8),
        ({"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "8", "SLURM_NTASKS": "1"}, True, 0, 8),
    ],
)
def test_a_rank_is_read_from_the_environment(
    environment: dict[str, str], started: bool, rank: int, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "SLURM_NTASKS", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (ranks_are_started(), rank_of_all(), number_of_ranks()) == (started, rank, number)
    assert is_first_rank() is (rank == 0)


PARENT = """
import subprocess, sys
child = "import os, sys, time; from seminas.execution.processes import end_with_parent; end_with_parent(os.getppid())"
child += "; print('here', flush=True); time.sleep(600)"
subprocess.run([sys.executable, "-c", child])
"""


def test_a_process_ends_with_the_one_that_started_it() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline() == "here\n"
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        assert parent.stdout.read() == ""  # The pipe closes when the child, its last holder, has ended.
