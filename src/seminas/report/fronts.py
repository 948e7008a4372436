"""Compute the numbers of Pareto fronts: a common scale, hypervolumes, and empirical attainment surfaces.

The attainment surfaces are those of Fonseca, Guerreiro, López-Ibáñez and Paquete (EMO 2011). moocore computes
hypervolumes and attainment surfaces.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from moocore import eaf, hypervolume, is_nondominated
from numpy.typing import NDArray

from seminas.report.curves import MOST_LINES, Panel, mean_curve
from seminas.report.objectives import Member, objective_values, objectives_of, reference_of
from seminas.report.runs import Run, Setting
from seminas.report.statistics import baseline_of, mean_sd, p_value
from seminas.runs.metric import FRACTION, Metric

QUARTILES = (25, 50, 75)
ATTAINED = 0.95
"""Part of the hypervolume of the front of all runs that a run must reach in the attainment curves."""
HYPERVOLUME = Metric("hypervolume", "maximize", FRACTION)


@dataclass(frozen=True)
class Scale:
    """A common scale for the k objectives of all runs of a problem. The ideal point is 0, the reference point 1.

    Attributes:
        objectives: Objectives.
        reference: Reference point, ``[k]``: of each objective the worst value among the runs' reference points.
        ideal: Best value of each objective among all evaluations, ``[k]``.
    """

    objectives: Sequence[Metric]
    reference: NDArray[np.float64]
    ideal: NDArray[np.float64]

    @classmethod
    def of(cls, settings: Sequence[Setting]) -> "Scale":
        """Return the scale of the settings of a problem.

        If no run states a reference point, it is the worst value of each objective among all evaluations.
        """
        runs = [run for setting in settings for run in setting.runs.values()]
        objectives = objectives_of(runs[0].result)
        signs = np.array([metric.sign for metric in objectives])
        costs = np.concatenate([-signs * objective_values(run.result, run.records) for run in runs])
        costs = costs[~np.isnan(costs[:, 0])]
        stated = np.array([-signs * reference_of(run.result) for run in runs])
        known = ~np.isnan(stated).any(axis=1)
        worst = (stated[known] if known.any() else costs).max(axis=0)
        return cls(objectives, -signs * worst, -signs * costs.min(axis=0))

    def __str__(self) -> str:
        """Return the reference point as text."""
        pairs = zip(self.objectives, self.reference, strict=True)
        return ", ".join(f"{metric.name} {metric.text(value)}" for metric, value in pairs)

    @property
    def box(self) -> float:
        """Hypervolume of the ideal point, in the product of the units of the objectives."""
        return float(np.abs(self.reference - self.ideal).prod())

    def costs(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values ``[n, k]`` on the scale. Lower is better."""
        length = self.reference - self.ideal
        return (values - self.ideal) / np.where(length == 0, 1, length)

    def share(self, values: NDArray[np.float64]) -> float:
        """Return the hypervolume of points ``[n, k]`` as a part of the hypervolume of the ideal point."""
        return self.volume(self.costs(values))

    def volume(self, costs: NDArray[np.float64]) -> float:
        """Return the same for points on the scale."""
        inside = costs[(costs < 1).all(axis=1)] if self.box > 0 else costs[:0]
        return float(hypervolume(inside, ref=np.ones(len(self.objectives)))) if len(inside) else 0.0


def front_values(run: Run) -> NDArray[np.float64]:
    """Return the values of the objectives on the Pareto front of a run, ``[n, k]``."""
    rows = [member.values for member in run.front]
    return np.array(rows).reshape(-1, len(objectives_of(run.result)))


def hypervolume_curve(run: Run, scale: Scale) -> NDArray[np.float64]:
    """Return the hypervolume after each evaluation, ``[q]``, as a part of the hypervolume of the ideal point.

    Imported evaluations count from the start if they are on the final front.
    """
    costs = scale.costs(objective_values(run.result, run.records))
    imported = [member.values for member in run.front if member.index < 0]
    kept = scale.costs(np.array(imported).reshape(-1, costs.shape[1]))
    curve, last = np.zeros(len(costs)), scale.volume(kept)
    for i, cost in enumerate(costs):
        if not np.isnan(cost).any() and not (kept <= cost).all(axis=1).any():
            kept = np.vstack([kept[~(cost <= kept).all(axis=1)], cost])
            last = scale.volume(kept)
        curve[i] = last
    return curve


@dataclass(frozen=True)
class FrontRow:
    """A row of the table of fronts, for one setting. Pairs are (mean, standard deviation) over seeds.

    Attributes:
        setting: Setting of the row.
        volume: Hypervolume above the common reference point, in the product of the units of the objectives.
        share: The same as a part of the hypervolume of the ideal point, a fraction.
        size: Number of architectures on the front.
        p_value: p-value of Wilcoxon's signed-rank test of the hypervolume against the baseline, paired by seed. None
            for the baseline, without a baseline, and for few pairs.
    """

    setting: Setting
    volume: tuple[float, float]
    share: tuple[float, float]
    size: tuple[float, float]
    p_value: float | None


