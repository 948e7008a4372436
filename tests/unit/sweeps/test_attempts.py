"""Test which jobs of a sweep are launched again."""

from pathlib import Path

import pytest

from seminas.errors import UserError
from seminas.runs.folder import RESULT_FILE
from seminas.sweeps.attempts import MOST_ATTEMPTS, Attempts, unrecorded_failure
from seminas.sweeps.folder import SweepFolder

NAMES = ["a", "b", "c"]


@pytest.fixture
def sweep(tmp_path: Path) -> SweepFolder:
    return SweepFolder(tmp_path)


def begin(sweep: SweepFolder, *names: str) -> None:
    for name in names:
        with sweep.job(name).folder.claim({"seed": 0}):
            pass


def test_done_and_failed_jobs_are_not_launched_again(sweep: SweepFolder) -> None:
    begin(sweep, *NAMES)
    (sweep.path / "a" / RESULT_FILE).write_text("{}")
    sweep.job("b").folder.write_error("it broke")
    assert Attempts(sweep).left(NAMES, None) == ["c"]


def test_a_job_whose_process_ends_is_launched_three_times_at_last_alone(sweep: SweepFolder) -> None:
    begin(sweep, *NAMES)
    for name in "ab":
        (sweep.path / name / RESULT_FILE).write_text("{}")
    attempts = Attempts(sweep)
    for number in range(1, MOST_ATTEMPTS):
        assert attempts.left(["c"], RuntimeError("a worker died") if number == 1 else None) == ["c"]
        last = number == MOST_ATTEMPTS - 1
        assert attempts.divided(NAMES) == ((["c"], ["a", "b"]) if last else ([], NAMES))
    assert attempts.left(["c"], None) == []
    assert sweep.job("c").state.error == "its process ended without an error, 3 times"


def test_a_job_that_dies_before_it_begins_is_launched_again_once_another_has_begun(
    sweep: SweepFolder,
) -> None:
    attempts = Attempts(sweep)
    assert attempts.left(NAMES, None) == []  # The launcher has begun no job.
    begin(sweep, "a")
    assert attempts.left(NAMES, None) == NAMES


def test_a_launcher_that_begins_no_job_is_at_fault(sweep: SweepFolder) -> None:
    reason = RuntimeError("the cluster does not answer")
    attempts = Attempts(sweep)
    assert attempts.left(NAMES, reason) == NAMES  # A worker may have been killed before it began.
    with pytest.raises(
        UserError, match="error.log: the launcher failed 2 times .*RuntimeError: the cluster does not"
    ):
        attempts.left(NAMES, reason)
    assert "RuntimeError: the cluster does not answer" in (sweep.path / "error.log").read_text()
    begin(sweep, "a")
    assert Attempts(sweep).left(NAMES, reason) == NAMES


def test_of_a_sweep_that_is_stopped_no_job_goes_on(
    sweep: SweepFolder, caplog: pytest.LogCaptureFixture
) -> None:
    begin(sweep, "a", "b")
    sweep.job("a").folder.write_error("it broke")
    sweep.stop()
    assert Attempts(sweep).left(NAMES, None) == []
    assert not caplog.records
    assert [sweep.job(name).state.name for name in NAMES] == ["failed", "stopped", "missing"]


def test_a_failure_that_no_job_holds_is_one_line_and_its_traceback_is_kept(tmp_path: Path) -> None:
    from submitit.core.utils import FailedJobError

    text = "Job (task=0) failed during processing with trace:\n---\nTraceback (most recent call last):\n"
    text += "  File x\nOSError: [Errno 5] Input/output error\n\n---\nYou can check full logs\n"
    error = unrecorded_failure(SweepFolder(tmp_path), FailedJobError(text))
    line = "a job failed before its folder could hold the error (OSError: [Errno 5] Input/output error)"
    assert str(error) == f"{tmp_path}/error.log: {line}"
    assert text in (tmp_path / "error.log").read_text()
    assert str(unrecorded_failure(SweepFolder(tmp_path), RuntimeError("it broke\nhere"))).endswith(
        "(RuntimeError: it broke)"
    )
