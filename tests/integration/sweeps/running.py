"""Shared code of sweep tests: commands inside this process, an evaluator that waits, folders and processes."""

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
    """An exception that simulates the replacement of this process by another command."""

    def __init__(self, arguments: list[str]) -> None:
        self.arguments = arguments


def _execute(program: Path, arguments: list[str]) -> NoReturn:
    raise _ExecutedError(arguments)


def call(name: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of the project inside this process. This is faster than ``support.command``."""
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
    """Restore the state of this process after a command, and run the command's exit handlers."""
    at_end: list[Callable[[], None]] = []
    root, hydra_config = logging.getLogger(), HydraConfig.instance()
    handlers, level, config = [*root.handlers], root.level, hydra_config.cfg
    modules, path = set(sys.modules), set(sys.path)
    signals = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    with (
        contextlib.chdir(cwd),
        mock.patch.dict(os.environ),
        mock.patch.object(sys, "argv", command),
        mock.patch.object(sys, "path", [*sys.path]),
        mock.patch.object(os, "execv", _execute),
        mock.patch.object(sys, "unraisablehook", sys.unraisablehook),
        mock.patch.object(logging, "raiseExceptions", logging.raiseExceptions),
        mock.patch("hydra_plugins.seminas_callbacks.atexit", SimpleNamespace(register=at_end.append)),
    ):
        try:
            yield
        finally:
            for end_of_process in at_end:
                end_of_process()
            for number, handler in signals.items():
                signal.signal(number, handler)
            root.handlers[:], hydra_config.cfg = handlers, config
            root.setLevel(level)
            for name in set(sys.modules) - modules:
                file = getattr(sys.modules[name], "__file__", None)
                if file and str(Path(file).parent) in set(sys.path) - path:  # The module is the user's.
                    del sys.modules[name]


# ------------------------------------------------------------------------------------------ an evaluator that waits

GATED = '''
import os
from seminas.config.evaluators import TableSettings
from seminas.evaluators.table import TableEvaluator

class Gated(TableEvaluator):
    """A table that logs its evaluations. If $GATE is set, each evaluation first reads a byte from this pipe."""

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
"""Source of a module with the user's evaluator."""


class Gate:
    """A gate for the evaluations of commands that start during the block.

    A pipe holds one byte for each evaluation that may run, in any process. An evaluation waits for a byte.
    """

    def __init__(self, folder: Path) -> None:
        """Write ``gated.py`` into a folder. The commands must use this folder as their working directory."""
        (folder / "gated.py").write_text(GATED)
        self._path = folder / "gate"
        os.mkfifo(self._path)

    def __enter__(self) -> "Gate":
        self._pipe = os.open(self._path, os.O_RDWR)  # With O_RDWR, the pipe always has a writer.
        self._environment = mock.patch.dict(os.environ, GATE=str(self._path))
        self._environment.start()
        return self

    def allow(self, evaluations: int) -> None:
        """Let a number of evaluations run."""
        os.write(self._pipe, b"." * evaluations)

    def open(self) -> None:
        """Let all evaluations run."""
        self.allow(30_000)

    def __exit__(self, *error: object) -> None:
        self._environment.stop()
        os.close(self._pipe)


def gated(table: Path) -> list[str]:
    """Return overrides that make the evaluations of a search wait for a ``Gate``."""
    return ["evaluator=table", "evaluator._target_=gated.Gated", f"evaluator.path={table}"]


# ------------------------------------------------------------------------------------------ folders


def result(folder: Path) -> dict[str, Any]:
    """Return the values in a run's ``result.json``."""
    values: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return values


def results(sweep: Path) -> dict[str, int]:
    """Return the end time of each finished job, by the job's name."""
    return {path.parent.name: path.stat().st_mtime_ns for path in sweep.glob("*/result.json")}


def folders(sweep: Path) -> list[Path]:
    """Return the folders of the jobs that have begun."""
    return sorted(path for path in sweep.iterdir() if path.is_dir() and not path.name.startswith("."))


def histories(sweep: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the evaluations of each job so far, by the job's name."""
    return {
        file.parent.name: [json.loads(line) for line in file.read_text().split("\n")[:-1]]
        for file in sweep.glob("*/history.jsonl")
    }


def num_evaluations(sweep: Path) -> int:
    """Return the number of evaluations of all jobs so far."""
    return sum(map(len, histories(sweep).values()))


def paid(job: Path) -> list[str]:
    """Return the keys of all architectures that a job has evaluated, including repeated evaluations."""
    ledger = job / "paid.txt"
    return ledger.read_text().splitlines() if ledger.exists() else []


# ------------------------------------------------------------------------------------------ processes


def until(condition: Callable[[], Any], seconds: float = 100) -> Any:
    """Wait until a condition returns a true value, and return this value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return value


def processes_of(pid: int) -> list[int]:
    """Return the id of a process and the ids of all its descendants."""
    pids = [pid]
    for parent in pids:
        for tasks in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                pids += [int(child) for child in tasks.read_text().split()]
    return pids


def cmdline(pid: int) -> bytes:
    """Return a process's command line."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    return b""


def gone(victims: list[int]) -> None:
    """Wait until processes no longer exist."""
    until(lambda: not any(Path(f"/proc/{victim}").exists() for victim in victims), 30)


@contextlib.contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a running command. At the end of the block, kill it and its descendants."""
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
"""Overrides that train a small network with two processes."""


def outcome(folder: Path) -> dict[str, Any]:
    """Return the fields of a training's result that do not depend on the launcher."""
    names = ("key", "steps", "val_accuracy", "test_accuracy", "parameters")
    values = result(folder)
    return {name: values[name] for name in names}


def digests(log: Path) -> list[str]:
    """Return the digests of the parameters in a rank's log."""
    return re.findall(r"SHA-256 (\w+)", log.read_text())
