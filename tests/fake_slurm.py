#!/usr/bin/env python3
"""Imitate the Slurm commands that submitit uses (sbatch, srun, sacct, scancel and scontrol) on one machine.

The folder $FAKE_SLURM holds the state of the jobs. A file ``refuse`` in it lets sbatch refuse all jobs.
"""

import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

STATE = Path(os.environ["FAKE_SLURM"])


def sbatch(script: str) -> None:
    if (STATE / "refuse").exists():
        print("sbatch: error: invalid partition specified: none", file=sys.stderr)
        sys.exit("sbatch: error: Batch job submission failed: Invalid partition name specified")
    text = Path(script).read_text()
    number = 1000 + len(list(STATE.glob("submitted-*")))
    (STATE / f"submitted-{number}").write_text(text)
    array = re.search(r"--array=0-(\d+)", text)
    for i in range(int(array[1]) + 1) if array else [None]:
        note(str(number) if i is None else f"{number}_{i}", "PENDING")
        subprocess.Popen(
            [sys.executable, __file__, "supervise", script, str(number), str(i)],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    print(f"Submitted batch job {number}")


def supervise(script: str, number: str, index: str) -> None:
    name = number if index == "None" else f"{number}_{index}"
    text = (STATE / f"submitted-{number}").read_text()
    tasks = re.search(r"--ntasks-per-node=(\d+)", text)
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
    at_once = re.search(r"--array=0-\d+%(\d+)", text)
    slot = (STATE / f"slot-{number}-{int(index) % int(at_once[1]) if at_once else name}").open("w")
    fcntl.flock(slot, fcntl.LOCK_EX)
    ended = STATE / f"ended-{name}"
    while not ended.exists():
        process = subprocess.Popen(["bash", script], env=environment, start_new_session=True)
        (STATE / f"process-{name}").write_text(str(process.pid))
        note(name, "RUNNING")
        if ended.exists():  # scancel came before it could find the process.
            kill(name)
        code = process.wait()
        if not again.exists():
            break
        again.unlink()
    note(name, ended.read_text() if ended.exists() else "FAILED" if code else "COMPLETED")


def scancel(*arguments: str) -> None:
    """Cancel jobs by their ids or names."""
    with (STATE / "scancel").open("a") as file:
        file.write(" ".join(arguments) + "\n")
    for file in STATE.glob("job-*.json"):
        job = json.loads(file.read_text())
        text = (STATE / f"submitted-{job['JobID'].split('_')[0]}").read_text()
        names = {job["JobID"], job["JobID"].split("_")[0]}
        names |= {f"--name={name}" for name in re.findall(r"--job-name=(.*)", text)}
        if names & set(arguments):
            end(job["JobID"], "CANCELLED by 0")


def end(name: str, state: str) -> None:
    """End a job that runs or waits. It then has a state such as ``PREEMPTED``."""
    if json.loads((STATE / f"job-{name}.json").read_text())["State"] in ("PENDING", "RUNNING"):
        (STATE / f"ended-{name}").write_text(state)
        if not kill(name):
            note(name, state)


def kill(name: str) -> bool:
    """Kill the processes of a job. Return whether it had begun."""
    process = STATE / f"process-{name}"
    if process.exists():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(process.read_text()), signal.SIGKILL)
    return process.exists()


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
    commands = {f.__name__: f for f in (sbatch, srun, sacct, scancel, scontrol, supervise, end)}
    commands[sys.argv[1]](*sys.argv[2:])
