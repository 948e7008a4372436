"""Jobs of several processes, and launchers: what the README promises of sweeps, run for real."""

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from seminas.sweeps.jobs import jobs as jobs_of

from support import BIN, background, command

RANKS = [
    "space=nasbench101",
    "data=digits",
    "trainer=ddp",
    "trainer.accelerator=cpu",
    "trainer.devices=2",
    "trainer.max_epochs=1",
]
SMALL = ["data.recipe.networks.nasbench101.stem_channels=8", "data.recipe.networks.nasbench101.num_stacks=1"]
SAME = ("key", "steps", "val_accuracy", "test_accuracy", "parameters")


def result(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found


def folders(sweep: Path) -> list[Path]:
    return sorted(path for path in sweep.iterdir() if path.is_dir() and not path.name.startswith("."))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def digests(text: str) -> list[str]:
    return re.findall(r"SHA-256 (\w+)", text)


def test_a_sweep_of_jobs_of_two_ranks_is_one_sweep(tmp_path: Path) -> None:
    swept = ["seed=0,1,2", "data.recipe.learning_rate=0.05,0.2"]
    done = command("seminas-train", "-m", *RANKS, *SMALL, *swept, "hydra.sweep.dir=sweeps/a", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert names(tmp_path) == ["sweeps"] and names(tmp_path / "sweeps") == ["a"]
    jobs = folders(tmp_path / "sweeps" / "a")
    assert len(jobs) == 6
    for job in jobs:
        logs = sorted((job / "logs").iterdir())
        assert [log.name for log in logs] == ["rank0.log", "rank1.log"]
        first, second = (digests(log.read_text()) for log in logs)
        assert len(first) == 1 and first == second
    assert len({digests((job / "logs" / "rank0.log").read_text())[0] for job in jobs}) == 6
    for i, job in enumerate(jobs[::2]):
        config = result(job)["config"]
        given = [f"seed={config['seed']}", f"data.recipe.learning_rate={config['recipe']['learning_rate']}"]
        alone = command("seminas-train", *RANKS, *SMALL, *given, f"hydra.run.dir=alone{i}", cwd=tmp_path)
        assert alone.returncode == 0, alone.stderr
        assert {n: result(tmp_path / f"alone{i}")[n] for n in SAME} == {n: result(job)[n] for n in SAME}
        assert digests((tmp_path / f"alone{i}" / "logs" / "rank1.log").read_text()) == digests(
            (job / "logs" / "rank1.log").read_text()
        )


def processes_of(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for one in found:
        for tasks in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(child) for child in tasks.read_text().split()]
    return found


def until(condition: Callable[[], Any], seconds: float = 120) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def test_a_killed_rank_fails_its_job_alone(tmp_path: Path) -> None:
    jobs = ["-m", *RANKS, *SMALL, "trainer.max_epochs=5", "seed=0,1", "hydra.sweep.dir=sweep"]
    process = background("seminas-train", *jobs, cwd=tmp_path)
    try:
        (first,) = until(lambda: list(tmp_path.glob("sweep/*seed=0*/logs/rank1.log")))
        until(lambda: "MEMBER" in first.read_text())
        killed = time.monotonic()
        os.kill(int(re.findall(r"process (\d+)", first.read_text())[0]), signal.SIGKILL)
        until(lambda: list(tmp_path.glob("sweep/*seed=0*/error.json")))
        assert time.monotonic() - killed < 15
        assert process.wait(240) == 2
    finally:
        end(process)
    status = command("seminas", "sweep", "status", "sweep", cwd=tmp_path)
    assert "2 jobs: 1 done, 1 failed" in status.stdout and "rank 1 was ended by signal 9" in status.stdout
    resumed = command("seminas", "sweep", "resume", "sweep", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert len(list(tmp_path.glob("sweep/*/result.json"))) == 2


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a command and all that it started."""
    started = processes_of(process.pid)
    for pid in started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def gone(victims: list[int]) -> None:
    until(lambda: not any(Path(f"/proc/{victim}").exists() for victim in victims), 30)


EVALUATOR = '''
import json, os, time
from seminas.evaluators.table import TableEvaluator

class Paid(TableEvaluator):
    """A table whose evaluations take time, and are counted."""
    def __init__(self, space, seed, path, folder, **kwargs):
        super().__init__(space, path, seed, **kwargs)
        self.space, self.ledger = space, folder / "paid.txt"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "gpu.txt").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", ""))
        if os.environ.get("DIES_BEFORE_IT_BEGINS") == str(seed) and not os.path.exists("died"):
            open("died", "x").close()
            os.kill(os.getpid(), 9)

    def evaluate(self, architectures):
        for place, architecture in enumerate(architectures):
            time.sleep(float(os.environ.get("PAID_S", 0)))
            ((_, evaluation),) = super().evaluate([architecture])
            with self.ledger.open("a") as file:
                file.write(self.space.key(architecture) + "\\n")
            yield place, evaluation
'''


def histories(sweep: Path) -> dict[str, list[dict[str, Any]]]:
    return {
        file.parent.name: [json.loads(line) for line in file.read_text().split("\n")[:-1]]
        for file in sweep.glob("*/history.jsonl")
    }


def test_nothing_is_lost_or_paid_for_twice_under_random_kills(
    small_table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL or SIGTERM to the sweep's process or a worker, at random moments; KILLS=20 makes it a longer campaign."""
    kills, rng = int(os.environ.get("KILLS", 5)), random.Random(0)
    (tmp_path / "paid.py").write_text(EVALUATOR)
    jobs = [
        "-m",
        "experiment=strategies",
        "cluster=local",
        "evaluator._target_=paid.Paid",
        "hydra.launcher.n_jobs=2",
    ]
    jobs += [f"evaluator.path={small_table}", "strategy=evolution,local_search,random", "seed=0,1"]
    jobs += [f"search.max_queries={20 + 20 * kills}"]
    done = command("seminas-search", *jobs, "hydra.sweep.dir=whole", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv("PAID_S", "0.1")
    sweep, made = tmp_path / "sweep", 0
    process = background("seminas-search", *jobs, "hydra.sweep.dir=sweep", cwd=tmp_path)
    recorded: list[tuple[str, list[dict[str, Any]], int]] = []
    try:
        until(lambda: histories(sweep))
        while made < kills:
            assert len(list(sweep.glob("*/result.json"))) < 6, f"the sweep ended after {made} kills"
            time.sleep(rng.uniform(0.5, 4))
            if process.poll() is not None:
                process = background("seminas", "sweep", "resume", "sweep", cwd=tmp_path)
                continue
            victims = processes_of(process.pid)
            os.kill(rng.choice(victims), rng.choice([signal.SIGKILL, signal.SIGTERM]))
            made += 1
            if process.poll() is not None:
                gone(victims)
            for name, history in histories(sweep).items():
                ledger = sweep / name / "paid.txt"
                recorded.append(
                    (name, history, len(ledger.read_text().splitlines()) if ledger.exists() else 0)
                )
    finally:
        end(process)
    monkeypatch.setenv("PAID_S", "0")
    resumed = command("seminas", "sweep", "resume", "sweep", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    whole, survived = histories(tmp_path / "whole"), histories(sweep)
    assert survived == whole and len(whole) == 6
    for name, history, paid in recorded:
        assert whole[name][: len(history)] == history
        later = (sweep / name / "paid.txt").read_text().splitlines()[paid:]
        assert not {record["key"] for record in history} & set(later)


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
    resumed = command("seminas", "sweep", "resume", "sweep", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    done = command("seminas-search", *jobs[:-1], "hydra.sweep.dir=whole", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    whole = histories(tmp_path / "whole")
    assert histories(tmp_path / "sweep") == whole
    assert [len(history) for history in whole.values()] == [100, 100]
    assert all(whole[name][: len(history)] == history for name, history in kept.items())


ONE_GPU_EACH = ["+hydra.launcher.ray.init.num_gpus=2", "hydra.launcher.ray.remote.num_gpus=1"]


@pytest.mark.parametrize(
    ("cluster", "package", "job", "extra"),
    [
        ("submitit_local", "submitit", rb"submitit\.core\._submit", []),
        ("ray", "ray", rb"ray::(?!IDLE)", ONE_GPU_EACH),
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
    (tmp_path / "paid.py").write_text(EVALUATOR)
    monkeypatch.setenv("PAID_S", "0.2")
    if not extra:
        monkeypatch.setenv("DIES_BEFORE_IT_BEGINS", "1")
    jobs = ["-m", f"cluster={cluster}", "evaluator=table", "evaluator._target_=paid.Paid", "strategy=random"]
    jobs += [f"evaluator.path={small_table}", "search.max_queries=40", "seed=0,1", "hydra.sweep.dir=sweep"]
    process = background("seminas-search", *jobs, *extra, cwd=tmp_path)
    try:
        until(lambda: len(histories(tmp_path / "sweep")) == 2)
        if extra:  # Each job sees a GPU of its own.
            seen = {(job / "gpu.txt").read_text() for job in folders(tmp_path / "sweep")}
            assert seen == {"0", "1"}
        victim = next(pid for pid in processes_of(process.pid) if re.search(job, cmdline(pid)))
        os.kill(victim, signal.SIGKILL)
        assert process.wait(240) == 0
    finally:
        end(process)
    assert extra or (tmp_path / "died").exists()
    assert [len(history) for history in histories(tmp_path / "sweep").values()] == [40, 40]
    assert all(
        len((folder / "paid.txt").read_text().splitlines()) == 40 for folder in folders(tmp_path / "sweep")
    )


def cmdline(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    return b""


def test_a_job_that_is_told_to_go_ends_like_one_that_was_not(tmp_path: Path) -> None:
    """Two tasks of one job, as Slurm starts them; both get its signal, save, and go back into the queue."""
    pytest.importorskip("submitit")
    jobs = [*RANKS, *SMALL, "trainer.max_epochs=20", "seed=0"]
    tasks = ["cluster=submitit_local", "hydra.launcher.tasks_per_node=2", "hydra.sweep.dir=sweep"]
    process = background("seminas-train", "-m", *jobs, *tasks, cwd=tmp_path)
    try:
        (log,) = until(lambda: list(tmp_path.glob("sweep/.submitit/*/*_0_log.err")))
        (job,) = until(lambda: folders(tmp_path / "sweep"))
        until(lambda: list(job.glob("**/metrics.csv")))
        time.sleep(1)
        for pid in processes_of(process.pid):
            if b"submitit.core._submit" in cmdline(pid):
                os.kill(pid, signal.SIGUSR2)
        assert process.wait(240) == 0
    finally:
        end(process)
    said = log.read_text() + log.with_name(log.name.replace(".err", ".out")).read_text()
    assert "Requeued job" in said and said.count("Job completed successfully") == 1
    alone = command("seminas-train", *jobs, "hydra.run.dir=alone", cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr
    assert {n: result(job)[n] for n in SAME} == {n: result(tmp_path / "alone")[n] for n in SAME}


def test_an_optuna_study_is_on_disk_and_gone_on_with(small_table: Path, tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    jobs = [
        "-m",
        "sweep=optuna",
        f"evaluator.path={small_table}",
        "model=random_forest",
        "hydra.sweep.dir=sweep",
    ]
    jobs += ["predictor.num_labeled=range(20,400,step=20)", "seed=range(0,1000)"]
    kept: list[float] = []
    for trials in (3, 5):
        done = command("seminas-predictor", *jobs, f"hydra.sweeper.n_trials={trials}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        study = optuna.load_study(study_name="seminas", storage=f"sqlite:///{tmp_path}/sweep/study.db")
        values = [trial.value for trial in study.trials]
        assert len(values) == trials and len(folders(tmp_path / "sweep")) == trials
        taus = {result(job)["kendall_tau"] for job in folders(tmp_path / "sweep")}
        assert set(values) == taus and study.best_value == max(taus)
        assert len({tuple(sorted(trial.params.items())) for trial in study.trials}) == trials
        assert values[: len(kept)] == kept
        kept = values
    status = command("seminas", "sweep", "status", "sweep", cwd=tmp_path)
    assert status.returncode == 0 and "5 jobs: 5 done" in status.stdout


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Slurm's commands, on this machine; returns the folder of their state."""
    pytest.importorskip("submitit")
    bin_folder, state = tmp_path / "bin", tmp_path / "state"
    bin_folder.mkdir()
    state.mkdir()
    program = Path(__file__).with_name("fake_slurm.py")
    for name in ("sbatch", "srun", "sacct", "scontrol"):
        file = bin_folder / name
        file.write_text(f'#!/bin/sh\nexec {sys.executable} {program} {name} "$@"\n')
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(state))
    return state


def test_jobs_in_slurms_queue_outlive_the_sweep_and_are_not_submitted_again(
    slurm: Path, tmp_path: Path
) -> None:
    """One job is running and one is queued when the sweep's process is killed."""
    work = tmp_path / "work"
    work.mkdir()
    trained = [*RANKS, *SMALL, "trainer.max_epochs=20"]
    tasks = ["cluster=slurm", "hydra.launcher.tasks_per_node=2", "hydra.launcher.array_parallelism=1"]
    process = background(
        "seminas-train", "-m", *trained, "seed=0,1", *tasks, "hydra.sweep.dir=sweep", cwd=work
    )
    until(lambda: list(work.glob("sweep/*/config.yaml")))
    until(lambda: sorted(job.state for job in jobs_of(work / "sweep")) == ["missing", "running"])
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
    assert {n: result(work / "alone")[n] for n in SAME} == {n: result(second)[n] for n in SAME}
