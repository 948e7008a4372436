"""Shared code of tests: artificial tables, small searches, and calls of the project's commands."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seminas.config.controller import ControllerSettings
from seminas.runs.results import TrainingResult
from seminas.spaces.nasbench101 import NASBench101
from seminas.tables.table import Table, accuracy_column, seconds_column

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
BIN = Path(sys.executable).parent
SMALL_CONTROLLER = [
    "controller.encoder.hidden=16",
    "controller.encoder.layers=2",
    "controller.teachers.steps=20",
    "controller.student.steps=20",
]
SMALL_STRATEGY = [*SMALL_CONTROLLER, "strategy.pool=200", "strategy.num_seeds=10", "strategy.max_steps=5"]


def made_up_table(space: NASBench101, n: int) -> Table:
    """Return a table of ``n`` cells. A cell's accuracy grows with its 3x3 convolutions and its edges."""
    index = np.sort(np.random.default_rng(0).choice(len(space), n, replace=False))
    adjacency, labels = space.graphs(space.at(index))
    noise = np.random.default_rng(1).normal(0, 0.003, (n, 2))
    val = 0.85 + 0.02 * (labels == 3).sum(axis=1) + 0.005 * adjacency.sum(axis=(1, 2))
    val = np.clip(val[:, None] + noise, 0, 1)
    cost = 100.0 * (1 + adjacency.sum(axis=(1, 2)))
    columns = {
        "val": accuracy_column(np.round(val, 4)),
        "test": accuracy_column(np.round(val[:, :1] - 0.01, 4)),
        "cost": seconds_column(cost[:, None]),
    }
    origin = {"file": "made up", "licence": "none"}
    return Table(space.name, space.fingerprint(), index, columns, {role: role for role in columns}, origin)


def with_sections(settings: ControllerSettings, **sections: dict[str, Any]) -> ControllerSettings:
    """Return the settings with changed values, as in ``with_sections(settings, student={"steps": 20})``."""
    return replace(
        settings, **{name: replace(getattr(settings, name), **values) for name, values in sections.items()}
    )


def command(name: str, *arguments: str, cwd: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a command of the project, and return its exit status and output."""
    return subprocess.run(
        [str(BIN / name), *arguments], cwd=cwd, capture_output=True, text=True, timeout=timeout
    )


def background(name: str, *arguments: str, cwd: Path) -> subprocess.Popen[bytes]:
    """Start a command of the project in a new process group."""
    return subprocess.Popen(
        [str(BIN / name), *arguments],
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def strategy_overrides(table: Path, extra: Sequence[str] = ()) -> list[str]:
    """Return the overrides of a small search on a table."""
    sizes = ["search.num_labeled=8", "search.num_new=6", "search.num_rounds=2"]
    return ["evaluator=table", f"evaluator.path={table}", *sizes, *SMALL_STRATEGY, *extra]


def started_ranks(name: str, *arguments: str, cwd: Path, number: int = 2) -> list[str]:
    """Run a command once for each rank, as torchrun and Slurm do, and return the output of each rank."""
    with socket.socket() as free_socket:
        free_socket.bind(("127.0.0.1", 0))
        port = free_socket.getsockname()[1]
    rank_variables = {
        "NODE_RANK": "0",
        "WORLD_SIZE": str(number),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    ranks = [
        subprocess.Popen(
            [str(BIN / name), *arguments],
            cwd=cwd,
            env=os.environ | rank_variables | {"LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(number)
    ]
    said = [rank.communicate(timeout=300)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0] * number, said
    return said


def wait_for(
    condition: Callable[[], object], process: subprocess.Popen[bytes] | None = None, seconds: float = 120
) -> None:
    """Wait until a condition is true. Fail if the process ends first, or after a number of seconds."""
    until = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, "the process has ended"
        assert time.monotonic() < until, "the condition does not come about"
        time.sleep(0.02)


def training_result(space: str, seed: int, wall_s: float, config: dict[str, Any]) -> TrainingResult:
    """Return an artificial result of a training of two epochs."""
    accuracies = {"val_accuracy": 0.5, "val_top5": None, "test_accuracy": 0.4, "test_top5": None}
    sizes = {"epochs": 2, "steps": 8, "skipped_images": 0, "parameters": 10, "macs": 20}
    about = {"space": space, "seed": seed, "wall_s": wall_s, "config": config}
    return TrainingResult(architecture=[1, 2], key="1 2", **about, **accuracies, **sizes)  # type: ignore[arg-type]
