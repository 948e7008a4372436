"""A table with accuracies after fewer epochs, and searches on it."""

import csv
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import seminas
from seminas.config.evaluators import TableSettings
from seminas.evaluators.table import TableEvaluator
from seminas.spaces.nasbench201 import NASBench201
from seminas.spaces.rungs import plain
from seminas.tables.csv_import import import_csv
from seminas.tables.table import save_table

LEVELS = (1, 3, 9)
RISE = 0.01
"""Rise of the values of ``Drifting`` when it measures again."""
DRIFTING = {"_target_": "fidelity_table.Drifting", "path": "???", "killed_at": 0}
"""Section of an evaluator that works in rounds."""
ENERGY = {"_target_": "fidelity_table.WithEnergy", "path": "???", "num_workers": 1}
"""Section of an evaluator with an energy beside the accuracies. ``path`` is the table."""


def write_table(folder: Path) -> Path:
    """Write a packed table of 300 cells, whose values after few epochs are noisy and higher than those after all.

    ``cells.csv`` beside it has the same values. The folder also has the configs of ``WithEnergy`` and ``Drifting``.
    """
    space, rng = NASBench201(), np.random.default_rng(0)
    index = rng.choice(len(space), 300, replace=False)
    with (folder / "cells.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["arch", "e1", "e3", "e9", "s"])
        for architecture in space.at(index):
            good = rng.uniform(0.3, 0.6)
            noise = rng.normal(0, [0.04, 0.02])
            writer.writerow(
                [
                    space.to_json(architecture),
                    *(round(float(v), 4) for v in (good + 0.2 + noise[0], good + 0.1 + noise[1], good)),
                    90,
                ]
            )
    columns = {1: ["e1"], 3: ["e3"], 9: ["e9"]}
    packed = import_csv(folder / "cells.csv", space, ["e9"], cost=["s"], fidelities=columns)
    save_table(packed, folder / "cells.npz")
    (folder / "evaluator").mkdir()
    for name, section in (("energy", ENERGY), ("drifting", DRIFTING)):
        (folder / "evaluator" / f"{name}.yaml").write_text(json.dumps(section))
    return folder / "cells.npz"


class WithEnergy(seminas.Evaluator[Any]):
    """The accuracies of a table, and an energy. It opposes the accuracy, and grows a little with the epochs."""

    metrics = (seminas.Metric("energy", "minimize", "J"),)
    simulates_time = True

    def __init__(self, space: seminas.EnumerableSpace[Any], path: str, num_workers: int = 1) -> None:
        self._table = TableEvaluator(space, 0, TableSettings(path=path))
        self.fidelities, self.num_simulated = self._table.fidelities, num_workers

    def members(self) -> Any:
        return self._table.members()

    def evaluate(self, architectures: Sequence[Any]) -> Iterator[tuple[int, seminas.Evaluation]]:
        for i, evaluation in self._table.evaluate(architectures):
            rung = architectures[i]
            (accuracy,) = self._table.val_accuracies([plain(rung)])
            epochs = getattr(rung, "epochs", 9)
            yield i, replace(evaluation, metrics={"energy": energy_of(float(accuracy), epochs)})


class Drifting(WithEnergy):
    """An evaluator that works in rounds, and whose values rise after the round of an evaluation, as a supernet's do."""

    metrics = ()
    simulates_time = False
    revises = True

    def __init__(self, space: seminas.EnumerableSpace[Any], path: str, killed_at: int = 0) -> None:
        super().__init__(space, path)
        self._killed_at, self.num_calls = killed_at, 0

    def evaluate(self, architectures: Sequence[Any]) -> Iterator[tuple[int, seminas.Evaluation]]:
        for i, evaluation in self._table.evaluate(architectures):
            self.num_calls += 1
            if self.num_calls == self._killed_at:
                raise KeyboardInterrupt  # Stands in for a kill.
            yield i, evaluation

    def revised(self, architectures: Sequence[Any]) -> list[float]:
        return [(e.value or 0.0) + RISE for _, e in self._table.evaluate(architectures)]


def energy_of(accuracy: float, epochs: int) -> float:
    """Return the energy of a cell by its accuracy after 9 epochs."""
    return 20 * accuracy + math.sin(1000 * accuracy) + epochs / 10


def search(table: Path, folder: Path, *more: str, **sections: Any) -> Any:
    """Search the table. ``evaluator=energy`` among the overrides adds an energy to the accuracies."""
    arguments = ["space=nasbench201", "evaluator=table", f"evaluator.path={table}", *more]
    return seminas.search(arguments, table.parent, folder=folder, quiet=True, **sections)


def cut(folder: Path, number: int) -> None:
    """Leave the files of a finished search as a kill after ``number`` evaluations leaves them."""
    (folder / "result.json").unlink()
    history = (folder / "history.jsonl").read_bytes().splitlines(keepends=True)
    imported = sum(json.loads(line)["index"] < 0 for line in history)
    (folder / "history.jsonl").write_bytes(b"".join(history[: imported + number]))
    asked = (folder / "asked.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "asked.jsonl").write_bytes(b"".join(q for q in asked if json.loads(q)["known"] < number))
