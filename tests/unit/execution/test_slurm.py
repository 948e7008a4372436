"""Test the engine with a Slurm job for each call, with processes of this machine and with an imitated Slurm."""

import json
import pickle
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fake_slurm_commands import FakeSlurm
from seminas.config.evaluators import SlurmSettings
from seminas.errors import UserError
from seminas.execution import slurm as engine_module
from seminas.execution.base import LostError, Raised
from seminas.execution.slurm import SlurmJobs
from seminas.execution.submitted import JobsFolder
from support import wait_for
from unit.execution.working import Doubles

pytest.importorskip("submitit")
Make = Callable[..., SlurmJobs]


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "POLL_S", 0.02)
    monkeypatch.setattr(engine_module, "STATES_EVERY_S", 0.2)
    monkeypatch.setattr(engine_module, "LAG_S", 0.0)
    monkeypatch.setattr(engine_module, "RETRY_S", 0.1)


@pytest.fixture
def make(tmp_path: Path, request: pytest.FixtureRequest) -> Make:
    """Return a function that makes an engine on the same run folder."""

    def made(timeout_s: float | None = None, **settings: Any) -> SlurmJobs:
        engine = SlurmJobs(Doubles(), SlurmSettings(**settings), tmp_path / "run", timeout_s)
        request.addfinalizer(engine.close)
        return engine

    return made


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    return FakeSlurm(tmp_path, monkeypatch)


def recorded(tmp_path: Path) -> list[str]:
    """Return the calls of the recorded jobs."""
    values = json.loads((tmp_path / "run" / "slurm" / "submitted.json").read_text())
    return [job["call"] for job in values["jobs"]]


def begun(folder: Path, name: str) -> int:
    """Return how many times a call has begun."""
    file = folder / f"{name}.begun"
    return len(file.read_text().splitlines()) if file.exists() else 0


def wait_until(engine: SlurmJobs, condition: Callable[[], object]) -> None:
    """Let an engine work until a condition is true. No call may end before."""
    until = time.monotonic() + 60
    while not condition():
        assert engine.wait(0.05) == []
        assert time.monotonic() < until


# ------------------------------------------------------------------------------------------ processes of this machine


@pytest.mark.long
def test_calls_return_raise_and_die(make: Make, tmp_path: Path) -> None:
    """A process that dies takes one call with it, and this call is made once more."""
    engine = make(executor="local", max_jobs=4)
    died = tmp_path / "died"
    calls = [("twice", (21,)), ("twice", (0,)), ("once_more", (died,)), ("refuse", ()), ("give_a_lock", ())]
    for ticket, (method, arguments) in enumerate(calls):
        engine.submit(ticket, method, arguments)
    outcomes = dict(pair for _ in calls for pair in engine.wait())
    while len(outcomes) < len(calls):
        outcomes |= dict(engine.wait())
    assert outcomes[0] == 42 and outcomes[2] == "alive" and died.exists()
    lost, raised, unsent = outcomes[1], outcomes[3], outcomes[4]
    assert isinstance(lost, LostError) and "its process died 2 times" in str(lost)
    assert Path(str(lost).rpartition(" ")[2]).exists()  # The log.
    assert isinstance(raised, Raised) and repr(raised.error) == "ValueError('it broke')"
    assert isinstance(unsent, Raised) and "give_a_lock: its result cannot be sent" in str(unsent.error)
    assert engine.wait() == []


def test_no_more_calls_run_than_there_are_jobs(make: Make, tmp_path: Path) -> None:
    engine = make(executor="local", max_jobs=1)
    assert engine.num_workers == 1
    for ticket, name in enumerate("abc"):
        engine.submit(ticket, "wait_for", (tmp_path, name))
    wait_until(engine, lambda: begun(tmp_path, "a"))
    assert engine.drop_waiting() == [1, 2]
    (tmp_path / "a.go").touch()
    assert engine.wait() == [(0, "a")]
    assert engine.wait() == [] and not begun(tmp_path, "b")


@pytest.mark.long
def test_a_call_that_takes_too_long_is_lost_alone(make: Make, tmp_path: Path) -> None:
    engine = make(timeout_s=0.5, executor="local", max_jobs=2)
    results = dict(engine.calls("hang", [(tmp_path, 1_000.0), (tmp_path, 0.01)]))
    assert str(results.pop(0)) == "it took longer than evaluator.timeout_s=0.5" and results == {1: "done"}
    process = Path(f"/proc/{(tmp_path / '1000.0.pid').read_text()}")
    wait_for(lambda: not process.exists(), seconds=20)


