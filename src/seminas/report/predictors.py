"""Make the report's section on predictors from the results of ``seminas-predictor``."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from seminas.report.section import Illustration, Section
from seminas.report.statistics import mean_sd
from seminas.runs.results import PredictorResult

NOTES = (
    "Mean ± standard deviation over seeds, on all architectures of the table that were not labeled.",
    "N: labeled architectures. M: pseudo-labeled ones.",
    "Precision: fraction of the K predicted best whose accuracy is among the K best.",
    "Seconds: of fitting, on one core.",
)
_METRICS = {
    "kendall_tau": "Kendall τ",
    "spearman_rho": "Spearman ρ",
    "top_10_precision": "precision of the top 10",
    "top_100_precision": "precision of the top 100",
    "fit_s": "seconds",
}
Group = tuple[str, int, int]
"""Model, number N of labels, number M of pseudo-labels."""


def predictor_section(problem: str, results: Sequence[PredictorResult], *, figures: bool = True) -> Section:
    """Return the section for the results of one problem.

    Args:
        problem: Name of the problem.
        results: Results of predictors on this problem.
        figures: Whether to draw the figure.
    """
    groups: dict[Group, dict[int, PredictorResult]] = {}
    for result in results:
        group = groups.setdefault((result.model, result.num_labeled, result.num_pseudo_labeled), {})
        group.setdefault(result.seed, result)
    names = [name for name in _METRICS if all(_value(result, name) is not None for result in results)]
    rows, plain = [], []
    for (model, n, m), by_seed in sorted(
        groups.items(), key=lambda item: (item[0][1], item[0][0], item[0][2])
    ):
        pairs = [mean_sd(_values(by_seed, name)) for name in names]
        rows.append([model, str(n), str(m), str(len(by_seed)), *(f"{a:.3f} ± {b:.3f}" for a, b in pairs)])
        plain.append([model, n, m, len(by_seed), *(v for pair in pairs for v in pair)])
    header = ["model", "N", "M", "seeds", *(_METRICS[name] for name in names)]
    plain_header = ["model", "num_labeled", "num_pseudo_labeled", "seeds"]
    plain_header += [f"{name}_{part}" for name in names for part in ("mean", "sd")]
    caption = "Ranking quality over labeled architectures."
    drawn = [Illustration("predictor", caption, _figure(groups))] if figures else []
    return Section(f"predictors on {problem}", header, rows, plain_header, plain, drawn, NOTES)


def _values(group: dict[int, PredictorResult], name: str) -> NDArray[np.float64]:
    return np.array([_value(result, name) for result in group.values()], dtype=np.float64)


def _value(result: PredictorResult, name: str) -> float | None:
    value: float | None = result.top_k.get(name, getattr(result, name, None))
    return value


def _figure(groups: dict[Group, dict[int, PredictorResult]]) -> Figure:
    """Return a figure of Kendall's τ against N, with mean and standard deviation over seeds.

    Each model has a line. If a model was run with several values of M / N, each value has a line.
    """
    lines: dict[str, list[tuple[float, float, float]]] = {}
    ratios = {group: next(iter(by_seed.values())).pseudo_label_ratio for group, by_seed in groups.items()}
    for group, by_seed in groups.items():
        model, n, _ = group
        varies = len({ratio for (name, _, _), ratio in ratios.items() if name == model}) > 1
        label = f"{model}, M/N {ratios[group]:g}" if varies else model
        lines.setdefault(label, []).append((n, *mean_sd(_values(by_seed, "kendall_tau"))))
    figure = Figure(figsize=(6.5, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for label, points in sorted(lines.items()):
        n, mean, sd = np.array(sorted(points)).T
        axes.errorbar(n, mean, sd, marker="o", markersize=4, capsize=3, label=label)
    axes.set(xlabel="labeled architectures", ylabel="Kendall τ on the others", xscale="log")
    ticks = sorted({n for _, n, _ in groups})
    axes.set_xticks(ticks, [str(n) for n in ticks], minor=False)
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure
