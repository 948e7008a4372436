"""Test the launches of a sweep of any app with launchers whose processes die."""

import functools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException

from seminas.commands.app_function import check_returns
from seminas.commands.app_jobs import AppJobs, RecordedTask
from seminas.commands.app_settings import SweepSettings
from seminas.errors import UserError
from seminas.runs.metric import Metric
from seminas.sweeps.outcomes import Outcome, Outcomes, outcome_of


class FakeLauncher:
    """A launcher that runs each job, unless the process of one of its jobs dies. Then it raises an exception."""

    def __init__(self, task: RecordedTask, monkeypatch: pytest.MonkeyPatch, dying: dict[int, int]) -> None:
        self.task, self.patch, self.dying = task, monkeypatch, dying
        self.launched: list[list[int]] = []

    def launch(self, jobs: list[list[str]], initial_job_idx: int) -> list[JobReturn]:
        self.launched.append(list(range(initial_job_idx, initial_job_idx + len(jobs))))
        returns = []
        for number, job in enumerate(jobs, initial_job_idx):
            if self.dying.get(number, 0) > 0:
                self.dying[number] -= 1
                raise RuntimeError("a worker died")
            self.patch.setattr(
                HydraConfig, "get", lambda n=number: SimpleNamespace(job=SimpleNamespace(num=n))
            )
            result = JobReturn()
            result.return_value, result.status = self.task(job), JobStatus.COMPLETED
            returns.append(result)
        return returns


@pytest.fixture
def jobs_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def made(dying: dict[int, int], refused: str = "none") -> tuple[AppJobs, FakeLauncher, Outcomes]:
        outcomes = Outcomes(tmp_path)
        launcher = FakeLauncher(RecordedTask(lambda job: float(job[0]), outcomes), monkeypatch, dying)

        def compose(job: Any) -> None:
            if refused in job:
                raise HydraException(f"{refused} does not fit")

        return AppJobs(launcher, outcomes, compose), launcher, outcomes  # type: ignore[arg-type]

    return made


JOBS = {number: [str(number / 10)] for number in range(4, 8)}


def test_jobs_that_a_dead_launcher_left_are_run_one_by_one(jobs_of: Any) -> None:
    jobs, launcher, _ = jobs_of({5: 1})
    assert jobs.launch(JOBS) == {number: Outcome(number / 10) for number in JOBS}
    assert launcher.launched == [[4, 5, 6, 7], [5], [6], [7]]


def test_a_job_that_dies_twice_has_failed(jobs_of: Any) -> None:
    jobs, _, _ = jobs_of({5: 2})
    ended = jobs.launch(JOBS)
    assert ended[5].error == "its process ended (RuntimeError: a worker died)" and ended[5].traceback
    assert [ended[number].value for number in (4, 6, 7)] == [0.4, 0.6, 0.7]


def test_recorded_jobs_are_launched_only_between_others_and_end_at_once(jobs_of: Any) -> None:
    jobs, launcher, outcomes = jobs_of({})
    for number in (4, 6):
        outcomes.write(number, Outcome(number))
    assert jobs.launch(JOBS) == {4: Outcome(4), 5: Outcome(0.5), 6: Outcome(6), 7: Outcome(0.7)}
    assert launcher.launched == [[5, 6, 7]]
    assert jobs.launch(JOBS)[7] == Outcome(0.7) and len(launcher.launched) == 1


def test_a_job_that_does_not_fit_the_app_fails_and_the_others_run(jobs_of: Any) -> None:
    jobs, launcher, _ = jobs_of({}, refused="0.5")
    ended = jobs.launch(JOBS)
    assert ended[5].error == "0.5 does not fit" and launcher.launched == [[4], [6, 7]]


@pytest.mark.parametrize(
    "value", [3, 0.5, -1e30, np.float32(0.5), np.int64(2), torch.tensor(0.5), np.array(0.5)]
)
def test_a_number_of_any_library_is_a_value(value: Any) -> None:
    assert outcome_of(value) == Outcome(float(value))