def test_closing_ends_the_processes_and_leaves_no_input(make: Make, tmp_path: Path) -> None:
    engine = make(executor="local", max_jobs=1)
    engine.submit(0, "hang", (tmp_path, 1_000.0))
    note = tmp_path / "1000.0.pid"
    wait_until(engine, lambda: note.exists() and note.read_text())
    assert recorded(tmp_path) == [f"hang {(tmp_path, 1000.0)}"]
    engine.close()
    wait_for(lambda: not Path(f"/proc/{note.read_text()}").exists(), seconds=20)
    assert recorded(tmp_path) == [] and not [*tmp_path.glob("run/slurm/*/target.pkl")]


@pytest.mark.long
def test_a_finished_call_of_a_killed_search_is_not_made_again(make: Make, tmp_path: Path) -> None:
    """The first engine is never closed, as after a kill. Its processes live on."""
    killed = make(executor="local", max_jobs=2)
    for ticket, name in enumerate("ab"):
        killed.submit(ticket, "wait_for", (tmp_path, name))
    wait_until(killed, lambda: begun(tmp_path, "a") and begun(tmp_path, "b"))
    (tmp_path / "a.go").touch()
    wait_for(lambda: [*tmp_path.glob("run/slurm/*/*_result.pkl")], seconds=30)
    engine = make(executor="local", max_jobs=2)
    engine.submit(7, "wait_for", (tmp_path, "a"))
    assert engine.wait() == [(7, "a")] and begun(tmp_path, "a") == 1
    assert f"wait_for {(tmp_path, 'a')}" in recorded(tmp_path)  # The search may not have stored the result.
    wait_for(lambda: all(job.process.done() for job in killed._running.values()), seconds=20)
    assert not (tmp_path / "b.go").exists()


# ------------------------------------------------------------------------------------------ an imitated Slurm


def test_calls_that_begin_together_are_one_array(make: Make, fake: FakeSlurm) -> None:
    needs = {"partition": "gpu", "account": "us", "gpus_per_node": 1, "cpus_per_task": 3, "mem_gb": 2.5}
    engine = make(
        **needs, timeout_min=7, setup=["export GREETING=hi"], additional={"qos": "long"}, max_jobs=2
    )
    assert dict(engine.calls("twice", [(1,), (2,), (3,)])) == {0: 2, 1: 4, 2: 6}
    assert sorted(fake.jobs()) == ["1000_0", "1000_1", "1001"]
    script = fake.script(1000)
    for line in ("partition=gpu", "account=us", "gpus-per-node=1", "cpus-per-task=3", "mem=2560MB"):
        assert f"#SBATCH --{line}\n" in script
    for line in ("#SBATCH --time=7\n", "#SBATCH --qos=long\n", "#SBATCH --nodes=1\n", "export GREETING=hi\n"):
        assert line in script
    (name,) = [line for line in script.splitlines() if "--job-name=" in line]
    assert name in fake.script(1001)


@pytest.mark.long
def test_a_preempted_job_is_submitted_again_and_again(make: Make, fake: FakeSlurm, tmp_path: Path) -> None:
    engine = make(max_jobs=1)
    engine.submit(0, "wait_for", (tmp_path, "a"))
    for number, state in enumerate(("PREEMPTED", "NODE_FAIL")):
        wait_until(engine, lambda number=number: begun(tmp_path, "a") == number + 1)  # type: ignore[misc]
        fake.end(str(1000 + number), state)
    (tmp_path / "a.go").touch()
    while not (ended := engine.wait()):
        pass
    assert ended == [(0, "a")]
    assert [*fake.jobs().values()][:2] == ["PREEMPTED", "NODE_FAIL"]


@pytest.mark.long
@pytest.mark.parametrize("state", ["OUT_OF_MEMORY", "TIMEOUT"])
def test_a_job_that_ends_twice_by_its_own_fault_is_lost(
    make: Make, fake: FakeSlurm, tmp_path: Path, state: str
) -> None:
    engine = make(max_jobs=1, timeout_min=90)
    engine.submit(0, "wait_for", (tmp_path, "a"))
    wait_until(engine, lambda: begun(tmp_path, "a") == 1)
    fake.end("1000", state)
    wait_until(engine, lambda: begun(tmp_path, "a") == 2)
    fake.end("1001", state)
    ((ticket, lost),) = engine.wait()
    assert ticket == 0 and isinstance(lost, LostError)
    assert f"its process died 2 times, the last time by {state}" in str(lost)
    assert ("evaluator.slurm.timeout_min=90" in str(lost)) == (state == "TIMEOUT")
    assert engine.wait() == [] and len(fake.jobs()) == 2


