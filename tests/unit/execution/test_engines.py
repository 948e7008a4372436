"""Test calls in processes of this machine, including processes that die."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seminas.execution.base import LostError
from seminas.execution.processes import spawning
from seminas.execution.workers import WorkerProcesses, _work
from unit.execution.working import Doubles


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> WorkerProcesses:
    engine = WorkerProcesses(Doubles(), 1)
    request.addfinalizer(engine.close)
    return engine


@pytest.mark.long
def test_only_the_call_whose_process_dies_twice_is_lost(engine: WorkerProcesses) -> None:
    """Calls that wait behind it, or run beside it, have not been made."""
    results = dict(engine.calls("twice", [(0,), (1,), (2,)]))
    assert isinstance(results.pop(0), LostError)
    assert results == {1: 2, 2: 4}


def test_a_call_whose_process_dies_is_made_once_more(engine: WorkerProcesses, tmp_path: Path) -> None:
    assert list(engine.calls("once_more", [(tmp_path / "died",)])) == [(0, "alive")]
    with pytest.raises(ValueError, match="it broke"):
        list(engine.calls("refuse", [()]))


@pytest.mark.long
def test_a_death_takes_one_call_with_it(request: pytest.FixtureRequest) -> None:
    """The calls of other processes go on; their processes are the same before and after."""
    engine = WorkerProcesses(Doubles(), 2)
    request.addfinalizer(engine.close)
    assert dict(engine.calls("twice", [(1,), (2,)])) == {0: 2, 1: 4}
    before = [slot.process for slot in engine._slots]
    results = dict(engine.calls("twice", [(0,), (1,), (2,), (3,), (4,)]))
    assert isinstance(results.pop(0), LostError) and results == {1: 2, 2: 4, 3: 6, 4: 8}
    assert len({slot.process for slot in engine._slots} & set(before)) == 1


def test_ctrl_c_does_not_reach_a_process_that_is_starting(engine: WorkerProcesses) -> None:
    """Ctrl-C in a terminal reaches all processes. The search handles it, and lets running evaluations end."""
    engine.submit(0, "process", ())
    process = engine._slots[0].process
    assert process is not None and process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    assert engine.wait() == [(0, process.pid)]


@pytest.mark.long
def test_a_call_that_hangs_is_lost_alone(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    engine = WorkerProcesses(Doubles(), 2, timeout_s=1.0)
    request.addfinalizer(engine.close)
    results = dict(engine.calls("hang", [(tmp_path, 1_000.0), (tmp_path, 0.01), (tmp_path, 0.02)]))
    assert str(results.pop(0)) == "it took longer than evaluator.timeout_s=1"
    assert results == {1: "done", 2: "done"}
    assert not Path(f"/proc/{(tmp_path / '1000.0.pid').read_text()}").exists()


def test_a_result_that_cannot_be_sent_is_an_error(engine: WorkerProcesses) -> None:
    with pytest.raises(ValueError, match="give_a_lock: its result cannot be sent"):
        list(engine.calls("give_a_lock", [()]))
    assert dict(engine.calls("twice", [(4,)])) == {0: 8}


@pytest.mark.long
def test_calls_that_nobody_waits_for_any_more_are_ended(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    engine = WorkerProcesses(Doubles(), 2)
    request.addfinalizer(engine.close)
    results = engine.calls("hang", [(tmp_path, 0.01), (tmp_path, 1_000.0)])
    assert next(results) == (0, "done")
    results.close()  # type: ignore[attr-defined]
    assert dict(engine.calls("twice", [(1,), (2,)])) == {0: 2, 1: 4}


def test_a_process_whose_parent_ends_during_a_call_ends_silently(tmp_path: Path) -> None:
    """After SIGKILL of the parent, its workers would print tracebacks about the broken pipe."""
    context = spawning()
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, Doubles(), os.getpid(), None))
    process.start()
    theirs.close()
    ours.send(("hang", (tmp_path, 0.5)))
    assert ours.recv().kind == "begun"
    ours.close()
    process.join(60)
    assert process.exitcode == 0


def test_no_process_outlives_a_program_that_forgets_to_close_it(tmp_path: Path) -> None:
    program = (
        "from unit.execution.working import Doubles; from seminas.execution.workers import WorkerProcesses\n"
    )
    program += "if __name__ == '__main__':\n    engine = WorkerProcesses(Doubles(), 1)\n"
    program += "    print(list(engine.calls('process', [()]))[0][1])\n"
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0 and not Path(f"/proc/{done.stdout.strip()}").exists(), done.stderr


def test_calls_that_a_search_has_left_behind_do_not_answer_for_others(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A search that reaches a limit has open calls, and then tests its best architecture."""
    engine = WorkerProcesses(Doubles(), 1)
    request.addfinalizer(engine.close)
    engine.submit(5, "hang", (tmp_path, 0.5))
    engine.submit(6, "twice", (1,))
    assert list(engine.calls("twice", [(4,)])) == [(0, 8)]
