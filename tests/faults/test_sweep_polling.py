"""Test that reading a sweep's states while its jobs start never makes a job fail."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from seminas.config.names import SWEEP_FILE
from seminas.sweeps.folder import SweepFolder

PROCESSES, JOBS = 4, 40
CLAIMS = """
import sys
from pathlib import Path
from seminas.runs.folder import RunFolder
times, *folders = sys.argv[1:]
folders = [RunFolder(Path(folder)) for folder in folders]
with folders[0].claim({"seed": 0}):
    print("claimed", flush=True)
    sys.stdin.readline()
for _ in range(int(times)):
    for folder in folders:
        with folder.claim({"seed": 0}):
            pass
print("done", flush=True)
"""


@pytest.mark.parametrize("claims", [200, pytest.param(3_000, marks=[pytest.mark.long, pytest.mark.campaign])])
def test_looking_at_a_sweep_refuses_no_job_its_folder(claims: int, tmp_path: Path) -> None:
    names = [f"job{i}" for i in range(JOBS)]
    sweep = SweepFolder(tmp_path)
    (tmp_path / SWEEP_FILE).write_text("seed: 0\n")
    sweep.write_planned(names)
    times = str(claims // JOBS)
    of_each = [[str(tmp_path / name) for name in names[i::PROCESSES]] for i in range(PROCESSES)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIMS, times, *folders],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for folders in of_each
    ]
    all_ended = threading.Event()
    seen: set[str] = set()

    def look() -> None:
        while not all_ended.is_set():
            seen.update(job.state.name for job in sweep.jobs())

    looking = threading.Thread(target=look)
    try:
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "claimed\n"
        assert [job.state.name for job in sweep.jobs()].count("running") == PROCESSES
        looking.start()
        said = [process.communicate("go on\n") for process in processes]
    finally:
        all_ended.set()
        for process in processes:
            process.kill()
            process.wait()
    looking.join()
    assert said == [("done\n", "")] * PROCESSES
    assert seen and seen <= {"missing", "running", "stopped"}
    assert [job.state.name for job in sweep.jobs()] == ["stopped"] * JOBS
