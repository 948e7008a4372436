"""Test sweeps as a user runs them: finished, repeated, failed, resumed and watched jobs."""

from pathlib import Path

import pytest

from integration.sweeps.running import (
    call,
    result,
    results,
)
from support import command

SIDE_BY_SIDE = ["-m", "experiment=strategies", "search.max_queries=4", "hydra.launcher.n_jobs=2"]
ONE_BY_ONE = ["-m", "evaluator=table", "strategy=random", "search.max_queries=3", "hydra.sweep.dir=sweep"]


@pytest.mark.long
def test_jobs_run_side_by_side_and_a_second_call_repeats_none(small_table: Path, tmp_path: Path) -> None:
    jobs = [*SIDE_BY_SIDE, f"evaluator.path={small_table}", "strategy=random", "seed=range(0,2)"]
    jobs += [f"hydra.sweep.dir={tmp_path}/sweep"]
    done = command("seminas-search", *jobs, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first = results(tmp_path / "sweep")
    assert len(first) == 2 and f"2 of 2 jobs are done in {tmp_path}/sweep" in done.stderr
    # The jobs show nothing themselves, so they do not disturb each other's output.
    assert "round" not in done.stderr and "best architecture" not in done.stdout
    more = [job.replace("range(0,2)", "range(0,3)") for job in jobs if "n_jobs" not in job]
    again = call("seminas-search", *more, "hydra/launcher=basic", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    second = results(tmp_path / "sweep")
    assert len(second) == 3 and {name: second[name] for name in first} == first


@pytest.mark.parametrize("launcher", ["basic", pytest.param("joblib", marks=pytest.mark.long)])
def test_a_job_that_fails_stops_no_other_and_is_run_again_by_resume(
    launcher: str, small_table: Path, tmp_path: Path
) -> None:
    table = tmp_path / "later.npz"
    sweep = tmp_path / "sweep"  # Joblib's workers may have the working directory of an earlier test.
    jobs = [*SIDE_BY_SIDE, f"hydra/launcher={launcher}", f"hydra.sweep.dir={sweep}", "seed=0"]
    if launcher == "basic":
        jobs.remove("hydra.launcher.n_jobs=2")
    jobs += [f"evaluator.path={small_table},{table}", "strategy=random,nobody", "search.max_queries=10"]
    done = call("seminas-search", *jobs, cwd=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"error: 3 of 4 jobs are not done; seminas sweep resume {sweep} runs them" in done.stderr
    kept = results(sweep)
    assert len(kept) == 1
    status = call("seminas", "sweep", "status", "sweep", cwd=tmp_path)
    assert status.returncode == 1 and "4 jobs: 1 done, 3 failed" in status.stdout
    assert status.stdout.count("strategy=nobody: must be one of bananas") == 2
    assert f"evaluator.path={table}: must be a file" in status.stdout
    table.write_bytes(small_table.read_bytes())
    resumed = call("seminas", "sweep", "resume", str(sweep), cwd=Path("/"))
    assert resumed.returncode == 2 and "2 of 4 jobs are not done" in resumed.stderr
    now = results(sweep)
    assert len(now) == 2 and {name: now[name] for name in kept} == kept
    assert call("seminas", "sweep", "status", "nowhere", cwd=tmp_path).returncode == 2


@pytest.mark.long
def test_the_first_failure_ends_a_sweep_where_that_is_wanted(small_table: Path, tmp_path: Path) -> None:
    table = tmp_path / "later.npz"
    jobs = [*ONE_BY_ONE, f"evaluator.path={small_table},{table}", "seed=0,1"]
    done = call("seminas-search", *jobs, "hydra.sweeper.fail_fast=true", cwd=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "error: 2 of 4 jobs are not done" in done.stderr
    assert "goes on" not in done.stdout
    status = call("seminas", "sweep", "status", "sweep", "--errors", cwd=tmp_path)
    assert status.returncode == 1 and status.stdout.startswith("4 jobs: 2 done, 1 failed, 1 missing\n")
    assert f"evaluator.path={table}: must be a file" in status.stdout
    (line,) = [line for line in status.stdout.splitlines() if "traceback: " in line]
    log = tmp_path / line.partition("traceback: ")[2]
    assert log.name == "error.log" and log.read_text().startswith("Traceback (most recent call last)")
    assert "UserError" in log.read_text()
    # The resumed sweep runs all missing jobs.
    table.write_bytes(small_table.read_bytes())
    resumed = call("seminas", "sweep", "resume", "sweep", cwd=tmp_path)
    assert resumed.returncode == 0 and len(results(tmp_path / "sweep")) == 4


def test_a_sweep_in_a_folder_of_any_name_is_resumed(small_table: Path, tmp_path: Path) -> None:
    table = tmp_path / "later.npz"
    jobs = ["-m", "evaluator=table", f"evaluator.path={table}", "strategy=random", "search.max_queries=5"]
    done = call("seminas-search", *jobs, "hydra.sweep.dir='a=b, (c)'", cwd=tmp_path)
    assert done.returncode == 2 and f"evaluator.path={table}: must be a file" in done.stderr
    table.write_bytes(small_table.read_bytes())
    resumed = call("seminas", "sweep", "resume", "a=b, (c)", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert len(results(tmp_path / "a=b, (c)")) == 1


@pytest.mark.campaign
@pytest.mark.long
def test_real_trainings_run_side_by_side(tmp_path: Path) -> None:
    jobs = ["-m", "experiment=search_space", "space=nasbench201", "strategy=random", "seed=0,1"]
    short = ["search.max_queries=2", "data.recipe.epochs=1", "hydra.sweep.dir=sweep"]
    done = command("seminas-search", *jobs, *short, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "failed" not in done.stderr and len(results(tmp_path / "sweep")) == 2
    assert all(result(tmp_path / "sweep" / name)["num_queries"] == 2 for name in results(tmp_path / "sweep"))
