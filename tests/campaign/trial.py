"""One trial: a command that is disturbed a few times, goes on, and must end as if nothing had happened."""

import contextlib
import random
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from campaign.processes import Processes, send
from campaign.scenarios import Facts, Scenario, history
from seminas.storage.files import LEFTOVER

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
FAULTS = ("full", "write", "sync", "rename", "short", "torn")
_LIMIT_S = 400
"""Seconds after which a command that was left alone hangs."""
_STATUSES = {0, 2, *(sign * (n + base) for n in SIGNALS for sign, base in ((-1, 0), (1, 128)))}
_EXCUSED = re.compile("Input/output error|No space left on device")
"""An evaluation that fails by the fault itself may count as failed."""


class Finding(Exception):
    """What must not be."""


@dataclass
class Trial:
    """A disturbed run of a scenario.

    Attributes:
        scenario: Command.
        reference: Facts of the undisturbed run.
        seconds: Duration of the undisturbed run.
        processes: Processes of the trial.
        shim: Library of the file system's faults.
        rng: Source of the disturbances.
        events: Descriptions of the disturbances, in order.
        kills: Number of signals that were sent and faults that struck.
    """

    scenario: Scenario
    reference: Facts
    seconds: float
    processes: Processes
    shim: Path
    rng: random.Random
    ledgers: Path
    events: list[str] = field(default_factory=list)
    kills: int = 0

    @property
    def folder(self) -> Path:
        """Run folder, or folder of the sweep."""
        return self.processes.folder / "run"

    def run(self) -> None:
        """Disturb the command one to three times, let it end, and compare.

        Raises:
            Finding: Something is lost, paid for twice or different, a process hangs or stays, or there is a traceback.
        """
        finished = False
        for _ in range(self.rng.randint(1, 3)):
            before, paid = self._records(), self._paid()
            finished = self._disturb()
            self._check_kept(before, paid)
            if finished:
                break
        if not finished:
            before, paid = self._records(), self._paid()
            status = self._end(self.processes.start(self._command()))
            if status != 0:
                raise Finding(f"undisturbed, it ends with status {status}: {self._last_line()}")
            self._check_kept(before, paid)
        self._compare()

    def _command(self) -> list[str]:
        return self.scenario.arguments(self.folder)

    def _disturb(self) -> bool:
        """Run the command with one disturbance. Return whether it came to its end all the same."""
        faults: dict[str, str] = {}
        log = self.processes.folder / "faults.log"
        struck = len(log.read_text().splitlines()) if log.exists() else 0
        if self.rng.random() < 0.4:
            kind, after = self.rng.choice(FAULTS), int(10 ** self.rng.uniform(0, 2.2)) - 1
            faults = {
                "LD_PRELOAD": str(self.shim),
                "FAULTY_FOLDER": str(self.folder),
                "FAULTY_KIND": kind,
                "FAULTY_AFTER": str(after),
                "FAULTY_LOG": str(log),
            }
        process = self.processes.start(self._command(), faults)
        if faults:
            status = self._end(process)
            hits = (len(log.read_text().splitlines()) if log.exists() else 0) - struck
            self.events.append(f"{kind} after {after}: {hits} hits")
            self.kills += hits > 0
        else:
            self.events.append(self._signal(process))
            status = self._end(process)
        self.events[-1] += f", status {status}"
        # If Ray's daemons die, Ray ends the process itself with status 1. While it starts, SIGTERM makes it abort.
        by_ray = status in (1, -signal.SIGABRT) and "ray" in self.scenario.name
        # PyTorch's C++ code aborts the process if Ctrl-C comes while it calls Python.
        by_pytorch = status == -signal.SIGABRT and "what():  KeyboardInterrupt" in self.processes.errors()
        if status not in _STATUSES and not (by_ray or by_pytorch):
            raise Finding(f"status {status}: {self._last_line()}")
        return status == 0

    def _signal(self, process: subprocess.Popen[bytes]) -> str:
        """Send a random signal at a random time to the main process, to another one, or to all."""
        number, delay = self.rng.choice(SIGNALS), self.rng.uniform(0.1, 1) * self.seconds
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(delay)
        pids = self.processes.running()
        others = [pid for pid in pids if pid != process.pid]
        whom = self.rng.choice(("main", "other", "all") if others else ("main",))
        chosen = {"main": [process.pid], "all": pids}.get(whom, others and [self.rng.choice(others)])
        sent = sum(send(pid, number) for pid in chosen if pid in pids)
        self.kills += sent > 0
        return f"{number.name} to {whom} after {delay:.1f} s" + ("" if sent else " (too late)")

    def _end(self, process: subprocess.Popen[bytes]) -> int:
        try:
            status = process.wait(_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise Finding(f"hangs: {' '.join(self._command())}") from None
        left = self.processes.left_after(60)
        if left:
            raise Finding(f"processes are left: {left}")
        if "Traceback" in self.processes.errors():
            raise Finding(f"traceback, {self._last_line()}")
        return status

    def _last_line(self) -> str:
        return (self.processes.errors().strip().splitlines() or [""])[-1]

    def _jobs(self) -> list[Path]:
        if not self.scenario.is_sweep:
            return [self.folder]
        return sorted(path.parent for path in self.folder.glob("*/history.jsonl"))

    def _records(self) -> dict[str, list[Facts]]:
        """Return all evaluations on the disk, by the name of the job."""
        return {job.name: history(job, ("history", "pending")) for job in self._jobs()}

    def _paid(self) -> dict[str, list[str]]:
        """Return the ledger of each job."""
        return {file.name: file.read_text().splitlines() for file in self.ledgers.iterdir()}

    def _check_kept(self, before: dict[str, list[Facts]], paid: dict[str, list[str]]) -> None:
        """Check that the evaluations of before are there as they were, and that none was made again."""
        now, all_paid = self._records(), self._paid()
        for job, records in before.items():
            kept = {record["index"]: record for record in now.get(job, [])}
            for record in records:
                if kept.get(record["index"]) != record:
                    raise Finding(f"{job}: the evaluation {record} is now {kept.get(record['index'])}")
            if self.scenario.is_own:
                again = {r["key"] for r in records} & set(all_paid.get(job, [])[len(paid.get(job, [])) :])
                if again:
                    raise Finding(f"{job}: paid for twice: {sorted(again)}")

    def _compare(self) -> None:
        found = self.scenario.facts(self.folder)
        failed = [
            record
            for facts in found.values()
            for record in facts.get("history", [])
            if record["error"] and _EXCUSED.search(record["error"])
        ]
        if failed:
            self.events.append(f"{len(failed)} evaluations failed by the fault")
            return
        if found.keys() != self.reference.keys():
            raise Finding(f"has {sorted(found)} instead of {sorted(self.reference)}")
        for job, facts in found.items():
            for name, value in self.reference[job].items():
                if facts.get(name) != value:
                    raise Finding(f"{job}: {name} differs: {facts.get(name)!s:.300} from {value!s:.300}")
        leftovers = [path.name for path in self.folder.rglob(".*") if LEFTOVER.search(path.name)]
        if leftovers:
            raise Finding(f"leftovers {leftovers}")


def timed(scenario: Scenario, processes: Processes) -> tuple[Facts, float]:
    """Run a scenario undisturbed, and return its facts and its duration in seconds.

    Raises:
        Finding: It fails.
    """
    start = time.monotonic()
    folder = processes.folder / "run"
    status = processes.start(scenario.arguments(folder)).wait(_LIMIT_S)
    if status != 0:
        raise Finding(f"undisturbed, {scenario.name} ends with status {status}: {processes.errors()}")
    return scenario.facts(folder), time.monotonic() - start
