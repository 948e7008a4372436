"""Studies for tests: spaces, made-up accuracies, and a loop with several open trials."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import seminas
from seminas.config.controller import ControllerSettings
from seminas.config.strategies import SemiNASSettings
from seminas.strategies.base import RoundSizes
from seminas.strategies.seminas import SemiNAS
from support import with_sections

KERNELS: dict[str, Any] = {"kernel": [3, 5, 7], "width": [16, 32, 64, 128], "depth": [1, 2, 3, 4]}
POINTS = """
import numpy as np

import seminas


class Points(seminas.EnumerableSpace):
    name, num_tokens, max_length, size = "points", 9, 2, 64

    def at(self, indices):
        return [(i // 8, i % 8) for i in np.asarray(indices).tolist()]

    def encode(self, architectures):
        return np.array(architectures, dtype=np.int64).reshape(-1, 2) + 1


class Height(seminas.Evaluator):
    def evaluate_one(self, architecture):
        x, y = architecture
        return 1 - ((x - 5) ** 2 + (y - 2) ** 2) / 100
"""
SMALL = with_sections(
    ControllerSettings(),
    encoder={"hidden": 16, "layers": 2},
    teachers={"members": 2, "steps": 5},
    student={"steps": 5},
)

SIZES = RoundSizes(first=8, step=3, growth=0.5)
"""Sizes of the rounds of a small SemiNAS."""


@contextmanager
def points_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a module with a user's space and evaluator, in a folder with their YAML files."""
    for group, name in (("space", "Points"), ("evaluator", "Height")):
        (folder / group).mkdir()
        (folder / group / f"{name.lower()}.yaml").write_text(f"_target_: points.{name}\n")
    (folder / "points.py").write_text(POINTS)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "points", raising=False)
    import points  # type: ignore[import-not-found]

    yield points
    sys.modules.pop("points", None)


def accuracy_of(trial: seminas.Trial[Any]) -> float:
    """Return a made-up accuracy, which follows from the key alone."""
    return sum((i + 1) * ord(c) for i, c in enumerate(trial.key)) % 97 / 97


def random_study(folder: Path | None = None, **changes: Any) -> seminas.Study[Any]:
    arguments = {"space": KERNELS, "strategy": "random", "seed": 1, **changes}
    return seminas.Study(**arguments, folder=folder)


def small_seminas(space: Any) -> SemiNAS[Any]:
    """Return a cheap SemiNAS with small rounds, so that a short study has several fits."""
    settings = SemiNASSettings(num_seeds=5, max_steps=2, pool=200)
    strategy = SemiNAS(space, 4, settings, SMALL, 1.0)
    strategy.round_sizes = SIZES
    return strategy


def play(study: seminas.Study[Any], number: int) -> Iterator[seminas.Trial[Any]]:
    """Yield each new trial. At most three trials are open, and the middle one ends first. Every fifth fails."""
    running: list[seminas.Trial[Any]] = []
    for _ in range(number):
        (trial,) = study.ask()
        running.append(trial)
        yield trial
        if len(running) == 3:
            ended = running.pop(1)
            if ended.number % 5 == 4:
                study.tell(ended, error="out of memory")
            else:
                study.tell(ended, accuracy_of(ended))
