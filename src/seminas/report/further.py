"""Make the table of further metrics: their values for the best architecture of each run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seminas.errors import UserError
from seminas.report.runs import Run, Setting
from seminas.report.section import Table, with_unit, written
from seminas.report.statistics import mean_sd
from seminas.runs.metric import Metric


@dataclass(frozen=True)
class Further:
    """Further metrics of the settings of a problem.

    Attributes:
        metrics: Metrics that all runs recorded for their best architectures.
        pairs: Mean and standard deviation over seeds of each metric, for each setting.
    """

    metrics: Sequence[Metric]
    pairs: Sequence[Sequence[tuple[float, float]]]

    @classmethod
    def of(cls, settings: Sequence[Setting]) -> "Further":
        """Return the further metrics of settings."""
        runs = [run for setting in settings for run in setting.runs.values()]
        best = [_best_metrics(run) for run in runs]
        names = [name for name in best[0] if all(name in metrics for metrics in best)]
        declared = _declared(runs[0].result.config.get("metrics"))
        # Exact costs are not declared. The table uses no direction.
        metrics = [declared.get(name) or Metric(name, "minimize") for name in names]
        pairs = [[mean_sd(_values(setting, name)) for name in names] for setting in settings]
        return cls(metrics, pairs)

    @property
    def header(self) -> list[str]:
        """Columns for programs."""
        return [f"{metric.name}_{part}" for metric in self.metrics for part in ("mean", "sd")]

    def plain(self, i: int) -> list[float]:
        """Return the numbers of the setting with number ``i`` for programs."""
        return [number for pair in self.pairs[i] for number in pair]

    def table(self, settings: Sequence[Setting]) -> Table:
        """Return the table for people."""
        header = ["setting", *(with_unit(metric, metric.title) for metric in self.metrics)]
        rows = [
            [setting.label, *(written(m, pair) for m, pair in zip(self.metrics, pairs, strict=True))]
            for setting, pairs in zip(settings, self.pairs, strict=True)
        ]
        return Table("Further metrics of the best architecture", header, rows)


def _best_metrics(run: Run) -> dict[str, float]:
    """Return the further metrics of the best architecture of a run. Empty if it was imported."""
    incumbents = run.result.incumbents
    last = incumbents[-1]["index"] if incumbents else -1
    if not 0 <= last < len(run.records) or run.records[last].key != run.result.best_key:
        return {}
    return run.records[last].metrics


def _values(setting: Setting, name: str) -> NDArray[np.float64]:
    return np.array([_best_metrics(setting.runs[seed])[name] for seed in setting.seeds])


def _declared(section: Any) -> dict[str, Metric]:
    """Return the metrics that a recorded config declares, without invalid ones."""
    metrics = {}
    for values in section if isinstance(section, list) else ():
        try:
            metric = Metric(**values)
        except (TypeError, UserError):
            continue
        metrics[metric.name] = metric
    return metrics
