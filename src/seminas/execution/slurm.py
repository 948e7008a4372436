"""Engine with a Slurm job for each call."""

import contextlib
import logging
import secrets
import sys
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seminas.config.evaluators import SlurmSettings
from seminas.errors import UserError
from seminas.execution.base import Call, Engine, LostError
from seminas.execution.in_job import run_call
from seminas.execution.submission import (
    LARGEST_ARRAY,
    check_installed,
    digest,
    make_executor,
    refusal,
    submission,
)
from seminas.execution.submitted import (
    ENDED,
    NOT_ITS_FAULT,
    TARGET,
    UNKNOWN,
    Answer,
    JobsFolder,
    Submitted,
    SubmittedJob,
    cancel_mark,
    scancel,
    slurm_states,
)
from seminas.storage.files import write_file

POLL_S = 0.5
"""Seconds between two looks at the files of results."""
STATES_EVERY_S = 5.0
"""Seconds between two questions to Slurm about the states of the jobs."""
LAG_S = 15.0
"""Seconds until a network file system shows the result of a job that has ended."""
RETRY_S = 30.0
"""Seconds until calls are submitted again that Slurm has refused, for example because its queue is full."""
END_S = 10.0
"""Seconds in which cancelled processes of this machine must end."""


@dataclass
class _Job:
    """A job of this process, or one that it took over from an earlier process.

    Attributes:
        call: Call that the job makes.
        record: Description of the job.
        process: Submitit's object for a process of this machine. Otherwise None.
        ended_s: When this process saw that the job had ended, a time of ``time.monotonic``. None before.
    """

    call: Call
    record: SubmittedJob
    process: Any = None
    ended_s: float | None = None


