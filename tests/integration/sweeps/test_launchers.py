"""Test the launchers and jobs of several processes with real processes, as the documentation describes them."""

from pathlib import Path

import pytest

from integration.sweeps.running import RANKS, call, digests, folders, outcome, result
from support import command


def one_sweep(tmp_path: Path, *swept: str) -> list[Path]:
    """Run a sweep of jobs of two ranks, check that the ranks of each job agree, and return the jobs' folders."""
    done = call("seminas-train", "-m", *RANKS, *swept, "hydra.sweep.dir=sweeps/a", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["sweeps"]
    assert [path.name for path in (tmp_path / "sweeps").iterdir()] == ["a"]
    jobs = folders(tmp_path / "sweeps" / "a")
    for job in jobs:
        logs = sorted((job / "logs").iterdir())
        assert [log.name for log in logs] == ["rank0.log", "rank1.log"]
        first, second = map(digests, logs)
        assert len(first) == 1 and first == second
    return jobs


@pytest.mark.long
def test_a_job_of_two_ranks_starts_no_second_sweep(tmp_path: Path) -> None:
    (job,) = one_sweep(tmp_path, "seed=0")
    assert result(job)["config"]["trainer"]["devices"] == 2


@pytest.mark.campaign
@pytest.mark.long
@pytest.mark.timeout(400)
def test_jobs_of_two_ranks_are_each_as_alone(tmp_path: Path) -> None:
    jobs = one_sweep(tmp_path, "seed=0,1,2", "data.recipe.learning_rate=0.05,0.2")
    assert len(jobs) == 6
    assert len({digests(job / "logs" / "rank0.log")[0] for job in jobs}) == 6
    for i, job in enumerate(jobs[::2]):
        config = result(job)["config"]
        rate = config["data"]["recipe"]["learning_rate"]
        overrides = [f"seed={config['seed']}", f"data.recipe.learning_rate={rate}"]
        alone = call("seminas-train", *RANKS, *overrides, f"hydra.run.dir=alone{i}", cwd=tmp_path)
        assert alone.returncode == 0, alone.stderr
        assert outcome(tmp_path / f"alone{i}") == outcome(job)
        log = tmp_path / f"alone{i}" / "logs" / "rank1.log"
        assert digests(log) == digests(job / "logs" / "rank1.log")


@pytest.mark.parametrize(
    ("cluster", "package"),
    [("submitit_local", "submitit"), ("ray", "ray")],
)
@pytest.mark.long
def test_each_launcher_runs_the_jobs_and_repeats_none(
    cluster: str, package: str, small_table: Path, tmp_path: Path
) -> None:
    """Check every launcher except joblib, which has its own tests."""
    pytest.importorskip(package)
    jobs = ["-m", "evaluator=table", f"evaluator.path={small_table}", "strategy=random"]
    jobs += ["search.max_queries=3", "seed=0,1", "hydra.sweep.dir=sweep"]
    done = command("seminas-search", *jobs, f"cluster={cluster}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 jobs are done in sweep" in done.stderr
    written = {job: (job / "result.json").stat().st_mtime_ns for job in folders(tmp_path / "sweep")}
    assert sorted(result(job)["seed"] for job in written) == [0, 1]
    # A job does not depend on the launcher, so another launcher finds all jobs done.
    again = call("seminas-search", *jobs, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert {job: (job / "result.json").stat().st_mtime_ns for job in folders(tmp_path / "sweep")} == written


@pytest.mark.long
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
    for trials in (2, 3):
        done = call("seminas-predictor", *jobs, f"hydra.sweeper.n_trials={trials}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        study = optuna.load_study(study_name="seminas", storage=f"sqlite:///{tmp_path}/sweep/study.db")
        values = [trial.value for trial in study.trials]
        assert len(values) == trials and len(folders(tmp_path / "sweep")) == trials
        taus = {result(job)["kendall_tau"] for job in folders(tmp_path / "sweep")}
        assert set(values) == taus and study.best_value == max(taus)
        assert len({tuple(sorted(trial.params.items())) for trial in study.trials}) == trials
        assert values[: len(kept)] == kept
        kept = values
    status = call("seminas", "sweep", "status", "sweep", cwd=tmp_path)
    assert status.returncode == 0 and "3 jobs: 3 done" in status.stdout
