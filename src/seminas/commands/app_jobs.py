"""The jobs of a search in a user's Hydra app: a launcher of Hydra runs them, and a folder keeps their outcomes."""

import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, redirect_stderr
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.types import TaskFunction
from omegaconf.errors import OmegaConfBaseException

from seminas.config.messages import one_line
from seminas.errors import UserError
from seminas.execution.processes import end_ray, end_with_parent, number_of_tasks, was_told_to_end
from seminas.sweeps.outcomes import Outcome, Outcomes, failure

_NUMBER = re.compile(r"=-?[0-9.]+(e-?[0-9]+)?$")


class RecordedTask:
    """The app's task function, which also writes its outcome into a folder, so that a killed sweep loses none."""

    def __init__(self, task: TaskFunction, outcomes: Outcomes) -> None:
        self._task, self._outcomes = task, outcomes

    def __call__(self, config: Any) -> Any:
        """Run the job whose number Hydra's config has.

        Do nothing if the job has an outcome. It ended before the sweep was killed, and is launched again only because
        Hydra numbers the jobs of a launch from the first one. If the job has outlived the sweep, wait for its outcome.
        """
        number = int(HydraConfig.get().job.num)
        # Several ranks of one job have to run side by side.
        with self._outcomes.alone(number) if number_of_tasks() == 1 else nullcontext():
            return None if self._outcomes.read(number) is not None else self._run(config, number)

    def _run(self, config: Any, number: int) -> Any:
        """Run a job and write its outcome."""
        try:
            returned = self._task(config)
        except SystemExit as error:
            if was_told_to_end(error):
                raise  # The process was told to end. The job runs again.
            ended = RuntimeError(f"the app exited with status {error.code}")
            self._outcomes.write(number, failure(ended))
            raise ended from error
        except Exception as error:
            self._outcomes.write(number, failure(error))
            raise
        self._outcomes.write(number, self._outcomes.of(returned))
        return returned


class AppJobs:
    """The launches of a sweep."""

    def __init__(
        self, launcher: Launcher, outcomes: Outcomes, compose: Callable[[Sequence[str]], None]
    ) -> None:
        """Prepare launches.

        Args:
            launcher: Hydra's launcher of a ``RecordedTask``.
            outcomes: Folder of the outcomes.
            compose: Function that composes the config of a job, and raises an error if it cannot.
        """
        self._launcher: Any = launcher
        self._outcomes, self._compose = outcomes, compose
        self._refusals: dict[tuple[str, ...], Outcome | None] = {}
        if hasattr(launcher, "joblib"):
            # A worker of joblib would outlive a killed sweep by five minutes.
            launcher.joblib |= {"initializer": end_with_parent, "initargs": (os.getpid(),)}

    def launch(self, jobs: Mapping[int, list[str]]) -> dict[int, Outcome]:
        """Run the jobs that have no outcome, and return the outcomes of all.

        If a process of the launcher dies, run the jobs that it left without an outcome one by one. A job whose process
        dies again has failed.

        Args:
            jobs: Overrides by number, in order.

        Raises:
            HydraException, OmegaConfBaseException, UserError: The launcher is wrong, or a file is no outcome.
        """
        ended = {number: outcome for number in jobs if (outcome := self._outcomes.read(number)) is not None}
        for number, job in jobs.items():
            if number not in ended and (outcome := self._refusal(job)) is not None:
                ended[number] = outcome
        missing = [number for number in jobs if number not in ended]
        if not missing:
            return ended
        # Recorded jobs in between are launched too. They end at once.
        span = [
            n for n in jobs if missing[0] <= n <= missing[-1] and (n in missing or self._outcomes.read(n))
        ]
        try:
            for numbers in _consecutive(span):
                ended |= self._launched({n: jobs[n] for n in numbers})
        except (HydraException, OmegaConfBaseException, UserError):
            raise
        except Exception:
            end_ray()
            for number in missing:
                ended |= self._alone(number, jobs[number])
        return ended

    def _refusal(self, job: Sequence[str]) -> Outcome | None:
        """Return the failure of a job whose overrides do not fit the app, or None if they do.

        Composing a config takes about 50 ms. Of the jobs that differ in numbers only, one is composed.
        """
        kind = tuple(_NUMBER.sub("=0", override) for override in job)
        if kind not in self._refusals:
            try:
                self._compose(job)
                self._refusals[kind] = None
            except (HydraException, OmegaConfBaseException) as error:
                self._refusals[kind] = Outcome(error=one_line(error))
        return self._refusals[kind]

    def _launched(self, jobs: Mapping[int, list[str]]) -> dict[int, Outcome]:
        """Launch jobs with consecutive numbers, and return their outcomes."""
        returns = self._launcher.launch(list(jobs.values()), initial_job_idx=next(iter(jobs)))
        outcomes = {number: self._outcomes.read(number) for number in jobs}
        # Processes of other machines may not share the folder.
        return {n: outcomes[n] or self._returned(one) for n, one in zip(jobs, returns, strict=True)}

    def _alone(self, number: int, job: list[str]) -> dict[int, Outcome]:
        """Return the outcome of a job without other jobs beside it. Launch it unless it has one."""
        outcome = self._outcomes.read(number)
        if outcome is not None:
            return {number: outcome}
        try:
            return self._launched({number: job})
        except (HydraException, OmegaConfBaseException, UserError):
            raise
        except Exception as error:
            end_ray()
            reason = failure(error)
            return {number: Outcome(error=f"its process ended ({reason.error})", traceback=reason.traceback)}

    def _returned(self, result: JobReturn) -> Outcome:
        """Return the outcome that a launcher returned."""
        try:
            with redirect_stderr(io.StringIO()):  # Hydra prints the overrides of a failed job.
                return self._outcomes.of(result.return_value)
        except Exception as error:
            return failure(error)


def _consecutive(numbers: Iterable[int]) -> Iterator[list[int]]:
    """Yield the runs of consecutive numbers among ascending numbers."""
    run: list[int] = []
    for number in numbers:
        if run and number != run[-1] + 1:
            yield run
            run = []
        run.append(number)
    if run:
        yield run
