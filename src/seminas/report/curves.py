"""Compute the curves of a study: means over seeds with standard errors, over evaluations, costs or a swept key."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seminas.loop.scales import widened
from seminas.report.runs import Run, Setting
from seminas.report.statistics import final_value, stacked, standard_error
from seminas.runs.metric import Metric

MOST_LINES, MOST_TIMES = 16, 200
"""Maximum number of curves in a figure, and number of points of a curve over costs."""


@dataclass(frozen=True)
class Curve:
    """The mean over the seeds of a setting.

    Attributes:
        label: Name of the setting.
        x: Positions, ``[n]``, in ascending order.
        mean: Means over seeds, ``[n]``.
        error: Standard errors of the means, ``[n]``.
    """

    label: str
    x: NDArray[np.float64]
    mean: NDArray[np.float64]
    error: NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """Curves with common axes.

    Attributes:
        x_title: Label of the horizontal axis.
        y_title: Label of the vertical axis.
        metric: Metric of the values.
        curves: Curves, at most ``MOST_LINES``.
        positions: Function that returns the horizontal positions of the evaluations of a run, ``[q]``. None if single
            evaluations have no place in the panel.
        is_test: Whether the values are values on the test data.
        limits: Lower and upper end of the vertical axis. None means the ends that follow from the curves.
    """

    x_title: str
    y_title: str
    metric: Metric
    curves: Sequence[Curve]
    positions: Callable[[Run], NDArray[np.float64]] | None = None
    is_test: bool = False
    limits: tuple[float, float] | None = None

    @property
    def ends(self) -> tuple[float, float]:
        """Lower and upper end of the vertical axis. The bad values of the first evaluations are outside.

        Before its first full training, a search with fidelities has no value.
        """
        if self.limits is not None:
            return self.limits
        known = [(c.mean[k], c.error[k]) for c in self.curves if (k := np.isfinite(c.mean)).any()]
        if not known:
            return widened(self.metric, 0.0, 1.0, 0.05, 1e-4)
        firsts = [mean[len(mean) // 5] for mean, _ in known]
        lasts = [(mean + self.metric.sign * error)[-1] for mean, error in known]
        low, high = (min(firsts), max(lasts)) if self.metric.sign > 0 else (min(lasts), max(firsts))
        return widened(self.metric, low, high, 0.05, 1e-4)


def over_evaluations(settings: Sequence[Setting]) -> list[Panel]:
    """Return a panel of the best value so far against the number of evaluations.

    A second panel has the test values if they are known for all runs.
    """
    metric = settings[0].metric
    panels = []
    for is_test, title in ((False, metric.title), (True, metric.test_title)):
        lines = [[r.best_test if is_test else r.best_val for r in s.runs.values()] for s in settings]
        if any(line is None for of_setting in lines for line in of_setting):
            break
        curves = [
            mean_curve(setting.label, [line for line in of_setting if line is not None])
            for setting, of_setting in zip(settings[:MOST_LINES], lines, strict=False)
        ]
        y_title = metric.labeled(f"{title} of the best so far")
        panels.append(Panel("evaluations", y_title, metric, curves, _evaluations, is_test))
    return panels


def _evaluations(run: Run) -> NDArray[np.float64]:
    return np.arange(1.0, len(run.records) + 1)


def mean_curve(label: str, lines: Sequence[NDArray[np.float64]]) -> Curve:
    """Return the mean of lines over evaluations, up to the end of the shortest line."""
    values = stacked(lines)
    x = np.arange(1.0, values.shape[1] + 1)
    return Curve(label, x, values.mean(axis=0), standard_error(values))


def over_time(settings: Sequence[Setting]) -> Panel | None:
    """Return a panel of the best value so far against the time since the start of the search.

    Return None if all searches had one worker, or if the times are not known.
    """
    if all(run.result.num_workers == 1 for setting in settings for run in setting.runs.values()):
        return None
    return _over_positions(settings, "hours since the start of the search", _hours_of_time)


def over_cost(settings: Sequence[Setting]) -> Panel | None:
    """Return a panel of the best value so far against the cost of the evaluations, in hours of training.

    Return None if the costs are not known.
    """
    return _over_positions(settings, "hours of training", _hours_of_cost)


def over_trainings(settings: Sequence[Setting]) -> Panel | None:
    """Return a panel of the best value so far against the cost in full trainings.

    Return None if no search has fidelities.
    """
    if not has_fidelities(settings):
        return None
    return _over_positions(settings, "cost in full trainings", trainings_of)


def has_fidelities(settings: Sequence[Setting]) -> bool:
    """Return whether a search has fidelities."""
    return any(run.result.total_cost is not None for setting in settings for run in setting.runs.values())


def trainings_of(run: Run) -> NDArray[np.float64]:
    """Return the cost of a run after each evaluation, in full trainings, ``[q]``. Without fidelities each costs 1."""
    costs = [1.0 if record.cost is None else record.cost for record in run.records]
    return np.cumsum(costs, dtype=np.float64)


def _hours_of_time(run: Run) -> NDArray[np.float64]:
    return np.maximum.accumulate(run.times_s) / 3600


def _hours_of_cost(run: Run) -> NDArray[np.float64]:
    return np.cumsum([record.cost_s for record in run.records], dtype=np.float64) / 3600


def _over_positions(
    settings: Sequence[Setting], title: str, positions: Callable[[Run], NDArray[np.float64]]
) -> Panel | None:
    """Return a panel over positions of the evaluations, such as hours.

    A curve begins where all runs of the setting have a value, and ends with the longest run. Return None if the
    positions of a run are not known.
    """
    ends_of = [[positions(run) for run in setting.runs.values()] for setting in settings]
    if any(of_run[-1:].sum() <= 0 for of_setting in ends_of for of_run in of_setting):
        return None
    curves = []
    for setting, ends in zip(settings[:MOST_LINES], ends_of, strict=False):
        lines = [run.best_val for run in setting.runs.values()]
        first = max(end[np.isfinite(line).argmax()] for line, end in zip(lines, ends, strict=True))
        x = np.linspace(first, max(end[-1] for end in ends), MOST_TIMES)
        best = np.array(
            [line[np.searchsorted(end, x, side="right") - 1] for line, end in zip(lines, ends, strict=True)]
        )
        curves.append(Curve(setting.label, x, best.mean(axis=0), standard_error(best)))
    metric = settings[0].metric
    return Panel(title, metric.labeled(f"{metric.title} of the best so far"), metric, curves, positions)


def swept_keys(settings: Sequence[Setting]) -> list[str]:
    """Return the swept keys that have two or more numbers as values."""
    values: dict[str, set[float]] = {}
    for setting in settings:
        for key, value in setting.swept:
            if isinstance(value, int | float) and not isinstance(value, bool):
                values.setdefault(key, set()).add(value)
    return [key for key, numbers in values.items() if len(numbers) > 1]


@dataclass(frozen=True)
class Ablation:
    """The final value over the values of a swept key.

    Attributes:
        key: Swept key.
        y_title: Label of the vertical axis.
        curves: A curve for each combination of the other swept keys, at most ``MOST_LINES``.
        settings: Setting of each point of each curve.
    """

    key: str
    y_title: str
    curves: Sequence[Curve]
    settings: Sequence[Sequence[Setting]]


def ablation(settings: Sequence[Setting], key: str) -> Ablation:
    """Return the final value against the values of a swept key."""
    lines: dict[str, list[tuple[float, Setting]]] = {}
    for setting in settings:
        value = dict(setting.swept).get(key)
        if value is not None:
            rest = Setting(setting.strategy, tuple(kv for kv in setting.swept if kv[0] != key), {})
            lines.setdefault(rest.label, []).append((value, setting))
    curves, drawn = [], []
    for label, points in sorted(lines.items())[:MOST_LINES]:
        ordered = sorted(points, key=lambda point: point[0])
        finals = [final_value(setting) for _, setting in ordered]
        curves.append(
            Curve(
                label,
                np.array([value for value, _ in ordered], dtype=np.float64),
                np.array([final.mean() for final in finals]),
                np.array([float(standard_error(final)) for final in finals]),
            )
        )
        drawn.append([setting for _, setting in ordered])
    metric = settings[0].metric
    known = not any(np.isnan(setting.final("test_value")).any() for setting in settings)
    title = metric.test_title if known else f"best {metric.title}"
    return Ablation(key, metric.labeled(title), curves, drawn)
