"""Reading run folders: what a report is made of."""

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seminas.app import CONFIG_FILE, MAY_CHANGE, flat, is_open, read_result
from seminas.archive import HISTORY, Record, read_history
from seminas.errors import UserError

IGNORED = ("seed", *MAY_CHANGE)
"""Keys that tell no settings apart."""
MIRRORS = ("strategy.pseudo_label_ratio", "strategy.controller.")
"""Keys that repeat others."""
OF_A_STRATEGY = ("strategy.", "space.", "evaluator.")
"""Groups whose keys differ between options as a matter of course."""


@dataclass(frozen=True)
class Run:
    """A finished search.

    Attributes:
        folder: Its run folder.
        result: ``result.json``.
        records: ``history.jsonl``.
    """

    folder: Path
    result: dict[str, Any]
    records: list[Record]

    @property
    def config(self) -> dict[str, Any]:
        """The config, resolved."""
        config: dict[str, Any] = self.result["config"]
        return config

    @property
    def strategy(self) -> str:
        """Name of the strategy."""
        return str(self.result["strategy"])

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self.result["seed"])

    @property
    def problem(self) -> str:
        """What was searched, equal for runs that can be compared."""
        return problem_of(self.result)

    @cached_property
    def best_val(self) -> NDArray[np.float64]:
        """Best validation accuracy after each evaluation, ``[q]``; NaN before the first that succeeded."""
        values = [np.nan if r.val_accuracy is None else r.val_accuracy for r in self.records]
        return np.fmax.accumulate(np.array(values, dtype=np.float64))

    @cached_property
    def best_test(self) -> NDArray[np.float64] | None:
        """Test accuracy of the best by validation after each evaluation, ``[q]``; None where it is not known."""
        incumbents = self.result.get("incumbents") or []
        if not incumbents or incumbents[0]["test_accuracy"] is None:
            return None
        curve = np.full(len(self.records), np.nan)
        for incumbent in incumbents:
            curve[incumbent["index"] :] = incumbent["test_accuracy"]
        return curve

    def first(self, n: int) -> "Run | None":
        """Return the run as it would have ended after ``n`` evaluations; None where it is shorter, or had nothing."""
        records = self.records[:n]
        incumbents = [i for i in self.result.get("incumbents") or [] if i["index"] < n]
        if len(records) < n or not incumbents:
            return None
        best = records[incumbents[-1]["index"]]
        result = self.result | {
            "num_queries": n,
            "best_architecture": best.architecture,
            "best_key": best.key,
            "best_val_accuracy": best.val_accuracy,
            "test_accuracy": incumbents[-1]["test_accuracy"],
            "incumbents": incumbents,
            "cost_s": sum(record.cost_s for record in records),
        }
        return Run(self.folder, result, records)


def problem_of(result: dict[str, Any]) -> str:
    """Return what a result is about: the space, and the table or the data."""
    evaluator = result["config"]["evaluator"]
    parts = [str(result["space"])]
    if "path" in evaluator:
        parts.append(Path(evaluator["path"]).stem)
        parts += [f"{role} {evaluator[role]}" for role in ("val", "test") if evaluator.get(role)]
        if evaluator.get("repeat", "random") != "random":
            parts.append(f"repeat {evaluator['repeat']}")
    else:
        data = evaluator.get("data")
        name = result["config"]["names"]["evaluator"]
        parts.append(str(data["_target_"]).rpartition(".")[2] if isinstance(data, dict) else str(name))
    return ", ".join(parts)


@dataclass
class Found:
    """What a report was pointed at.

    Attributes:
        runs: Finished searches.
        predictors: Results of ``seminas-predictor``.
        running: Folders that a process has open.
        stopped: Folders of runs that ended before their result: killed, or failed.
    """

    runs: list[Run] = field(default_factory=list)
    predictors: list[dict[str, Any]] = field(default_factory=list)
    running: list[Path] = field(default_factory=list)
    stopped: list[Path] = field(default_factory=list)

    def __str__(self) -> str:
        """The counts, in words."""
        counts = [(len(self.runs) + len(self.predictors), "finished"), (len(self.running), "still running")]
        counts.append((len(self.stopped), "stopped before their end"))
        return ", ".join(f"{n} {what}" for n, what in counts if n or what == "finished")