@pytest.mark.parametrize(
    "value", [None, "1", b"1", True, float("nan"), float("inf"), np.zeros(2), object(), 1j]
)
def test_another_value_is_a_failure_of_one_line(value: Any) -> None:
    outcome = outcome_of(value)
    assert outcome.value is None and outcome.error is not None
    assert outcome.error.startswith("returned ") and "\n" not in outcome.error and len(outcome.error) < 130


@pytest.mark.parametrize("value", [(1, 2), [0.5], {"loss": 1}, set()])
def test_several_values_of_one_objective_are_a_failure_that_names_the_key(value: Any) -> None:
    error = outcome_of(value).error
    assert error is not None and "must be one number" in error and "hydra.sweeper.direction" in error


@pytest.mark.parametrize(
    "value", [(1, 0.5), [np.float32(1), 0.5], np.array([1, 0.5]), torch.tensor([1, 0.5])]
)
def test_a_list_of_any_library_is_a_value_of_each_objective(value: Any) -> None:
    assert outcome_of(value, 2) == Outcome(values=[1.0, 0.5])


@pytest.mark.parametrize(
    "value", [1, None, (1,), (1, 2, 3), [1, "2"], {"a": 1, "b": 2}, np.zeros((2, 2)), [1, np.nan]]
)
def test_another_number_of_values_is_a_failure_that_names_the_key(value: Any) -> None:
    outcome = outcome_of(value, 2)
    assert outcome.values is None and outcome.error is not None and "\n" not in outcome.error
    assert "must be a list of 2 finite numbers, one for each of hydra.sweeper.direction" in outcome.error


@pytest.mark.parametrize(
    ("status", "message", "recorded"),
    [(1, None, True), (143, None, False), (1, "The process receives a SIGTERM.", False)],
    ids=["the app's exit", "SIGTERM", "SIGTERM in Ray"],
)
def test_a_job_that_was_told_to_end_runs_again(
    status: int, message: str | None, recorded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exit_of_app = SystemExit(status)
    if message is not None:
        exit_of_app.ray_terminate_msg = message  # type: ignore[attr-defined]

    def task(job: Any) -> None:
        raise exit_of_app

    monkeypatch.setattr(HydraConfig, "get", lambda: SimpleNamespace(job=SimpleNamespace(num=3)))
    outcomes = Outcomes(tmp_path)
    with pytest.raises(RuntimeError if recorded else SystemExit):
        RecordedTask(task, outcomes)({})
    assert (outcomes.read(3) is not None) == recorded


def test_a_decorator_decides_what_the_app_returns() -> None:
    def timed(function: Callable[[], None]) -> Callable[[], float]:
        @functools.wraps(function)
        def run() -> float:
            function()
            return 1.0

        return run

    def silent(function: Callable[[], float]) -> Callable[[], None]:
        @functools.wraps(function)
        def run() -> None:
            function()

        return run

    def nothing() -> None:
        pass

    def something() -> float:
        return 1.0

    settings = SweepSettings("random", {}, (Metric("a", "maximize"), Metric("b", "minimize")), 0, 1, 1, None)
    for fine in (timed(nothing), something, lambda: None, functools.partial(nothing), len):
        check_returns(fine, settings)
    for function, name in ((nothing, "nothing"), (silent(something), "something")):
        line = f"=\\[maximize, minimize\\]: .*: {name} returns nothing, must return a list of 2 numbers"
        with pytest.raises(UserError, match=line):
            check_returns(function, settings)


def test_a_job_that_outlived_its_sweep_is_awaited(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outcomes, begun = Outcomes(tmp_path / "outcomes"), threading.Event()

    def outlives() -> None:
        with outcomes.alone(3):
            begun.set()
            time.sleep(0.3)
            outcomes.write(3, Outcome(0.5))

    job = threading.Thread(target=outlives)
    job.start()
    assert begun.wait(10)
    with outcomes.alone(4), outcomes.alone(3):
        assert outcomes.read(3) == Outcome(0.5) and "Job 3 is still running" in caplog.text
    job.join()
    assert "Job 4" not in caplog.text
    assert sorted(path.name for path in outcomes.path.iterdir()) == ["3.json", "4.lock"]
    (tmp_path / "file").touch()
    with Outcomes(tmp_path / "file").alone(1):  # A folder that cannot be made is no reason to stop.
        pass
