"""``make`` takes the first Python that is new enough, and says so in one line where there is none."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT

STAMP = ".venv/.installed"


class Machine:
    """A folder with the Makefile, and a path with nothing but made-up Pythons and the tools that they need."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "path"
        self.path.mkdir()
        for tool in ("cp", "mkdir", "touch"):
            (self.path / tool).symlink_to(str(shutil.which(tool)))
        shutil.copy(ROOT / "Makefile", folder)
        (folder / "pyproject.toml").touch()

    def has(self, name: str, version: tuple[int, int, int]) -> None:
        """Put a Python on the path: a check of its version runs in this one, and an environment is a copy of it."""
        check = f"import sys; sys.version_info = {version}; exec(sys.argv[1])"
        script = self.path / name
        script.write_text(
            "#!/bin/sh\n"
            f'[ "$1" = -c ] && exec {sys.executable} -c "{check}" "$2"\n'
            f'[ "$1" = --version ] && echo Python {".".join(map(str, version))} && exit\n'
            f'[ "$2" = venv ] && mkdir -p "$3/bin" && cp {script} "$3/bin/python"\n'
            '[ "$2" = pip ] && echo installed by "$0"\n'
            "exit 0\n"
        )
        script.chmod(0o755)

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(shutil.which("make")), *arguments],
            cwd=self.folder,
            env={"PATH": str(self.path)},
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("pythons", "taken"),
    [
        ({"python3.11": (3, 11, 4), "python3.13": (3, 13, 0), "python3": (3, 12, 1)}, "python3.11"),
        ({"python3.14": (3, 14, 0), "python3": (3, 10, 2)}, "python3.14"),
        ({"python3": (3, 12, 1)}, "python3"),
        ({"python3": (3, 9, 1), "python": (3, 13, 2)}, "python"),
    ],
)
def test_the_first_that_is_new_enough_is_taken(
    machine: Machine, pythons: dict[str, tuple[int, int, int]], taken: str
) -> None:
    for name, version in pythons.items():
        machine.has(name, version)
    done = machine.make(STAMP)
    assert done.returncode == 0, done.stderr
    version = ".".join(map(str, pythons[taken]))
    assert f".venv is made with {machine.path / taken}, Python {version}\n" in done.stdout
    assert "installed by .venv/bin/python" in done.stdout and (machine.folder / STAMP).exists()
    # It is made once.
    assert "up to date" in machine.make(STAMP).stdout


def test_another_one_can_be_named(machine: Machine) -> None:
    machine.has("python3.11", (3, 11, 4))
    machine.has("snake", (3, 12, 0))
    assert "snake, Python 3.12.0" in machine.make(STAMP, "PYTHON=snake").stdout


@pytest.mark.parametrize(("arguments", "tried"), [((), "python3.11"), (("PYTHON=python3",), "python3)")])
def test_none_is_one_line(machine: Machine, arguments: tuple[str, ...], tried: str) -> None:
    machine.has("python3", (3, 10, 12))
    done = machine.make("search", *arguments)
    assert done.returncode != 0 and not (machine.folder / ".venv").exists()
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert line.startswith("No Python 3.11 or later") and f"tried: {tried}" in line and "PYTHON=" in line


def test_the_targets_of_the_readme(machine: Machine) -> None:
    (machine.folder / ".venv").mkdir()
    for target in ("search", "test", "test-long", "test-all", "lint", "docs", "clean"):
        done = machine.make("--dry-run", "--old-file", STAMP, target)
        assert done.returncode == 0, done.stderr
