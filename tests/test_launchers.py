"""Jobs of several processes, and launchers: what the README promises of sweeps, run for real."""

import json
import re
from pathlib import Path
from typing import Any

from support import command

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
    for i, job in enumerate(jobs):
        config = result(job)["config"]
        given = [f"seed={config['seed']}", f"data.recipe.learning_rate={config['recipe']['learning_rate']}"]
        alone = command("seminas-train", *RANKS, *SMALL, *given, f"hydra.run.dir=alone{i}", cwd=tmp_path)
        assert alone.returncode == 0, alone.stderr
        assert {n: result(tmp_path / f"alone{i}")[n] for n in SAME} == {n: result(job)[n] for n in SAME}
        assert digests((tmp_path / f"alone{i}" / "logs" / "rank1.log").read_text()) == digests(
            (job / "logs" / "rank1.log").read_text()
        )