@pytest.mark.long
def test_jobs_of_a_killed_search_are_taken_over_or_cancelled(
    make: Make, fake: FakeSlurm, tmp_path: Path
) -> None:
    """Job a runs on, b has ended, c belongs to a call that nobody makes again, d begins anew."""
    killed = make(max_jobs=3)
    for ticket, name in enumerate("abc"):
        killed.submit(ticket, "wait_for", (tmp_path, name))
    wait_until(killed, lambda: all(begun(tmp_path, name) for name in "abc"))
    (tmp_path / "b.go").touch()
    wait_for(lambda: fake.jobs()["1000_1"] == "COMPLETED", seconds=30)
    engine = make(max_jobs=2)
    for ticket, name in enumerate("bad"):
        engine.submit(ticket, "wait_for", (tmp_path, name))
    assert engine.wait() == [(0, "b")]
    wait_for(lambda: fake.jobs()["1000_2"] == "CANCELLED by 0", seconds=20)
    assert fake.jobs()["1000_0"] == "RUNNING"
    (tmp_path / "a.go").touch()
    (tmp_path / "d.go").touch()
    results: dict[int, Any] = {}
    while len(results) < 2:
        results |= dict(engine.wait())
    assert results == {1: "a", 2: "d"}
    assert [begun(tmp_path, name) for name in "abcd"] == [1, 1, 1, 1]
    assert f"wait_for {(tmp_path, 'b')}" not in recorded(tmp_path)


@pytest.mark.long
def test_jobs_of_a_killed_search_with_other_settings_are_submitted_anew(
    make: Make, fake: FakeSlurm, tmp_path: Path
) -> None:
    killed = make(max_jobs=1, mem_gb=1)
    killed.submit(0, "wait_for", (tmp_path, "a"))
    wait_until(killed, lambda: begun(tmp_path, "a"))
    engine = make(max_jobs=1, mem_gb=2)
    engine.submit(0, "wait_for", (tmp_path, "a"))
    wait_until(engine, lambda: begun(tmp_path, "a") == 2)
    assert fake.jobs()["1000"] == "CANCELLED by 0" and "--mem=2GB" in fake.script(1001)


@pytest.mark.long
def test_jobs_that_no_record_names_are_cancelled_by_their_name(
    make: Make, fake: FakeSlurm, tmp_path: Path
) -> None:
    """The process is killed after ``sbatch``, and before it writes down the ids of the jobs."""
    killed = make(max_jobs=1)
    killed.submit(0, "wait_for", (tmp_path, "a"))
    file = tmp_path / "run" / "slurm" / "submitted.json"
    written: list[bytes] = []
    original = killed._jobs.write

    def write(submitted: Any) -> None:
        original(submitted)
        written.append(file.read_bytes())

    killed._jobs.write = write  # type: ignore[method-assign]
    wait_until(killed, lambda: begun(tmp_path, "a"))
    file.write_bytes(written[0])
    assert recorded(tmp_path) == []
    engine = make(max_jobs=1)
    engine.submit(0, "wait_for", (tmp_path, "a"))
    wait_until(engine, lambda: begun(tmp_path, "a") == 2)
    assert fake.jobs()["1000"] == "CANCELLED by 0"


@pytest.mark.long
def test_cancel_ends_the_jobs_and_their_search(make: Make, fake: FakeSlurm, tmp_path: Path) -> None:
    engine = make(max_jobs=2)
    for ticket, name in enumerate("abc"):
        engine.submit(ticket, "wait_for", (tmp_path, name))
    wait_until(engine, lambda: begun(tmp_path, "a") and begun(tmp_path, "b"))
    said: list[str] = []

    def work() -> None:
        try:
            while True:
                engine.wait()
        except UserError as error:
            said.append(str(error))

    search = threading.Thread(target=work)
    search.start()
    assert JobsFolder(tmp_path / "run").cancel_all() == 2
    search.join(30)
    assert said == ["seminas cancel has cancelled the jobs; the same command submits them again"]
    engine.close()
    wait_for(lambda: set(fake.jobs().values()) == {"CANCELLED by 0"}, seconds=20)
    assert len(fake.jobs()) == 2 and JobsFolder(tmp_path / "run").cancel_all() == 0
    (tmp_path / "a.go").touch()
    again = make(max_jobs=2)
    assert list(again.calls("wait_for", [(tmp_path, "a")])) == [(0, "a")]


