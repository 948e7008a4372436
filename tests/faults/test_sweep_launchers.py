"""Test launchers whose processes are killed, are told to end, or outlive the sweep."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from fake_slurm_commands import FakeSlurm
from integration.sweeps.running import (
    RANKS,
    Gate,
    call,
    cmdline,
    ended,
    folders,
    gated,
    histories,
    num_evaluations,
    outcome,
    paid,
    processes_of,
    result,
    until,
)
from seminas.sweeps.folder import SweepFolder
from support import background, command


@pytest.mark.campaign
@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_killed_rank_fails_its_job_alone(tmp_path: Path) -> None:
    jobs = ["-m", *RANKS, "trainer.max_epochs=5", "seed=0,1", "hydra.sweep.dir=sweep"]
    with ended(background("seminas-train", *jobs, cwd=tmp_path)) as process:
        (first,) = until(lambda: list(tmp_path.glob("sweep/*seed=0*/logs/rank1.log")))
        until(lambda: "MEMBER" in first.read_text())
        os.kill(int(re.findall(r"process (\d+)", first.read_text())[0]), signal.SIGKILL)
        until(lambda: list(tmp_path.glob("sweep/*seed=0*/error.json")), 15)
        assert process.wait(240) == 2
    status = call("seminas", "sweep", "status", "sweep", cwd=tmp_path)
    assert "2 jobs: 1 done, 1 failed" in status.stdout and "rank 1 was ended by signal 9" in status.stdout
    resumed = call("seminas", "sweep", "resume", "sweep", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert len(list(tmp_path.glob("sweep/*/result.json"))) == 2


ONE_GPU_EACH = ["+hydra.launcher.ray.init.num_gpus=2", "hydra.launcher.ray.remote.num_gpus=1"]


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("cluster", "package", "job", "extra"),
    [
        pytest.param(
            *("submitit_local", "submitit", rb"submitit\.core\._submit", []), marks=pytest.mark.campaign
        ),
        ("ray", "ray", rb"ray::(?!IDLE|\w*Agent)", ONE_GPU_EACH),
    ],
)
def test_a_launcher_goes_on_with_a_job_whose_process_was_killed(
    cluster: str,
    package: str,
    job: bytes,
    extra: list[str],
    small_table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip(package)
    if not extra:
        monkeypatch.setenv("DIES_BEFORE_IT_BEGINS", "1")
    jobs = ["-m", f"cluster={cluster}", *gated(small_table), "strategy=random"]
    jobs += ["search.max_queries=40", "seed=0,1", "hydra.sweep.dir=sweep", *extra]
    sweep = tmp_path / "sweep"
    with Gate(tmp_path) as gate, ended(background("seminas-search", *jobs, cwd=tmp_path)) as process:
        # In submitit's first launch, one job dies before it begins, and the launch ends with the other job.
        begun = 10 if extra else 50
        gate.allow(begun)
        until(lambda: num_evaluations(sweep) == begun and len(histories(sweep)) == 2)
        if extra:  # Each job sees a different GPU.
            assert {(job / "gpu.txt").read_text() for job in folders(sweep)} == {"0", "1"}
        victim = next(pid for pid in processes_of(process.pid) if re.search(job, cmdline(pid)))
        os.kill(victim, signal.SIGKILL)
        gate.open()
        assert process.wait(240) == 0
    assert extra or (tmp_path / "died").exists()
    assert [len(history) for history in histories(sweep).values()] == [40, 40]
    # When a worker is killed, Ray ends the other job too, perhaps between an evaluation and its record.
    assert all(40 <= len(paid(folder)) <= 41 for folder in folders(sweep))


@pytest.mark.campaign
@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_job_that_is_told_to_go_ends_like_one_that_was_not(tmp_path: Path) -> None:
    """Run two tasks of one job, as Slurm does. Both get Slurm's signal, save, and are queued again."""
    pytest.importorskip("submitit")
    jobs = [*RANKS, "trainer.max_epochs=20", "seed=0"]
    tasks = ["cluster=submitit_local", "hydra.launcher.tasks_per_node=2", "hydra.sweep.dir=sweep"]
    with ended(background("seminas-train", "-m", *jobs, *tasks, cwd=tmp_path)) as process:
        (log,) = until(lambda: list(tmp_path.glob("sweep/.submitit/*/*_0_log.err")))
        (job,) = until(lambda: folders(tmp_path / "sweep"))
        (metrics,) = until(lambda: list(job.glob("**/metrics.csv")))
        until(lambda: len(metrics.read_text().splitlines()) > 2)
        for pid in processes_of(process.pid):
            if b"submitit.core._submit" in cmdline(pid):
                os.kill(pid, signal.SIGUSR2)
        assert process.wait(240) == 0
    said = log.read_text() + log.with_name(log.name.replace(".err", ".out")).read_text()
    assert "Requeued job" in said and said.count("Job completed successfully") == 1
    alone = call("seminas-train", *jobs, "hydra.run.dir=alone", cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr
    assert outcome(job) == outcome(tmp_path / "alone")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the imitated Slurm commands on the path, and return the folder of their state."""
    pytest.importorskip("submitit")
    return FakeSlurm(tmp_path, monkeypatch).state


def slurms(state: Path) -> set[str]:
    """Return the different states of all Slurm jobs."""
    return {json.loads(file.read_text())["State"] for file in state.glob("job-*.json")}


def states(sweep: Path) -> list[str]:
    return sorted(job.state.name for job in SweepFolder(sweep).jobs())


@pytest.mark.long
def test_jobs_in_slurms_queue_outlive_the_sweep_and_are_not_submitted_again(
    slurm: Path, small_table: Path, tmp_path: Path
) -> None:
    """Kill the sweep's process while one job is running and one is queued."""
    work = tmp_path / "work"
    work.mkdir()
    jobs = ["-m", *gated(small_table), "strategy=random", "search.max_queries=5", "seed=0,1"]
    jobs += ["cluster=slurm", "hydra.launcher.array_parallelism=1", "hydra.sweep.dir=sweep"]
    with Gate(work) as gate:
        process = background("seminas-search", *jobs, cwd=work)
        gate.allow(2)
        until(lambda: num_evaluations(work / "sweep") == 2)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert states(work / "sweep") == ["missing", "running"]
        status = call("seminas", "sweep", "status", "sweep", cwd=work)
        assert status.stdout == "2 jobs: 1 running, 1 missing\n"
        (slurm / "asked").unlink(missing_ok=True)
        with ended(background("seminas", "sweep", "resume", "sweep", cwd=work)) as resumed:
            until(lambda: (slurm / "asked").exists())  # The sweep has asked Slurm about both jobs.
            gate.open()
            assert resumed.wait(60) == 0
    assert len(list(slurm.glob("submitted-*"))) == 1
    first, second = folders(work / "sweep")
    assert (result(first)["seed"], result(second)["seed"]) == (0, 1)
    assert len(paid(first)) == len(paid(second)) == 5
    until(lambda: slurms(slurm) == {"COMPLETED"})


@pytest.mark.campaign
@pytest.mark.long
@pytest.mark.timeout(400)
def test_jobs_of_several_tasks_in_slurms_queue_outlive_the_sweep(slurm: Path, tmp_path: Path) -> None:
    """Run trainings of two ranks that Slurm starts. They have the same results as a command without Slurm."""
    work = tmp_path / "work"
    work.mkdir()
    trained = [*RANKS, "trainer.max_epochs=20"]
    tasks = ["cluster=slurm", "hydra.launcher.tasks_per_node=2", "hydra.launcher.array_parallelism=1"]
    jobs = ["-m", *trained, "seed=0,1", *tasks, "hydra.sweep.dir=sweep"]
    process = background("seminas-train", *jobs, cwd=work)
    until(lambda: list(work.glob("sweep/*/config.yaml")))
    until(lambda: states(work / "sweep") == ["missing", "running"])
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    status = command("seminas", "sweep", "status", "sweep", cwd=work)
    assert "2 jobs: 1 running, 1 missing" in status.stdout
    resumed = command("seminas", "sweep", "resume", "sweep", cwd=work)
    assert resumed.returncode == 0, resumed.stderr
    assert len(list(slurm.glob("submitted-*"))) == 1
    first, second = folders(work / "sweep")
    assert (result(first)["seed"], result(second)["seed"]) == (0, 1)
    alone = command("seminas-train", *trained, "seed=1", "hydra.run.dir=alone", cwd=work)
    assert alone.returncode == 0, alone.stderr
    assert outcome(work / "alone") == outcome(second)