def front_table(settings: Sequence[Setting], scale: Scale, baseline: str | None = None) -> list[FrontRow]:
    """Return a row for each setting, with the largest mean hypervolume first.

    Args:
        settings: Settings of one problem with objectives.
        scale: Common scale.
        baseline: Baseline, see ``statistics.table``.

    Raises:
        UserError: The baseline does not exist.
    """

    def shares(setting: Setting) -> NDArray[np.float64]:
        return np.array([scale.share(front_values(setting.runs[seed])) for seed in setting.seeds])

    base = baseline_of(settings, baseline)
    rows = []
    for setting in settings:
        of_setting = shares(setting)
        sizes = np.array([len(run.front) for run in setting.runs.values()], dtype=np.float64)
        tested = None if base is None or base is setting else p_value(setting, base, shares)
        volumes = mean_sd(scale.box * of_setting)
        rows.append(FrontRow(setting, volumes, mean_sd(of_setting), mean_sd(sizes), tested))
    return sorted(rows, key=lambda row: -row.share[0])


def over_evaluations(settings: Sequence[Setting], scale: Scale) -> list[Panel]:
    """Return panels of the hypervolume, and of the part of runs that attain a goal, against evaluations.

    The goal is the part ``ATTAINED`` of the hypervolume of the front of all runs.
    """
    everything = np.concatenate([front_values(run) for s in settings for run in s.runs.values()])
    goal = ATTAINED * scale.share(everything)
    volumes, attained = [], []
    for setting in settings[:MOST_LINES]:
        lines = [hypervolume_curve(run, scale) for run in setting.runs.values()]
        volumes.append(mean_curve(setting.label, lines))
        attained.append(mean_curve(setting.label, [(line >= goal).astype(np.float64) for line in lines]))
    title = f"runs with {100 * ATTAINED:.0f}% of the hypervolume of all"
    return [
        Panel("evaluations", "hypervolume (fraction of the box)", HYPERVOLUME, volumes),
        Panel("evaluations", title, HYPERVOLUME, attained, limits=(-0.03, 1.03)),
    ]


@dataclass(frozen=True)
class Surfaces:
    """Attainment surfaces of a setting for two objectives: staircases ``[n, 2]`` of (x, y) values.

    Attributes:
        label: Name of the setting.
        median: Surface that half of the runs attain.
        band: Closed polygon between the surfaces that a quarter and three quarters of the runs attain.
    """

    label: str
    median: NDArray[np.float64]
    band: NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """Attainment surfaces in the plane of two objectives.

    Attributes:
        x: Number of the objective on the horizontal axis.
        y: Number of the objective on the vertical axis.
        objectives: All objectives.
        surfaces: Surfaces of the settings, at most ``MOST_LINES``.
    """

    x: int
    y: int
    objectives: Sequence[Metric]
    surfaces: Sequence[Surfaces]


def planes(settings: Sequence[Setting]) -> list[Plane]:
    """Return a plane for each objective after the first one. The first one is on the vertical axis.

    With three or more objectives, a surface is the one of the fronts' projections on the plane.
    """
    objectives = objectives_of(next(iter(settings[0].runs.values())).result)
    fronts = [[front_values(run) for run in s.runs.values()] for s in settings[:MOST_LINES]]
    found = []
    for x in range(1, len(objectives)):
        signs = np.array([objectives[x].sign, objectives[0].sign])
        projected = [[-signs * values[:, [x, 0]] for values in of_setting] for of_setting in fronts]
        every = np.concatenate([costs for of_setting in projected for costs in of_setting])
        if any(not sum(map(len, of_setting)) for of_setting in projected):
            return []  # A setting has no front.
        worst = every.max(axis=0) + 0.05 * np.ptp(every, axis=0)
        surfaces = []
        for setting, of_setting in zip(settings, projected, strict=False):
            first, median, last = (-signs * stairs for stairs in _staircases(of_setting, worst))
            surfaces.append(Surfaces(setting.label, median, np.concatenate([first, last[::-1]])))
        found.append(Plane(x, 0, objectives, surfaces))
    return found


def _staircases(
    fronts: Sequence[NDArray[np.float64]], worst: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Return the attainment surfaces of fronts of costs at the quartiles, each drawn up to the worst costs."""
    sets = np.repeat(np.arange(1, len(fronts) + 1), [len(costs) for costs in fronts])
    points = eaf(np.concatenate(fronts), sets, percentiles=list(QUARTILES))
    stairs = []
    for percentile in QUARTILES:
        corners = points[points[:, 2] == percentile, :2]
        corners = corners[np.lexsort((corners[:, 1], corners[:, 0]))]
        x = np.append(np.repeat(corners[:, 0], 2), worst[0])
        y = np.concatenate([[worst[1]], np.repeat(corners[:, 1], 2)])
        stairs.append(np.column_stack([x, y]))
    return stairs


def best_of_all(settings: Sequence[Setting]) -> list[tuple[Setting, Run, Member]]:
    """Return the Pareto front of all runs: the setting, the run and the member of the run's front.

    An architecture that several runs found is listed once.
    """
    found = [
        (setting, run, member)
        for setting in settings
        for run in setting.runs.values()
        for member in run.front
    ]
    if not found:
        return []
    objectives = objectives_of(found[0][1].result)
    values = np.array([member.values for *_, member in found])
    best = is_nondominated(values, maximise=[m.sign > 0 for m in objectives], keep_weakly=True)
    once: dict[str, tuple[Setting, Run, Member]] = {}
    for i in np.flatnonzero(best)[np.argsort(values[best][:, 0] * -objectives[0].sign, kind="stable")]:
        once.setdefault(found[i][2].key, found[i])
    return list(once.values())
