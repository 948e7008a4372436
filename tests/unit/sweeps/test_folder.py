"""Test the folder of a sweep: its jobs and their states."""

from pathlib import Path

import pytest

from seminas.config.names import SWEEP_FILE
from seminas.errors import UserError
from seminas.runs.folder import CONFIG_FILE, RESULT_FILE, RunFolder
from seminas.sweeps.folder import JOBS_FILE, SUBMITTED_FILE, SweepFolder


def states(sweep: SweepFolder) -> dict[str, str]:
    return {job.name: job.state.name for job in sweep.jobs()}


@pytest.fixture
def sweep(tmp_path: Path) -> SweepFolder:
    (tmp_path / SWEEP_FILE).write_text("seed: 0\n")
    return SweepFolder(tmp_path)


def test_each_job_stands_as_its_folder_says(sweep: SweepFolder) -> None:
    sweep.write_planned(["a/1", "a/2", "b", "c", "d"])
    assert states(sweep) == dict.fromkeys(["a/1", "a/2", "b", "c", "d"], "missing")
    for name in ("a/1", "a/2", "b"):
        with RunFolder(sweep.path / name).claim({"seed": 0}):
            assert states(sweep)[name] == "running"
        assert states(sweep)[name] == "stopped"
    (sweep.path / "a/1" / RESULT_FILE).write_text("{}")
    sweep.job("b").folder.write_error("it broke", "Traceback: it broke")
    sweep.job("c").folder.write_error("it could not begin")
    assert states(sweep) == {"a/1": "done", "a/2": "stopped", "b": "failed", "c": "failed", "d": "missing"}
    assert sweep.num_done() == 1
    assert [job.state.error for job in sweep.jobs()] == [None, None, "it broke", "it could not begin", None]
    assert sweep.job("b").folder.traceback_file() == sweep.path / "b" / "error.log"
    assert sweep.job("c").folder.traceback_file() is None
    with sweep.job("b").folder.claim({"seed": 0}):  # A new attempt deletes the error.
        pass
    assert states(sweep)["b"] == "stopped"


def test_without_a_list_of_jobs_they_are_those_that_have_begun(sweep: SweepFolder) -> None:
    for name in ("0", "1"):
        (sweep.path / name / ".hydra").mkdir(parents=True)
        (sweep.path / name / ".hydra" / CONFIG_FILE).write_text("")  # Hydra's file, before the job begins.
    assert states(sweep) == {}
    with sweep.job("0").folder.claim({"seed": 0}):
        assert states(sweep) == {"0": "running"}
    (sweep.path / "0" / RESULT_FILE).write_text("{}")
    assert states(sweep) == {"0": "done"} and sweep.num_done() == 1


def test_a_claim_writes_the_config_and_lets_jobs_begin_again(tmp_path: Path) -> None:
    sweep = SweepFolder(tmp_path / "new")
    sweep.path.mkdir()
    sweep.stop()
    assert sweep.is_stopped()
    with sweep.claim("seed: 3\n"):
        assert sweep.is_held() and not sweep.is_stopped() and sweep.config().seed == 3
        refused = pytest.raises(
            UserError, match="new: another process is running this sweep; seminas sweep status"
        )
        with refused, SweepFolder(sweep.path).claim("seed: 4\n"):
            pass
        assert sweep.config().seed == 3
    assert not sweep.is_held()


def test_what_is_submitted_is_read_back(sweep: SweepFolder) -> None:
    assert sweep.submitted() == {}
    sweep.write_submitted({"a": ["folder", "1000_0"]})
    assert SweepFolder(sweep.path).submitted() == {"a": ["folder", "1000_0"]}


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (SWEEP_FILE, None, "holds no sweep (multirun.yaml)"),
        (SWEEP_FILE, "a: [", "is no config of a sweep"),
        (JOBS_FILE, "{", "is no list of jobs"),
        (JOBS_FILE, "7", "is no list of jobs"),
        (SUBMITTED_FILE, "{", "is no list of submitted jobs"),
    ],
)
def test_a_file_that_is_none_is_one_line(
    file: str, text: str | None, message: str, sweep: SweepFolder
) -> None:
    (sweep.path / file).unlink(missing_ok=True)
    if text is not None:
        (sweep.path / file).write_text(text)
    ask = {SWEEP_FILE: sweep.config, JOBS_FILE: sweep.jobs, SUBMITTED_FILE: sweep.submitted}[file]
    with pytest.raises(UserError) as error:
        ask()
    assert (
        message in str(error.value) and "\n" not in str(error.value) and str(sweep.path) in str(error.value)
    )