class SlurmJobs(Engine):
    """Engine with a Slurm job for each call. A job that waits in Slurm's queue counts as running.

    Jobs outlive a killed search. The next process of the search takes over the jobs whose calls it makes too, and
    cancels the other ones. Nothing is read, submitted or cancelled before the first ``wait``.
    """

    def __init__(
        self, target: Any, settings: SlurmSettings, folder: Path | None, timeout_s: float | None = None
    ) -> None:
        """Initialize the engine.

        Args:
            target: Object whose methods are called. Each job gets a pickled copy. If it has a method ``call_name``,
                which returns the name of a call, a later process of the run takes over the jobs of this one.
            settings: What a job needs, and how many jobs there are at once.
            folder: Run folder. All nodes must see it at the same path.
            timeout_s: Largest duration of a call in seconds, without the time in the queue. None means no limit.

        Raises:
            UserError: Submitit or Slurm's commands are not installed, or there is no run folder.
        """
        check_installed(settings)
        if folder is None:
            raise UserError("evaluator.engine=slurm: needs a run folder")
        super().__init__()
        logging.getLogger("submitit").setLevel(logging.ERROR)
        self._target, self._settings, self._timeout_s = target, settings, timeout_s
        self._jobs = JobsFolder(folder)
        self._digest = digest(settings, timeout_s)
        self._running: dict[str, _Job] = {}
        self._returned: list[_Job] = []
        self._earlier: dict[str, list[SubmittedJob]] = defaultdict(list)
        self._states: dict[str, str] = {}
        self._next_states = self._next_submission = 0.0
        self._accepted = self._unknown = False
        self._name, self._folder = "", self._jobs.path
        self._executor: Any = None

    @property
    def num_workers(self) -> int:
        """Number of jobs at once."""
        return self._settings.max_jobs

    def submit(self, ticket: int, method: str, arguments: tuple[Any, ...]) -> None:
        """Let a call wait. The next ``wait`` submits all calls that may begin, as one array."""
        self._waiting.append(Call(ticket, method, arguments))

    # ---------------------------------------------------------------------------------------- submission

    def _begin_waiting(self) -> None:
        if not self._waiting:
            return
        if self._executor is None:
            self._open()
        self._take_over()
        while time.monotonic() >= self._next_submission:
            room = min(self.num_workers - len(self._running), len(self._waiting), LARGEST_ARRAY)
            if room <= 0:
                return
            self._submit_array([self._waiting.popleft() for _ in range(room)])

    def _open(self) -> None:
        """Read the record of an earlier process, and prepare the submission of jobs.

        Raises:
            UserError: The record is invalid, a file cannot be written, or Slurm does not answer.
        """
        import cloudpickle

        earlier = self._jobs.read() or Submitted(f"seminas-{secrets.token_hex(8)}")
        self._jobs.allow()
        self._name = earlier.name
        if earlier.unknown and not scancel(f"--name={self._name}"):
            raise UserError("evaluator.engine=slurm: scancel cannot cancel the jobs of the killed search")
        useful, cancelled = self._jobs.divided(earlier, self._digest)
        self._jobs.cancel(cancelled)
        for job in useful:
            self._earlier[str(job.call)].append(job)
        # The ids of processes are used again. So each process has a folder of its own.
        self._folder = self._jobs.path / secrets.token_hex(4)
        write_file(self._folder / TARGET, cloudpickle.dumps(self._target))
        self._executor = make_executor(self._settings, self._folder, self._name)

    def _take_over(self) -> None:
        """Wait for jobs of an earlier process in place of new ones, where the calls are the same."""
        waiting: deque[Call] = deque()
        for call in self._waiting:
            jobs = self._earlier.get(self._call_name(call) or "")
            if jobs:
                job = jobs.pop()
                self._running[job.id] = _Job(call, job)
            else:
                waiting.append(call)
        self._waiting = waiting

    def _call_name(self, call: Call) -> str | None:
        name = getattr(self._target, "call_name", None)
        return None if name is None else str(name(call.method, *call.arguments))

    def _submit_array(self, calls: list[Call]) -> None:
        """Submit a job for each call. If Slurm refuses the jobs, the calls wait for a while.

        Raises:
            UserError: Slurm refuses the first jobs of this process, or the record cannot be written.
        """
        import cloudpickle

        executor, unknown = self._settings.executor, self._unknown
        self._unknown = executor == "slurm"  # Until the record has the ids of the jobs.
        self._record()
        try:
            with submission(), self._executor.batch():
                jobs = [
                    self._executor.submit(
                        run_call,
                        self._folder / TARGET,
                        [path for path in sys.path if path],
                        cloudpickle.dumps((call.method, call.arguments)),
                        self._timeout_s,
                    )
                    for call in calls
                ]
        except (RuntimeError, OSError) as error:
            if not self._accepted:
                raise UserError(f"evaluator.slurm: sbatch refuses a job ({refusal(str(error))})") from error
            self._waiting.extendleft(reversed(calls))
            self._next_submission = time.monotonic() + RETRY_S
            return
        self._accepted, self._unknown = True, unknown
        for call, job in zip(calls, jobs, strict=True):
            place = self._folder.name, executor
            record = SubmittedJob(job.job_id, *place, self._call_name(call), self._digest)
            self._running[job.job_id] = _Job(call, record, job if executor == "local" else None)
        self._record()

    def _record(self) -> None:
        """Write down all jobs that a later process must know."""
        jobs = [job.record for job in (*self._running.values(), *self._returned)]
        jobs += [job for same_call in self._earlier.values() for job in same_call]
        self._jobs.write(Submitted(self._name, self._unknown, jobs))

    # ---------------------------------------------------------------------------------------- results

    def _num_running(self) -> int:
        return len(self._running)

    def _ended(self, timeout_s: float | None) -> list[tuple[Call, Any]]:
        self._forget()
        over = time.monotonic() + (STATES_EVERY_S if timeout_s is None else timeout_s)
        num_waiting = len(self._waiting)
        while True:
            if self._jobs.is_cancelled():
                raise UserError("seminas cancel has cancelled the jobs; the same command submits them again")
            if time.monotonic() >= self._next_states:
                ids = [job.record.id for job in self._running.values() if job.record.executor == "slurm"]
                self._states = slurm_states(ids)
                self._next_states = time.monotonic() + STATES_EVERY_S
            with contextlib.suppress(OSError):  # After this, network file systems show new files at once.
                self._folder.chmod(self._folder.stat().st_mode)
            ended = [pair for job in [*self._running.values()] for pair in self._look(job)]
            left_s = over - time.monotonic()
            if ended or len(self._waiting) > num_waiting or left_s <= 0:
                return ended
            time.sleep(min(POLL_S, left_s))

    def _look(self, job: _Job) -> list[tuple[Call, Any]]:
        """Return the call of a job and its outcome. The list is empty if the job runs, or the call is made again."""
        answer, state = self._jobs.answer(job.record), self._states.get(job.record.id, UNKNOWN)
        local = job.process is not None
        if answer is None:
            if not (job.process.done() if local else state in ENDED):
                job.ended_s = None  # Slurm may have requeued it.
                return []
            job.ended_s = job.ended_s or time.monotonic()
            if time.monotonic() < job.ended_s + (0.0 if local else LAG_S):
                return []
            limit = f" (evaluator.slurm.timeout_min={self._settings.timeout_min})"
            reason = "a signal or an exit" if local else state + limit * (state == "TIMEOUT")
            answer = self._jobs.answer(job.record) or Answer(None, reason)
        del self._running[job.record.id]
        if answer.error is None:
            self._returned.append(job)
            return [(job.call, answer.outcome)]
        if not local:
            self._jobs.cancel([job.record])  # Slurm may be about to requeue it.
        lost = None if state in NOT_ITS_FAULT else job.call.outcome_of_death()
        if lost is None:
            self._waiting.appendleft(job.call)
            return []
        log = self._jobs.files(job.record).stderr
        return [(job.call, LostError(f"{lost}, the last time by {answer.error}; its log is {log}"))]

    # ---------------------------------------------------------------------------------------- end

    def _forget(self) -> None:
        """Remove the results that the last ``wait`` has returned, and cancel jobs of earlier processes."""
        earlier = [job for same_call in self._earlier.values() for job in same_call]
        self._jobs.cancel(earlier)
        if not (removed := [*earlier, *(job.record for job in self._returned)]):
            return
        self._earlier.clear()
        self._returned.clear()
        self._record()
        for job in removed:
            self._jobs.remove_files(job)

    def _end_running(self) -> None:
        if not (jobs := [*self._running.values()]):
            return
        cancelled = self._jobs.cancel([job.record for job in jobs])
        self._unknown = self._unknown or not cancelled
        end = time.monotonic() + END_S
        for job in jobs:
            while job.process is not None and not job.process.done() and time.monotonic() < end:
                time.sleep(0.05)
            if job.process is not None:
                cancel_mark(self._folder, job.record.id).unlink(missing_ok=True)
                self._jobs.files(job.record).result_pickle.unlink(missing_ok=True)
        self._running.clear()
        self._record()

    def close(self) -> None:
        """Cancel all jobs. Results of running jobs are lost."""
        if self._executor is None:  # The jobs of the folder may be those of another process.
            return
        self._end_running()
        if self._unknown and scancel(f"--name={self._name}"):
            self._unknown = False
            self._record()
        self._executor = None
        self._jobs.remove_inputs()
