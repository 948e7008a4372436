"""Test disks that are full or broken, and signals at odd moments. ``make campaign`` draws both at random."""

import logging
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from campaign.processes import built_shim
from integration.sweeps.running import call
from seminas.commands.job import start
from seminas.runs.folder import RunFolder
from seminas.storage.files import atomic_write, remove_leftovers
from support import command

NEEDS_COMPILER = pytest.mark.skipif(
    shutil.which("cc") is None or sys.platform != "linux", reason="needs a C compiler and LD_PRELOAD"
)


@pytest.mark.long
@NEEDS_COMPILER
def test_a_log_file_that_cannot_be_made_is_one_line(
    small_table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full when the command begins. Hydra then fails to make its files, and the log file."""
    library = built_shim(tmp_path)
    overrides = [
        "evaluator=table",
        f"evaluator.path={small_table}",
        "strategy=random",
        "search.max_queries=5",
    ]
    overrides += ["hydra.run.dir=run"]
    for after in (0, 2, 4):
        with monkeypatch.context() as patched:
            patched.setenv("LD_PRELOAD", str(library))
            patched.setenv("FAULTY_FOLDER", str(tmp_path / "run"))
            patched.setenv("FAULTY_KIND", "full")
            patched.setenv("FAULTY_AFTER", str(after))
            full = command("seminas-search", *overrides, cwd=tmp_path)
        assert full.returncode == 2
        assert full.stderr.startswith("error: ") and full.stderr.count("\n") == 1, full.stderr
        assert "(No space left on device)" in full.stderr
    assert call("seminas-search", *overrides, cwd=tmp_path).returncode == 0
    assert RunFolder(tmp_path / "run").state().name == "done"


@pytest.mark.parametrize("has_begun", [True, False])
def test_logging_of_a_full_disk_is_one_line(
    has_begun: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["seminas-search"])
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(logging, "raiseExceptions", True)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)

    def entry() -> None:
        try:
            raise OSError(28, "No space left on device", "run/search.log")
        except OSError as error:
            raise ValueError("Unable to configure handler 'file'") from error

    signals = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    with pytest.raises(SystemExit) as ended:
        start(entry, ["search"] if has_begun else [])
    # A signal after the end prints nothing.
    assert {signal.getsignal(n) for n in signals} == {signal.SIG_DFL}
    for number, handler in signals.items():
        signal.signal(number, handler)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: run/search.log: cannot be made (No space left on device)\n"


def test_what_a_killed_process_left_of_a_file_is_removed_and_nothing_else(tmp_path: Path) -> None:
    ended = 2**22 + 1  # Linux has fewer processes.
    (tmp_path / f".last.ckpt.{ended}-0123abcd").write_bytes(b"half")
    others = [".hidden", ".last.ckpt", f".x.{ended}", f".x.{ended}-0123abcg", "x.1-0123abcd.txt"]
    for name in others:
        (tmp_path / name).touch()
    with atomic_write(tmp_path / "written") as file:
        file.write(b"whole")
        remove_leftovers(tmp_path)  # The file that this process is writing stays.
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "written"])


def test_a_signal_that_comes_in_a_destructor_is_not_lost(tmp_path: Path) -> None:
    """Python ignores exceptions in destructors, also the one that a signal raises."""
    program = """
import os, signal, sys, time
from seminas.commands.job import start

class Closing:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})
        time.sleep(0.1)

def entry():
    closing = Closing()
    del closing
    time.sleep(0.2)
    print("went on")

start(entry, ["search"])
"""
    for name, status in (("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)):
        script = program.replace("{name}", name)
        done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (status, "", ""), name
