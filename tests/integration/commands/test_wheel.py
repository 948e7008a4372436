"""Test that the wheel works like a checkout, and that it contains the configs and the table digits101."""

import os
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from support import ROOT, SMALL_STRATEGY


@pytest.mark.long
def test_the_wheel_runs_in_an_empty_folder(tmp_path: Path) -> None:
    dist, home = tmp_path / "dist", tmp_path / "env"
    build = "from hatchling.builders.wheel import WheelBuilder; import sys;"
    build += "print(*WheelBuilder(sys.argv[1]).build(directory=sys.argv[2]))"
    built = subprocess.run(
        [sys.executable, "-c", build, str(ROOT), str(dist)], capture_output=True, text=True, check=True
    )
    wheel = built.stdout.split()[-1]
    # The new environment uses the installed libraries, but not this checkout.
    venv.create(home, with_pip=False)
    (site_packages,) = [path for path in site.getsitepackages() if Path(path).name == "site-packages"]
    (packages,) = home.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(site_packages + "\n")
    python = str(home / "bin" / "python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps"]
    install += ["--force-reinstall", "--no-index", "--prefix", str(home), wheel]
    subprocess.run(install, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""})
    work = tmp_path / "work"
    work.mkdir()
    where = subprocess.run(
        [python, "-c", "import seminas; print(seminas.__file__)"], cwd=work, capture_output=True, text=True
    )
    assert where.stdout.startswith(str(home)), where.stdout + where.stderr
    shown = subprocess.run(
        [str(home / "bin" / "seminas-search"), "--cfg", "job"], cwd=work, capture_output=True, text=True
    )
    assert shown.returncode == 0 and "_target_: seminas.spaces.nasbench101.NASBench101" in shown.stdout
    searched = subprocess.run(
        [
            str(home / "bin" / "seminas-search"),
            "evaluator=table",
            "evaluator.path=digits101",
            "search.max_queries=6",
            "hydra.run.dir=run",
            *SMALL_STRATEGY,
        ],
        cwd=work,
        capture_output=True,
        text=True,
    )
    assert searched.returncode == 0, searched.stderr
    assert (work / "run" / "result.json").exists()
