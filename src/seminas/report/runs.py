"""Read the runs of a report from their folders, and group them into settings."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seminas.config.build import TARGET
from seminas.config.evaluators import SimulatedSettings
from seminas.config.schema import BY_TARGET
from seminas.errors import UserError
from seminas.loop.scales import best_so_far
from seminas.report.objectives import Member, first_front, front_of_result
from seminas.report.problems import keys_that_tell, problem_of, telling, with_one_key
from seminas.runs.folder import RunFolder, run_folders
from seminas.runs.metric import Metric
from seminas.runs.records import Record
from seminas.runs.results import PredictorResult, Result, SearchResult
from seminas.runs.speech_results import SpeechResult


@dataclass(frozen=True)
class Run:
    """A finished search.

    Attributes:
        folder: Run folder.
        result: Content of ``result.json``.
        records: Content of ``history.jsonl``.
    """

    folder: RunFolder
    result: SearchResult
    records: list[Record]

    @property
    def strategy(self) -> str:
        """Name of the strategy."""
        return self.result.strategy

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return self.result.seed

    @property
    def problem(self) -> str:
        """Name of the problem. It is equal for runs that can be compared."""
        return problem_of(self.result)

    @property
    def metric(self) -> Metric:
        """Metric that the search optimized."""
        return self.result.metric

    @property
    def best(self) -> tuple[str, float]:
        """Key and value of the best architecture. Runs without a feasible evaluation are not compared."""
        assert self.result.best_key is not None and self.result.best_value is not None
        return self.result.best_key, self.result.best_value

    @cached_property
    def front(self) -> list[Member]:
        """Pareto front of a search with several objectives, in the order of the history."""
        return front_of_result(self.result)

    @cached_property
    def best_val(self) -> NDArray[np.float64]:
        """Best value so far after each evaluation, ``[q]``. NaN before the first success."""
        values = [np.nan if r.final is None else r.final for r in self.records]
        return best_so_far(self.metric, np.array(values, dtype=np.float64))

    @cached_property
    def times_s(self) -> NDArray[np.float64]:
        """Time of the end of each evaluation since the start of the search, in seconds, ``[q]``.

        If the run states no times, they are the sums of the costs, as with one worker. A simulated clock does not count
        the seconds of proxies, so they come before the first evaluation.
        """
        ends = [record.ended_s for record in self.records]
        config: Any = self.result.config
        kind = BY_TARGET.get(str(config["evaluator"].get(TARGET)))
        before_s = self.result.proxies_s if kind is not None and issubclass(kind, SimulatedSettings) else 0.0
        if any(end is None for end in ends):
            return before_s + np.cumsum([record.cost_s for record in self.records], dtype=np.float64)
        return before_s + np.array(ends, dtype=np.float64)

    @cached_property
    def best_test(self) -> NDArray[np.float64] | None:
        """Test value of the best architecture so far after each evaluation, ``[q]``. None if it is not known.

        The best architecture is the one with the best value.
        """
        incumbents = self.result.incumbents
        if not incumbents or incumbents[0]["test_value"] is None:
            return None
        curve = np.full(len(self.records), np.nan)
        for incumbent in incumbents:
            curve[incumbent["index"] :] = incumbent["test_value"]
        return curve

    def first(self, n: int) -> "Run | None":
        """Return the run as if it had ended after ``n`` evaluations.

        Return None if the run is shorter, or if none of its first ``n`` evaluations succeeded.
        """
        records = self.records[:n]
        incumbents = [i for i in self.result.incumbents if i["index"] < n]
        if len(records) < n or not incumbents:
            return None
        best = records[incumbents[-1]["index"]]
        assert best.value is not None
        result = replace(
            first_front(self.result, records),
            num_queries=n,
            num_repeats=0,
            num_trainings=1,
            best_architecture=best.architecture,
            best_key=best.key,
            best_value=best.value,
            test_value=incumbents[-1]["test_value"],
            incumbents=incumbents,
            cost_s=sum(record.cost_s for record in records) + self.result.proxies_s,
        )
        return Run(self.folder, result, records)


@dataclass
class Runs:
    """The runs in the folders of a report.

    Attributes:
        searches: Finished searches.
        infeasible: Finished searches without an evaluation within the limits of measured metrics.
        predictors: Results of ``seminas-predictor``.
        trainings: Results of ``seminas-train`` on speech. The report leaves out trainings on images.
        running: Folders of runs that a process is working on.
        stopped: Folders of runs that were killed or failed before they had a result.
    """

    searches: list[Run] = field(default_factory=list)
    infeasible: list[Run] = field(default_factory=list)
    predictors: list[PredictorResult] = field(default_factory=list)
    trainings: list[SpeechResult] = field(default_factory=list)
    running: list[RunFolder] = field(default_factory=list)
    stopped: list[RunFolder] = field(default_factory=list)

    def __str__(self) -> str:
        """Return the numbers of finished, running and stopped runs as text."""
        counts = [
            (len(self.searches) + len(self.predictors) + len(self.trainings), "finished"),
            (len(self.infeasible), "without a feasible evaluation"),
            (len(self.running), "still running"),
            (len(self.stopped), "stopped before their end"),
        ]
        return ", ".join(f"{n} {words}" for n, words in counts if n or words == "finished")


def read_runs(
    folders: Sequence[Path], progress: Callable[[int, int], None] = lambda done, total: None
) -> Runs:
    """Read all run folders at and below some folders. Their runs may still be running.

    Args:
        folders: Folders that hold the run folders.
        progress: Function that takes the number of run folders that have been read, and the number of all.

    Raises:
        UserError: A folder does not exist, a file in it cannot be read, or the folders hold no finished search,
            predictor study or training on speech.
    """
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: there is no such folder")
    runs = Runs()
    paths = sorted({run.path for folder in folders for run in run_folders(folder)})
    found_folders = [RunFolder(path) for path in paths]
    with ThreadPoolExecutor(8) as pool:
        for number, (run_folder, content) in enumerate(
            zip(found_folders, pool.map(_read, found_folders), strict=True), start=1
        ):
            progress(number, len(found_folders))
            if isinstance(content, Run):
                (runs.infeasible if content.result.best_key is None else runs.searches).append(content)
            elif isinstance(content, PredictorResult):
                runs.predictors.append(content)
            elif isinstance(content, SpeechResult):
                runs.trainings.append(content)
            elif content is None:  # The report leaves out other trainings.
                running = run_folder.state().name == "running"
                (runs.running if running else runs.stopped).append(run_folder)
    if not (runs.searches or runs.predictors or runs.trainings):
        raise UserError(
            f"{', '.join(map(str, folders))}: holds no run that has finished ({runs}); "
            "seminas status FOLDER shows what a run does"
        )
    return runs


def _read(folder: RunFolder) -> Run | Result | None:
    result = folder.result()
    return Run(folder, result, folder.history()) if isinstance(result, SearchResult) else result


@dataclass(frozen=True)
class Setting:
    """Runs that differ only in their seed.

    Attributes:
        strategy: Name of the strategy.
        swept: Keys and values that differ between the settings of the problem.
        runs: Runs by their seed.
    """

    strategy: str
    swept: tuple[tuple[str, Any], ...]
    runs: dict[int, Run]

    @property
    def label(self) -> str:
        """Name of the setting: the strategy, and the swept keys with their values."""
        parts = [self.strategy, *(f"{_short(key)} {value}" for key, value in self.swept)]
        return ", ".join(parts)

    @property
    def metric(self) -> Metric:
        """Metric that the runs optimized. It is the same for all settings of a problem."""
        return next(iter(self.runs.values())).metric

    @property
    def seeds(self) -> list[int]:
        """Seeds of the runs, in ascending order."""
        return sorted(self.runs)

    def first(self, n: int) -> "Setting | None":
        """Return the setting as if its runs had ended after ``n`` evaluations.

        Leave out the runs for which ``Run.first`` returns None. Return None if no run is left.
        """
        runs = {seed: run.first(n) for seed, run in self.runs.items()}
        shorter = {seed: run for seed, run in runs.items() if run is not None}
        return Setting(self.strategy, self.swept, shorter) if shorter else None

    def final(self, name: str) -> NDArray[np.float64]:
        """Return a numeric field of each run's result, ``[seeds]``, in the order of ``seeds``. NaN if it is not known.

        Args:
            name: Name of the field, such as ``test_value``.
        """
        values = [getattr(self.runs[seed].result, name) for seed in self.seeds]
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)


def group(runs: Sequence[Run]) -> dict[str, list[Setting]]:
    """Return the settings of each problem. If a setting has two runs of the same seed, use only the first."""
    problems: dict[str, list[Run]] = {}
    for run in runs:
        problems.setdefault(run.problem, []).append(run)
    return {problem: _settings(runs_of_it) for problem, runs_of_it in sorted(problems.items())}


def _settings(runs: Sequence[Run]) -> list[Setting]:
    configs = [telling(run.result.config) for run in runs]
    for section in ("proxies", "fidelity"):
        configs = with_one_key(section, configs)
    swept = keys_that_tell(configs, [run.strategy for run in runs])
    settings: dict[str, Setting] = {}
    for run, config in zip(runs, configs, strict=True):
        setting_values = tuple((key, config.get(key)) for key in swept)
        name = json.dumps([run.strategy, setting_values])
        setting = settings.setdefault(name, Setting(run.strategy, setting_values, {}))
        setting.runs.setdefault(run.seed, run)
    return sorted(settings.values(), key=lambda s: (s.strategy, [_order(v) for _, v in s.swept]))


def _order(value: Any) -> tuple[int, float, str]:
    is_number = isinstance(value, int | float)
    return (0, float(value), "") if is_number else (1, 0.0, str(value))


def _short(key: str) -> str:
    return {"search.num_labeled": "N", "search.pseudo_label_ratio": "M/N"}.get(key, key.rpartition(".")[2])
