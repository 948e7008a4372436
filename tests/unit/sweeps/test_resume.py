"""Test the command that resumes a sweep."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from seminas.runs.folder import RESULT_FILE
from seminas.sweeps.folder import SweepFolder
from seminas.sweeps.resume import resume, resume_command


@pytest.fixture
def sweep(tmp_path: Path) -> SweepFolder:
    """Return a sweep whose command line has interpolations and a config folder."""
    folder = SweepFolder(tmp_path / "it's a=b")
    sources = [
        {"path": "/conf", "schema": "file", "provider": "main"},
        {"path": "/own/configs", "schema": "file", "provider": "command-line"},
    ]
    hydra = {
        "job": {"name": "search", "num": "???"},
        "runtime": {"cwd": str(tmp_path), "config_sources": sources},
        "overrides": {
            "task": ["seed=1,2", "evaluator.path=${names.space}.npz", "search.max_queries=${seed}"],
            "hydra": [
                "hydra.sweep.dir=runs/first",
                "hydra.mode=MULTIRUN",
                "hydra.sweep.subdir=${hydra.job.num}-${seed}",
                "hydra.launcher.n_jobs=2",
            ],
        },
    }
    config = OmegaConf.create(
        {"hydra": hydra, "seed": 0, "names": {"space": "${hydra:runtime.choices.space}"}}
    )
    with folder.claim(OmegaConf.to_yaml(config)):
        folder.write_planned(["0-1", "1-2"])
    return folder


def test_it_is_the_command_that_made_the_sweep(sweep: SweepFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/bin/seminas"])
    program, command = resume_command(sweep)
    assert program == Path("/bin/seminas-search")
    assert command == [
        "/bin/seminas-search",
        "-m",
        "--config-dir=/own/configs",
        "seed=1,2",
        "evaluator.path=${names.space}.npz",
        "search.max_queries=${seed}",
        "hydra.sweep.subdir=${hydra.job.num}-${seed}",
        "hydra.launcher.n_jobs=2",
        f"hydra.sweep.dir='{sweep.path.parent}/it\\'s a=b'",
    ]


def test_where_all_jobs_are_done_there_is_no_command(
    sweep: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    became: list[object] = []
    monkeypatch.setattr("os.execv", lambda *command: became.append(command))
    monkeypatch.chdir(sweep.path)
    for name in ("0-1", "1-2"):
        (sweep.path / name).mkdir()
        (sweep.path / name / RESULT_FILE).write_text("{}")
    resume(sweep)
    assert not became and Path.cwd() == sweep.path
