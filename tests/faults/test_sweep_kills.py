"""Test that killed sweeps and sweeps on a full disk lose no evaluation and repeat none."""

import contextlib
import os
import random
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from integration.sweeps.running import (
    Gate,
    call,
    ended,
    folders,
    gated,
    gone,
    histories,
    num_evaluations,
    paid,
    processes_of,
    result,
    results,
    until,
)
from support import BIN, background, command

SIDE_BY_SIDE = ["-m", "strategy=random", "cluster=local", "hydra.launcher.n_jobs=2", "hydra.sweep.dir=sweep"]


@pytest.mark.long
def test_a_sweep_runs_once_and_after_a_kill_it_goes_on_with_what_is_missing(
    small_table: Path, tmp_path: Path
) -> None:
    jobs = [*SIDE_BY_SIDE, *gated(small_table), "search.max_queries=5", "seed=range(0,5)"]
    sweep = tmp_path / "sweep"
    with Gate(tmp_path) as gate, ended(background("seminas-search", *jobs, cwd=tmp_path)) as process:
        gate.allow(9)
        until(lambda: num_evaluations(sweep) == 9 and results(sweep))
        # The sweep cannot be started a second time.
        second = call("seminas-search", *jobs, cwd=tmp_path)
        assert second.returncode == 2
        assert (
            second.stderr
            == "error: sweep: another process is running this sweep; seminas sweep status sweep shows its jobs\n"
        )
        status = call("seminas", "sweep", "status", "sweep", cwd=tmp_path)
        assert status.returncode == 1 and "1 done" in status.stdout and "running" in status.stdout
        assert "missing" in status.stdout and num_evaluations(sweep) == 9
        # The jobs end with the sweep.
        children = processes_of(process.pid)[1:]
        assert len(children) >= 2
        os.kill(process.pid, signal.SIGKILL)  # Kill only this process.
        process.wait()
        gone(children)
        gate.open()
    # The sweep resumes.
    kept, begun = results(sweep), histories(sweep)
    assert len(kept) == 1 and num_evaluations(sweep) == 9
    done = command("seminas-search", *jobs, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    now = results(sweep)
    assert len(now) == 5 and {name: now[name] for name in kept} == kept
    assert all(result(sweep / name)["num_queries"] == 5 for name in now)
    after = histories(sweep)
    assert all(after[name][: len(history)] == history for name, history in begun.items())
    assert all(len(paid(job)) == 5 for job in folders(sweep))


@pytest.mark.parametrize(
    ("kills", "strategies"),
    [
        pytest.param(
            20,
            "evolution,local_search,random",
            marks=[pytest.mark.long, pytest.mark.campaign, pytest.mark.timeout(900)],
        ),
    ],
    ids=["20"],
)
def test_nothing_is_lost_or_paid_for_twice_under_random_kills(
    kills: int, strategies: str, small_table: Path, tmp_path: Path
) -> None:
    """Send SIGKILL or SIGTERM to the sweep or to a worker, each time after a random number of evaluations."""
    rng, sweep, gate = random.Random(0), tmp_path / "sweep", Gate(tmp_path)
    jobs = [
        *gated(small_table),
        f"strategy={strategies}",
        "seed=0,1",
        f"search.max_queries={10 + 10 * kills}",
    ]
    done = call("seminas-search", "-m", *jobs, "hydra.sweep.dir=whole", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    whole = histories(tmp_path / "whole")
    recorded: list[tuple[str, list[dict[str, Any]], int]] = []
    num_kills, command_line = 0, ["seminas-search", *SIDE_BY_SIDE, *jobs]
    with gate:
        while num_kills < kills:
            with ended(background(*command_line, cwd=tmp_path)) as process:
                while process.poll() is None and num_kills < kills:
                    gate.allow(8)
                    wait_for(num_evaluations(sweep) + rng.randrange(5), sweep, process)
                    assert len(results(sweep)) < len(whole), f"the sweep ended after {num_kills} kills"
                    victims = processes_of(process.pid)
                    with contextlib.suppress(ProcessLookupError):  # The process may have ended already.
                        os.kill(rng.choice(victims), rng.choice([signal.SIGKILL, signal.SIGTERM]))
                        num_kills += 1
                    recorded += [(name, h, len(paid(sweep / name))) for name, h in histories(sweep).items()]
                if process.poll() is not None:
                    gone(victims)
            command_line = ["seminas", "sweep", "resume", "sweep"]
    # Jobs do not depend on the launcher, so this process can run the remaining ones.
    ended_here = call("seminas-search", "-m", *jobs, "hydra.sweep.dir=sweep", cwd=tmp_path)
    assert ended_here.returncode == 0, ended_here.stderr
    assert histories(sweep) == whole and len(whole) == 2 * len(strategies.split(","))
    for name, history, evaluations in recorded:
        assert whole[name][: len(history)] == history
        later = paid(sweep / name)[evaluations:]
        assert not {record["key"] for record in history} & set(later)


def wait_for(evaluations: int, sweep: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until a sweep's jobs have this number of evaluations, or the sweep's process has ended."""
    until(lambda: num_evaluations(sweep) >= evaluations or process.poll() is not None)


@pytest.mark.long
def test_a_full_disk_fails_jobs_in_one_line_and_nothing_is_lost(small_table: Path, tmp_path: Path) -> None:
    jobs = ["-m", "evaluator=table", f"evaluator.path={small_table}", "strategy=random", "seed=0,1"]
    jobs += ["search.max_queries=100", "hydra.sweep.dir=sweep"]
    limited = ["bash", "-c", 'ulimit -f 16; exec "$@"', "bash", str(BIN / "seminas-search"), *jobs]
    full = subprocess.run(limited, cwd=tmp_path, capture_output=True, text=True)
    assert full.returncode == 2 and "Traceback" not in full.stderr
    assert full.stderr.count("history.jsonl: cannot be written (File too large)") == 2
    kept = histories(tmp_path / "sweep")
    assert all(0 < len(history) < 100 for history in kept.values())
    limited[2] = limited[2].replace("16", "4")
    fuller = subprocess.run(limited, cwd=tmp_path, capture_output=True, text=True)
    assert fuller.returncode == 2 and fuller.stderr.startswith(
        "error: sweep/multirun.yaml: cannot be written"
    )
    resumed = call("seminas", "sweep", "resume", "sweep", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    done = call("seminas-search", *jobs[:-1], "hydra.sweep.dir=whole", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    whole = histories(tmp_path / "whole")
    assert histories(tmp_path / "sweep") == whole
    assert [len(history) for history in whole.values()] == [100, 100]
    assert all(whole[name][: len(history)] == history for name, history in kept.items())
