#!/usr/bin/env python3
"""Imitate the Slurm commands that submitit uses (sbatch, srun, sacct and scontrol) on one machine.

The folder $FAKE_SLURM holds the state of the jobs.
"""

import fcntl
import json
import os
import re
import subprocess
import sys
from pathlib import Path

STATE = Path(os.environ["FAKE_SLURM"])


def sbatch(script: str) -> None:
    text = Path(script).read_text()
    number = 1000 + len(list(STATE.glob("submitted-*")))
    (STATE / f"submitted-{number}").write_text(text)
    array = re.search(r"--array=0-(\d+)", text)
    for i in range(int(array[1]) + 1) if array else [None]:
        subprocess.Popen(
            [sys.executable, __file__, "supervise", script, str(number), str(i)],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    print(f"Submitted batch job {number}")


def supervise(script: str, number: str, index: str) -> None:
    name = number if index == "None" else f"{number}_{index}"
    tasks = re.search(r"--ntasks-per-node=(\d+)", Path(script).read_text())
    environment = {
        **os.environ,
        "SLURM_JOB_ID": number,
        "SLURM_JOB_NAME": "train",
        "SLURM_NTASKS": tasks[1] if tasks else "1",
        "SLURM_NTASKS_PER_NODE": tasks[1] if tasks else "1",
        "SLURM_JOB_NUM_NODES": "1",
    }
    if index != "None":
        environment |= {"SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": index}
        environment["SLURM_JOB_ID"] = str(10 * int(number) + int(index))
    again = STATE / f"requeue-{name}"
    note(name, "PENDING")
    at_once = re.search(r"--array=0-\d+%(\d+)", Path(script).read_text())
    slot = (STATE / f"slot-{int(index) % int(at_once[1]) if at_once else name}").open("w")
    fcntl.flock(slot, fcntl.LOCK_EX)
    while True:
        note(name, "RUNNING")
        code = subprocess.run(["bash", script], env=environment, check=False).returncode
        if not again.exists():
            break
        again.unlink()
    note(name, "FAILED" if code else "COMPLETED")


def note(name: str, state: str) -> None:
    """Write a job's state atomically. A reader sees either the old or the new state."""
    file = STATE / f"writing-{name}"
    file.write_text(json.dumps({"JobID": name, "State": state}))
    file.replace(STATE / f"job-{name}.json")


def srun(*arguments: str) -> None:
    words = list(arguments)
    files = {}
    while words[0].startswith("--"):
        option = words.pop(0)
        if option in ("--output", "--error"):
            files[option] = words.pop(0)
    job = os.environ.get("SLURM_ARRAY_JOB_ID", os.environ["SLURM_JOB_ID"])
    index = os.environ.get("SLURM_ARRAY_TASK_ID", "")
    tasks = []
    for rank in range(int(os.environ["SLURM_NTASKS"])):
        rank_variables = {"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank), "SLURM_NODEID": "0"}
        out, err = (
            re.sub("%A|%j", job, files[o]).replace("%a", index).replace("%t", str(rank))
            for o in ("--output", "--error")
        )
        with Path(out).open("a") as stdout, Path(err).open("a") as stderr:
            tasks.append(
                subprocess.Popen(words, env={**os.environ, **rank_variables}, stdout=stdout, stderr=stderr)
            )
    sys.exit(max(abs(task.wait()) for task in tasks))


def sacct(*arguments: str) -> None:
    print("JobID|State|NodeList")
    for file in STATE.glob("job-*.json"):
        job = json.loads(file.read_text())
        print(f"{job['JobID']}|{job['State']}|here", flush=True)
    (STATE / "asked").touch()


def scontrol(action: str, job: str) -> None:
    assert action == "requeue"
    (STATE / f"requeue-{job}").touch()


if __name__ == "__main__":
    commands = {f.__name__: f for f in (sbatch, srun, sacct, scontrol, supervise)}
    commands[sys.argv[1]](*sys.argv[2:])