@pytest.mark.long
def test_refused_jobs_are_an_error_at_first_and_wait_later(
    make: Make, fake: FakeSlurm, capfd: pytest.CaptureFixture[str]
) -> None:
    refuse = fake.state / "refuse"
    refuse.touch()
    engine = make(max_jobs=1)
    engine.submit(0, "twice", (1,))
    reason = (
        "invalid partition specified: none; Batch job submission failed: Invalid partition name specified"
    )
    with pytest.raises(UserError, match=rf"evaluator.slurm: sbatch refuses a job \({reason}\)"):
        engine.wait()
    assert capfd.readouterr().err == ""
    refuse.unlink()
    engine = make(max_jobs=1)
    assert dict(engine.calls("twice", [(1,)])) == {0: 2}
    refuse.touch()
    engine.submit(0, "twice", (2,))
    assert engine.wait(0.3) == [] and engine._num_running() == 0
    refuse.unlink()
    while not (ended := engine.wait()):
        pass
    assert ended == [(0, 4)]


def test_slurm_without_accounting_is_one_line(make: Make, fake: FakeSlurm, tmp_path: Path) -> None:
    (tmp_path / "bin" / "sacct").write_text(
        "#!/bin/sh\necho 'Slurm accounting storage is disabled' >&2; exit 1\n"
    )
    engine = make()
    engine.submit(0, "twice", (1,))
    with pytest.raises(UserError, match=r"sacct does not answer \(Slurm accounting storage is disabled\)"):
        engine.wait()
    assert fake.jobs() == {}


# ------------------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"max_jobs": 0}, "evaluator.slurm.max_jobs=0"),
        ({"executor": "debug"}, "evaluator.slurm.executor=debug: must be one of slurm, local"),
        ({"mem_gb": 0.0}, "evaluator.slurm.mem_gb=0"),
        ({"setup": [""]}, "evaluator.slurm.setup"),
        ({"additional": {"array": "0-9"}}, "evaluator.slurm.additional.array=0-9"),
        ({"additional": {"qos\n": "x"}}, "evaluator.slurm.additional.qos"),
        ({"additional": {"qos": ["x"]}}, "evaluator.slurm.additional.qos"),
    ],
)
def test_wrong_settings_name_their_key(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(UserError) as error:
        SlurmSettings(**settings)
    assert key in str(error.value)


def test_a_machine_without_slurm_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="evaluator.engine=slurm: this machine has no sbatch"):
        SlurmJobs(Doubles(), SlurmSettings(), tmp_path / "run")
    with pytest.raises(UserError, match="evaluator.engine=slurm: needs a run folder"):
        SlurmJobs(Doubles(), SlurmSettings(executor="local"), None)
    monkeypatch.setattr("seminas.execution.submission.importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs submitit \(pip install 'seminas\[slurm\]'\)"):
        SlurmJobs(Doubles(), SlurmSettings(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


class Evil:
    """An object that writes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


def foreign_folder(run: Path, job: dict[str, str]) -> JobsFolder:
    """Return the jobs of a run folder that came from elsewhere."""
    record = {"id": "12", "folder": "ab12", "executor": "local", "call": None, "settings": ""} | job
    (run / "slurm").mkdir(parents=True)
    jobs = {"name": "seminas-ab", "unknown": False, "jobs": [record]}
    (run / "slurm" / "submitted.json").write_text(json.dumps(jobs))
    return JobsFolder(run)


def test_cancel_unpickles_nothing(tmp_path: Path) -> None:
    jobs = foreign_folder(tmp_path / "run", {})
    submitted = jobs.read()
    assert submitted is not None
    result = jobs.files(submitted.jobs[0]).result_pickle
    result.parent.mkdir(parents=True)
    result.write_bytes(pickle.dumps(("success", Evil(tmp_path / "evil"))))
    assert jobs.cancel_all() == 0
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("job", [{"id": "--user=me"}, {"id": "1 2"}, {"folder": "../.."}, {"folder": ""}])
def test_a_record_that_names_other_jobs_or_folders_is_refused(tmp_path: Path, job: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"submitted.json: names a job "):
        foreign_folder(tmp_path / "run", job).cancel_all()
    assert sorted(path.name for path in (tmp_path / "run" / "slurm").iterdir()) == ["submitted.json"]