def find_runs(folders: Sequence[Path]) -> Found:
    """Read all run folders at and below some folders; a sweep may still be running.

    Raises:
        UserError: A folder is not there, or nothing in them is a search that has finished.
    """
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: there is no such folder")
    found = Found()
    places = sorted({place for folder in folders for place in _run_folders(folder)})
    with ThreadPoolExecutor(8) as pool:
        for place, result in zip(places, pool.map(_read, places), strict=True):
            if isinstance(result, Run):
                found.runs.append(result)
            elif result is not None:
                if "kind" not in result:  # Trainings are no part of a report.
                    found.predictors.append(result)
            else:
                (found.running if is_open(place) else found.stopped).append(place)
    if not found.runs and not found.predictors:
        raise UserError(f"{', '.join(map(str, folders))}: holds no run that has finished ({found})")
    return found


def _run_folders(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        if CONFIG_FILE in files:
            yield Path(place)
            folders.clear()  # What W&B and others write below is not ours.


def _read(folder: Path) -> Run | dict[str, Any] | None:
    result = read_result(folder)
    is_search = result is None or (folder / HISTORY).exists()
    return Run(folder, result, read_history(folder)) if result is not None and is_search else result


@dataclass(frozen=True)
class Setting:
    """Runs that differ in their seed alone.

    Attributes:
        strategy: Name of the strategy.
        swept: What else tells it from the other settings of its problem, by key.
        runs: By seed.
    """

    strategy: str
    swept: tuple[tuple[str, Any], ...]
    runs: dict[int, Run]

    @property
    def label(self) -> str:
        """The strategy and what was swept."""
        parts = [self.strategy, *(f"{_short(key)} {value}" for key, value in self.swept)]
        return ", ".join(parts)

    @property
    def seeds(self) -> list[int]:
        """In ascending order."""
        return sorted(self.runs)

    def first(self, n: int) -> "Setting | None":
        """Return the setting as if its runs had ended after ``n`` evaluations; None where all are shorter."""
        runs = {seed: run.first(n) for seed, run in self.runs.items()}
        shorter = {seed: run for seed, run in runs.items() if run is not None}
        return Setting(self.strategy, self.swept, shorter) if shorter else None

    def final(self, what: str) -> NDArray[np.float64]:
        """Return a number of each run's result, by seed, ``[seeds]``; NaN where it is not known."""
        values = [self.runs[seed].result.get(what) for seed in self.seeds]
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)


def group(runs: Sequence[Run]) -> dict[str, list[Setting]]:
    """Return the settings of each problem; a seed that was run twice in a setting counts once."""
    problems: dict[str, list[Run]] = {}
    for run in runs:
        problems.setdefault(run.problem, []).append(run)
    return {problem: _settings(of_it) for problem, of_it in sorted(problems.items())}


def _settings(runs: Sequence[Run]) -> list[Setting]:
    configs = [
        {k: v for k, v in flat(r.config).items() if not k.startswith((*IGNORED, *MIRRORS))} for r in runs
    ]
    strategies = sorted({run.strategy for run in runs})
    swept = []
    for key in sorted({key for config in configs for key in config}):
        values = [json.dumps(config.get(key)) for config in configs]
        if key.startswith(OF_A_STRATEGY):
            within = [
                len({v for v, run in zip(values, runs, strict=True) if run.strategy == name}) > 1
                for name in strategies
            ]
            if any(within):
                swept.append(key)
        elif len(set(values)) > 1:
            swept.append(key)
    found: dict[str, Setting] = {}
    for run, config in zip(runs, configs, strict=True):
        values_of_it = tuple((key, config.get(key)) for key in swept)
        name = json.dumps([run.strategy, values_of_it])
        setting = found.setdefault(name, Setting(run.strategy, values_of_it, {}))
        setting.runs.setdefault(run.seed, run)
    return sorted(found.values(), key=lambda s: (s.strategy, [_order(v) for _, v in s.swept]))


def _order(value: Any) -> tuple[int, float, str]:
    is_number = isinstance(value, int | float)
    return (0, float(value), "") if is_number else (1, 0.0, str(value))


def _short(key: str) -> str:
    return {"search.num_labeled": "N", "search.pseudo_label_ratio": "M/N"}.get(key, key.rpartition(".")[2])
