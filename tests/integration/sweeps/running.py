"""What tests of sweeps use: commands inside this process, an evaluator that waits, folders and processes."""

import contextlib
import importlib
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn
from unittest import mock

from hydra.core.hydra_config import HydraConfig

from support import BIN

# ------------------------------------------------------------------------------------------ commands in this process


class _ExecutedError(BaseException):
    """A command has become another one."""

    def __init__(self, arguments: list[str]) -> None:
        self.arguments = arguments


def _execute(program: Path, arguments: list[str]) -> NoReturn:
    raise _ExecutedError(arguments)


def call(name: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run one of the project's commands as ``support.command`` does, inside this process: that saves its imports."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = _call([str(BIN / name), *arguments], cwd)
    return subprocess.CompletedProcess([name, *arguments], code, out.getvalue(), err.getvalue())


def _call(command: list[str], cwd: Path) -> int:
    module = Path(command[0]).name.removeprefix("seminas-").replace("seminas", "main")
    main = importlib.import_module(f"seminas.commands.{module}").main
    with _like_a_process(command, cwd):
        try:
            main()
        except SystemExit as error:
            return error.code if isinstance(error.code, int) else int(error.code is not None)
        except _ExecutedError as executed:
            command, cwd = executed.arguments, Path.cwd()
        except Exception:
            traceback.print_exc()
            return 1
        else:
            return 0
    return _call(command, cwd)


@contextlib.contextmanager
def _like_a_process(command: list[str], cwd: Path) -> Iterator[None]:
    """Put back what a command changes in its process, and do what it has left for the process's end."""
    at_end: list[Callable[[], None]] = []
    root, hydra_config = logging.getLogger(), HydraConfig.instance()
    handlers, level, config = [*root.handlers], root.level, hydra_config.cfg
    modules, path = set(sys.modules), set(sys.path)
    with (
        contextlib.chdir(cwd),
        mock.patch.dict(os.environ),
        mock.patch.object(sys, "argv", command),
        mock.patch.object(sys, "path", [*sys.path]),
        mock.patch.object(os, "execv", _execute),
        mock.patch("hydra_plugins.seminas_callbacks.atexit", SimpleNamespace(register=at_end.append)),
    ):
        try:
            yield
        finally:
            for end_of_process in at_end:
                end_of_process()
            root.handlers[:], hydra_config.cfg = handlers, config
            root.setLevel(level)
            for name in set(sys.modules) - modules:
                file = getattr(sys.modules[name], "__file__", None)
                if file and str(Path(file).parent) in set(sys.path) - path:  # A user's module.
                    del sys.modules[name]


# ------------------------------------------------------------------------------------------ an evaluator that waits

GATED = '''
import os
from seminas.config.evaluators import TableSettings
from seminas.evaluators.table import TableEvaluator

class Gated(TableEvaluator):
    """A table whose evaluations are counted. Each takes a byte from the pipe $GATE, where that is set."""

    def __init__(self, space, seed, folder, **settings):
        super().__init__(space, seed, TableSettings(**settings))
        self.space, self.ledger = space, folder / "paid.txt"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "gpu.txt").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", ""))
        if os.environ.get("DIES_BEFORE_IT_BEGINS") == str(seed) and not os.path.exists("died"):
            open("died", "x").close()
            os.kill(os.getpid(), 9)

    def evaluate(self, architectures):
        for place, architecture in enumerate(architectures):
            if "GATE" in os.environ:
                with open(os.environ["GATE"], "rb", buffering=0) as gate:
                    gate.read(1)
            ((_, evaluation),) = super().evaluate([architecture])
            with self.ledger.open("a") as file:
                file.write(self.space.key(architecture) + "\\n")
            yield place, evaluation
'''
"""Module of an evaluator of the user's."""


class Gate:
    """What the evaluations of commands wait for that begin in the block; an open gate stops none.

    A pipe holds one byte for each evaluation that may go on, whatever process it is in.
    """

    def __init__(self, folder: Path) -> None:
        """Write ``gated.py`` into a folder, the working directory of commands."""
        (folder / "gated.py").write_text(GATED)
        self._path = folder / "gate"
        os.mkfifo(self._path)

    def __enter__(self) -> "Gate":
        self._pipe = os.open(self._path, os.O_RDWR)  # So that a reader never finds it without a writer.
        self._environment = mock.patch.dict(os.environ, GATE=str(self._path))
        self._environment.start()
        return self

    def allow(self, evaluations: int) -> None:
        """Let so many evaluations go on."""
        os.write(self._pipe, b"." * evaluations)

    def open(self) -> None:
        """Let all evaluations go on."""
        self.allow(30_000)

    def __exit__(self, *error: object) -> None:
        self._environment.stop()
        os.close(self._pipe)


def gated(table: Path) -> list[str]:
    """Return the overrides of searches whose evaluations wait for a ``Gate``."""
    return ["evaluator=table", "evaluator._target_=gated.Gated", f"evaluator.path={table}"]


# ------------------------------------------------------------------------------------------ folders


def result(folder: Path) -> dict[str, Any]:
    """Return what is in a run's result."""
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found


def results(sweep: Path) -> dict[str, int]:
    """Return the names of the finished jobs, and when they were finished."""
    return {path.parent.name: path.stat().st_mtime_ns for path in sweep.glob("*/result.json")}


def folders(sweep: Path) -> list[Path]:
    """Return the folders of the jobs that have begun."""
    return sorted(path for path in sweep.iterdir() if path.is_dir() and not path.name.startswith("."))


def histories(sweep: Path) -> dict[str, list[dict[str, Any]]]:
    """Return each job's evaluations so far."""
    return {
        file.parent.name: [json.loads(line) for line in file.read_text().split("\n")[:-1]]
        for file in sweep.glob("*/history.jsonl")
    }


def num_evaluations(sweep: Path) -> int:
    """Return the number of all jobs' evaluations so far."""
    return sum(map(len, histories(sweep).values()))


def paid(job: Path) -> list[str]:
    """Return the keys that a job's evaluator has evaluated, in all its processes."""
    ledger = job / "paid.txt"
    return ledger.read_text().splitlines() if ledger.exists() else []


# ------------------------------------------------------------------------------------------ processes


def until(condition: Callable[[], Any], seconds: float = 100) -> Any:
    """Wait for what a condition returns to be true, and return it."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def processes_of(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    found = [pid]
    for one in found:
        for tasks in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(child) for child in tasks.read_text().split()]
    return found


def cmdline(pid: int) -> bytes:
    """Return a process's command line."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    return b""


def gone(victims: list[int]) -> None:
    """Wait until processes are no more."""
    until(lambda: not any(Path(f"/proc/{victim}").exists() for victim in victims), 30)


@contextlib.contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a command that was started; at the block's end kill it, and all that it started."""
    try:
        yield process
    finally:
        for pid in processes_of(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


# ------------------------------------------------------------------------------------------ jobs of two ranks

RANKS = [
    "space=nasbench101",
    "data=digits",
    "trainer=ddp",
    "trainer.accelerator=cpu",
    "trainer.devices=2",
    "trainer.max_epochs=1",
    "data.recipe.networks.nasbench101.stem_channels=8",
    "data.recipe.networks.nasbench101.num_stacks=1",
]
"""A small network, trained by two processes."""


def outcome(folder: Path) -> dict[str, Any]:
    """Return of a training's result what does not depend on where it was computed."""
    names = ("key", "steps", "val_accuracy", "test_accuracy", "parameters")
    found = result(folder)
    return {name: found[name] for name in names}


def digests(log: Path) -> list[str]:
    """Return the digests of the parameters that a rank's log states."""
    return re.findall(r"SHA-256 (\w+)", log.read_text())
