import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hydra
import pytest
from omegaconf import DictConfig, OmegaConf
from seminas.commands.app import CONFIG_DIR, settings

from seminas.search.plan import SearchSettings, round_sizes
from seminas.spaces.nasbench101 import NASBench101
from seminas.sweeps.progress import num_jobs
from support import background, command

Configure = Callable[..., DictConfig]
SIDE_BY_SIDE = ["-m", "experiment=strategies", "search.max_queries=40", "hydra.sweep.dir=sweep"]


def results(folder: Path) -> dict[str, int]:
    """Finished jobs, and when they were."""
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*/result.json")}


@contextlib.contextmanager
def a_job_done(*jobs: str, cwd: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a sweep and wait for its first result; in the end its whole process group is killed."""
    process = background("seminas-search", *jobs, cwd=cwd)
    try:
        until = time.monotonic() + 120
        while not results(cwd / "sweep"):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.05)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_jobs_run_side_by_side_and_a_second_call_repeats_none(small_table: Path, tmp_path: Path) -> None:
    jobs = [*SIDE_BY_SIDE, f"evaluator.path={small_table}", "strategy=random,evolution", "seed=range(0,3)"]
    done = command("seminas-search", *jobs, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first = results(tmp_path / "sweep")
    assert len(first) == 6 and "6 of 6 jobs are done in sweep" in done.stderr
    # The jobs do not draw over one another.
    assert "round" not in done.stderr and "best architecture" not in done.stdout
    process = command("seminas-search", *[j.replace("range(0,3)", "range(0,4)") for j in jobs], cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    second = results(tmp_path / "sweep")
    assert len(second) == 8 and {name: second[name] for name in first} == first


def test_a_killed_sweep_goes_on_with_what_is_missing(small_table: Path, tmp_path: Path) -> None:
    jobs = [*SIDE_BY_SIDE, f"evaluator.path={small_table}", "strategy=bananas", "seed=range(0,6)"]
    with a_job_done(*jobs, cwd=tmp_path):
        pass
    kept = results(tmp_path / "sweep")
    assert kept
    done = command("seminas-search", *jobs, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    now = results(tmp_path / "sweep")
    assert len(now) == 6 and {name: now[name] for name in kept} == kept
    for name in now:
        assert json.loads((tmp_path / "sweep" / name / "result.json").read_text())["num_queries"] == 40


def test_a_job_that_fails_stops_no_other_and_is_run_again_by_resume(
    small_table: Path, tmp_path: Path
) -> None:
    table = tmp_path / "later.npz"
    paths = f"evaluator.path={small_table},{table}"
    jobs = [*SIDE_BY_SIDE, paths, "strategy=random,nobody", "search.max_queries=10", "seed=0"]
    done = command("seminas-search", *jobs, cwd=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "error: 3 of 4 jobs are not done; seminas sweep resume sweep runs them" in done.stderr
    kept = results(tmp_path / "sweep")
    assert len(kept) == 1
    status = command("seminas", "sweep", "status", "sweep", cwd=tmp_path)
    assert status.returncode == 1 and "4 jobs: 1 done, 3 failed" in status.stdout
    assert status.stdout.count("strategy=nobody: must be one of bananas") == 2
    assert f"{table}: there is no such file" in status.stdout
    table.write_bytes(small_table.read_bytes())
    resumed = command("seminas", "sweep", "resume", str(tmp_path / "sweep"), cwd=Path("/"))
    assert resumed.returncode == 2 and "2 of 4 jobs are not done" in resumed.stderr
    now = results(tmp_path / "sweep")
    assert len(now) == 2 and {name: now[name] for name in kept} == kept
    assert command("seminas", "sweep", "status", "nowhere", cwd=tmp_path).returncode == 2


def test_a_sweep_in_a_folder_of_any_name_is_resumed(small_table: Path, tmp_path: Path) -> None:
    table = tmp_path / "later.npz"
    jobs = ["-m", "evaluator=table", f"evaluator.path={table}", "strategy=random", "search.max_queries=5"]
    done = command("seminas-search", *jobs, "hydra.sweep.dir='a=b, (c)'", cwd=tmp_path)
    assert done.returncode == 2 and f"{table}: there is no such file" in done.stderr
    table.write_bytes(small_table.read_bytes())
    resumed = command("seminas", "sweep", "resume", "a=b, (c)", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert len(results(tmp_path / "a=b, (c)")) == 1


def test_real_trainings_run_side_by_side(tmp_path: Path) -> None:
    jobs = ["-m", "experiment=search_space", "space=nasbench201", "strategy=random", "seed=0,1"]
    short = ["search.max_queries=2", "data.recipe.epochs=1", "hydra.sweep.dir=sweep"]
    done = command("seminas-search", *jobs, *short, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "failed" not in done.stderr and len(results(tmp_path / "sweep")) == 2


def test_a_sweep_that_is_running_cannot_be_started_again(small_table: Path, tmp_path: Path) -> None:
    jobs = [*SIDE_BY_SIDE, f"evaluator.path={small_table}", "strategy=bananas", "seed=range(0,30)"]
    with a_job_done(*jobs, cwd=tmp_path):
        second = command("seminas-search", *jobs, cwd=tmp_path)
        assert second.returncode == 2
        assert second.stderr == "error: sweep: another process is running this sweep\n"
        # Between two of its jobs a worker runs none.
        said = [command("seminas", "sweep", "status", "sweep", cwd=tmp_path).stdout for _ in range(3)]
        assert all("30 jobs:" in status and "missing" in status for status in said)
        assert any("running" in status for status in said)


def test_jobs_end_with_the_process_that_launched_them(small_table: Path, tmp_path: Path) -> None:
    jobs = [*SIDE_BY_SIDE, f"evaluator.path={small_table}", "strategy=bananas", "seed=range(0,40)"]
    with a_job_done(*jobs, cwd=tmp_path) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert children
        os.kill(process.pid, signal.SIGKILL)  # It alone.
        process.wait()
        until = time.monotonic() + 30
        while any(Path(f"/proc/{child}").exists() for child in children):
            assert time.monotonic() < until
            time.sleep(0.1)
    assert len(results(tmp_path / "sweep")) < 40


@pytest.mark.parametrize(
    ("params", "task", "number"),
    [
        ({"seed": "range(0,5)", "strategy": "nao,random"}, ["space=nasbench101"], 10),
        ({"seed": "range(0,5)"}, ["seed=1,2", "search.num_labeled=10,20"], 4),
        ({}, ["seed=3"], 1),
    ],
)
def test_jobs_are_counted_as_hydra_makes_them(params: dict[str, str], task: list[str], number: int) -> None:
    config = {"hydra": {"sweeper": {"params": params}, "overrides": {"task": task}}}
    assert num_jobs(OmegaConf.create(config)) == number


SINGLE = {"paper300", "paper2000", "pictures", "controller_optuna"}
EXPERIMENTS = sorted({path.stem for path in (CONFIG_DIR / "experiment").glob("*.yaml")} - SINGLE)


@pytest.mark.parametrize(
    ("name", "queries", "pseudo"), [("paper300", 300, 10_000), ("paper2000", 2_000, 10_000)]
)
def test_the_authors_searches_are_theirs(configure: Configure, name: str, queries: int, pseudo: int) -> None:
    """Sizes and settings of the two releases: the raw gradient in steps of 1, and no favourites beside it."""
    config = configure("search", f"experiment={name}", "evaluator.path=digits101")
    search = settings(config, "search", SearchSettings)
    strategy = hydra.utils.instantiate(config.strategy, space=NASBench101(), seed=0)
    sizes = round_sizes(search, 423_624, strategy.own_sizes)
    assert sum(sizes) == queries and round(strategy.pseudo_label_ratio * sizes[0]) == pseudo
    assert (strategy.favorites, strategy.pool, strategy.step_size, strategy.max_steps) == (0, 0, 1, 100)
    assert strategy.raw_gradient and not strategy.better and strategy.settings.warm_start
    model = (strategy.settings.hidden, strategy.settings.predictor, strategy.settings.upsampling)
    assert model == ((16, (64,), 100) if name == "paper300" else (64, (16,), 10))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_is_a_complete_multirun_with_seeds(configure: Configure, name: str) -> None:
    entry = "predictor" if name == "predictor" else "search"
    config = configure(entry, f"experiment={name}")
    params = OmegaConf.load(CONFIG_DIR / "experiment" / f"{name}.yaml").hydra.sweeper.params
    assert "seed" in params and len(params) >= 2
    assert config.evaluator.get("path", "digits101") == "digits101"
    for values in params.values():
        assert num_jobs(
            OmegaConf.create({"hydra": {"sweeper": {"params": {"x": values}}, "overrides": {"task": []}}})
        )
