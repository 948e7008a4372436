"""Test the folders of jobs and runs, the files that Hydra writes into them, and the user's own config folder."""

import csv
import io
import shutil
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from integration.sweeps.running import call, result
from support import ROOT

HYDRAS = ["config.yaml", "hydra.yaml", "overrides.yaml"]
SEARCH = ["evaluator=table", "strategy=random", "search.max_queries=3"]


def hydras(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / ".hydra").iterdir())


@pytest.mark.long
@pytest.mark.parametrize("launcher", [pytest.param("basic", marks=pytest.mark.campaign), "joblib"])
@pytest.mark.parametrize(
    ("subdir", "names"),
    [("${hydra.job.num}", ["0", "1"]), ("${seed}", ["4", "7"]), ("a/${seed}", ["a/4", "a/7"])],
)
def test_jobs_may_have_folders_of_any_name(
    launcher: str, subdir: str, names: list[str], small_table: Path, tmp_path: Path
) -> None:
    sweep = tmp_path / "sweep"
    jobs = ["-m", *SEARCH, f"evaluator.path={small_table}", "seed=4,7", f"hydra/launcher={launcher}"]
    jobs += [f"hydra.sweep.dir={sweep}", f"hydra.sweep.subdir={subdir}"]
    done = call("seminas-search", *jobs, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    runs = [sweep / name for name in names]
    assert [result(run)["seed"] for run in runs] == [4, 7]
    for run, seed in zip(runs, (4, 7), strict=True):
        assert hydras(run) == HYDRAS
        assert f"seed={seed}" in OmegaConf.load(run / ".hydra" / "overrides.yaml")
        assert OmegaConf.load(run / ".hydra" / "config.yaml").seed == seed
    assert call("seminas", "sweep", "status", "sweep", cwd=tmp_path).stdout == "2 jobs: 2 done\n"
    written = [(run / "result.json").stat().st_mtime_ns for run in runs]
    again = call("seminas-search", *jobs, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert [(run / "result.json").stat().st_mtime_ns for run in runs] == written
    history = (runs[1] / "history.jsonl").read_bytes()
    (runs[1] / "result.json").unlink()  # A kill before the last step leaves this state.
    status = call("seminas", "sweep", "status", "sweep", cwd=tmp_path)
    assert status.returncode == 1 and status.stdout == f"2 jobs: 1 done, 1 stopped\nstopped: {names[1]}\n"
    resumed = call("seminas", "sweep", "resume", "sweep", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert (runs[0] / "result.json").stat().st_mtime_ns == written[0] and result(runs[1])["seed"] == 7
    assert (runs[1] / "history.jsonl").read_bytes() == history
    assert sorted(path for path in sweep.rglob("result.json")) == [run / "result.json" for run in runs]
    report = call("seminas", "report", "sweep", "--format=csv", cwd=tmp_path)
    (row,) = csv.DictReader(io.StringIO(report.stdout))
    assert report.returncode == 0 and row["seeds"] == "2", report.stdout


@pytest.mark.parametrize(
    ("launcher", "subdir", "folder"),
    [("basic", "same", "same"), ("joblib", "a/${search.max_queries}", "a/3")],
)
def test_two_jobs_with_one_folder_are_refused(
    launcher: str, subdir: str, folder: str, small_table: Path, tmp_path: Path
) -> None:
    jobs = ["-m", *SEARCH, f"evaluator.path={small_table}", "seed=0,1", f"hydra/launcher={launcher}"]
    jobs += ["hydra.sweep.dir=sweep", f"hydra.sweep.subdir={subdir}"]
    refused = call("seminas-search", *jobs, cwd=tmp_path)
    assert refused.returncode == 2
    line = f"error: hydra.sweep.subdir={subdir}: gives several jobs the folder {folder}"
    assert [said for said in refused.stderr.splitlines() if "error" in said] == [line]
    assert "Traceback" not in refused.stderr and not list(tmp_path.glob("sweep/*"))


def test_a_run_has_hydras_files_in_a_folder_of_any_name(small_table: Path, tmp_path: Path) -> None:
    overrides = [*SEARCH, f"evaluator.path={small_table}", "seed=5"]
    folder = "runs of mine/a=b, (c)"
    done = call("seminas-search", *overrides, f"hydra.run.dir='{folder}'", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert hydras(tmp_path / folder) == HYDRAS
    assert list(OmegaConf.load(tmp_path / folder / ".hydra" / "overrides.yaml")) == overrides
    status = call("seminas", "status", folder, cwd=tmp_path)
    assert status.returncode == 0 and status.stdout.startswith("state        done\n")
    # The folder's name may contain values of the config.
    done = call("seminas-search", *overrides, "hydra.run.dir=runs/${seed}-${hydra.job.name}", cwd=tmp_path)
    assert done.returncode == 0 and result(tmp_path / "runs" / "5-search")["seed"] == 5


def own_space(folder: Path) -> None:
    """Copy the example of a user's own space. Its module gets a name that no other test imports."""
    shutil.copytree(ROOT / "examples" / "own_space", folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "widths.py").rename(folder / "elsewhere_widths.py")
    for file in folder.glob("*/*.yaml"):
        file.write_text(file.read_text().replace("_target_: widths.", "_target_: elsewhere_widths."))


@pytest.mark.long
def test_a_sweep_over_ones_own_space_is_resumed_and_reported_from_elsewhere(tmp_path: Path) -> None:
    own, elsewhere = tmp_path / "own", tmp_path / "elsewhere"
    own_space(own)
    elsewhere.mkdir()
    jobs = ["-m", "--config-dir=.", "space=widths", "evaluator=perceptron", "strategy=random"]
    jobs += ["search.max_queries=4", "seed=0,1", "hydra.sweep.dir=sweep"]
    done = call("seminas-search", *jobs, cwd=own)
    assert done.returncode == 0, done.stderr
    first, second = sorted((own / "sweep").glob("*/result.json"))
    kept, history = first.stat().st_mtime_ns, second.with_name("history.jsonl").read_bytes()
    second.unlink()  # A kill leaves this state, with half of the evaluations.
    lines = history.splitlines(keepends=True)
    second.with_name("history.jsonl").write_bytes(b"".join(lines[:2]))
    resumed = call("seminas", "sweep", "resume", "../own/sweep", cwd=elsewhere)
    assert resumed.returncode == 0, resumed.stderr
    assert first.stat().st_mtime_ns == kept and result(second.parent)["num_queries"] == 4
    again = second.with_name("history.jsonl").read_bytes().splitlines(keepends=True)
    assert again[:2] == lines[:2] and len(again) == 4
    report = call("seminas", "report", "../own/sweep", "--out=page", cwd=elsewhere)
    assert report.returncode == 0 and "2 finished" in report.stderr, report.stderr
    assert "widths" in (elsewhere / "page" / "report.html").read_text()
    assert "elsewhere_widths" not in sys.modules
