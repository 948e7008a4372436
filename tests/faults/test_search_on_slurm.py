"""Test searches whose trainings are Slurm jobs: searches that are killed and go on, and ``seminas cancel``."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from fake_slurm_commands import FakeSlurm
from seminas.runs.folder import RunFolder
from seminas.sweeps.folder import SweepFolder
from support import background, command, wait_for

pytest.importorskip("submitit")
SEARCH = ["evaluator=training", "strategy=random", "search.num_labeled=3", "search.num_rounds=0"]
SEARCH += ["data.recipe.epochs=1", "hydra.run.dir=run"]
SLURM = ["evaluator.engine=slurm", "evaluator.slurm.max_jobs=2"]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    return FakeSlurm(tmp_path, monkeypatch)


def accuracies(run: Path) -> dict[str, float | None]:
    """Return the validation accuracy of each architecture."""
    return {record.key: record.val_accuracy for record in RunFolder(run).history()}


def num_submitted(run: Path) -> int:
    """Return the number of jobs in the record of a run."""
    file = run / "slurm" / "submitted.json"
    return len(json.loads(file.read_text())["jobs"]) if file.exists() else 0


def killed_search(folder: Path) -> None:
    """Start a search, and kill it when it has submitted two jobs."""
    process = background("seminas-search", *SEARCH, *SLURM, cwd=folder)
    wait_for(lambda: num_submitted(folder / "run") == 2, process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.campaign
@pytest.mark.long
@pytest.mark.timeout(300)
def test_jobs_give_what_processes_give(tmp_path: Path) -> None:
    for engine in ("slurm", "processes"):
        (tmp_path / engine).mkdir()
        of_engine = [*SLURM, "evaluator.slurm.executor=local"] if engine == "slurm" else []
        workers = ["evaluator.num_workers=2"]
        done = command("seminas-search", *SEARCH, *of_engine, *workers, cwd=tmp_path / engine)
        assert done.returncode == 0, done.stderr
    runs = [tmp_path / engine / "run" for engine in ("slurm", "processes")]
    assert accuracies(runs[0]) == accuracies(runs[1]) and len(accuracies(runs[0])) == 3
    tests = [json.loads((run / "result.json").read_text())["test_accuracy"] for run in runs]
    assert tests[0] == tests[1] is not None
    # The files of the last call stay, because the engine does not know whether its result was stored.
    assert len([*runs[0].glob("slurm/*/*_result.pkl")]) == num_submitted(runs[0]) == 1
    assert not (runs[1] / "slurm").exists()


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_killed_search_takes_its_jobs_over(fake: FakeSlurm, tmp_path: Path) -> None:
    killed_search(tmp_path)
    done = command("seminas-search", *SEARCH, *SLURM, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(accuracies(tmp_path / "run")) == 3 and None not in accuracies(tmp_path / "run").values()
    # Three trainings, and one to test the best architecture.
    wait_for(lambda: [*fake.jobs().values()] == ["COMPLETED"] * 4)


@pytest.mark.campaign
@pytest.mark.long
@pytest.mark.timeout(300)
def test_cancel_cancels_the_jobs_of_a_killed_search(fake: FakeSlurm, tmp_path: Path) -> None:
    killed_search(tmp_path)
    running = [job for job, state in fake.jobs().items() if state in ("PENDING", "RUNNING")]
    assert command("seminas", "cancel", "run", cwd=tmp_path).stdout == f"{len(running)} jobs cancelled\n"
    wait_for(lambda: all(fake.jobs()[job] == "CANCELLED by 0" for job in running))
    assert command("seminas", "cancel", "run", cwd=tmp_path).stdout == "0 jobs cancelled\n"
    done = command("seminas-search", *SEARCH, *SLURM, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(accuracies(tmp_path / "run")) == 3


def test_cancel_cancels_the_jobs_of_a_sweep(fake: FakeSlurm, tmp_path: Path) -> None:
    sweep = SweepFolder(tmp_path / "sweep")
    (tmp_path / "job.sh").write_text("exec sleep 1000")
    subprocess.run(["sbatch", "job.sh"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    with sweep.claim("seed: 0"):
        sweep.write_submitted({"a": ["folder", "1000"], "b": ["folder", "77"]})
        assert command("seminas", "cancel", "sweep", cwd=tmp_path).stdout == "1 jobs cancelled\n"
        assert sweep.is_stopped()
    wait_for(lambda: fake.jobs() == {"1000": "CANCELLED by 0"})
    wrong = command("seminas", "cancel", "bin", cwd=tmp_path)
    assert wrong.returncode == 2 and wrong.stderr.startswith("error: bin: holds no run")


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("evaluator.slurm.max_jobs=0", "evaluator.slurm.max_jobs=0: must be at least 1"),
        ("evaluator.slurm.additional={output: x}", "evaluator.slurm.additional.output=x: must be"),
        ("+evaluator.slurm.additional.output=x", "evaluator.slurm.additional.output=x: must be"),
        ("evaluator.slurm.additional=x", "evaluator.slurm.additional=x: must be a group of keys"),
    ],
)
def test_a_wrong_setting_is_one_line(override: str, key: str, tmp_path: Path) -> None:
    done = command("seminas-search", *SEARCH, *SLURM, override, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith(f"error: {key}"), done.stderr
    assert done.stderr.count("\n") == 1 and not [*tmp_path.iterdir()]


@pytest.mark.long
def test_a_machine_without_slurm_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = command("seminas-search", *SEARCH, *SLURM, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: evaluator.engine=slurm: this machine has no sbatch")
