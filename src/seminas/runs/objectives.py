"""Objectives of a search: their values, the front of the best trade-offs, and its hypervolume."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seminas.errors import UserError, config_error
from seminas.runs.metric import Metric
from seminas.runs.records import Record
from seminas.spaces.exact import COSTS

EXACT = {
    "macs": Metric("macs", "minimize", "MACs"),
    "parameters": Metric("parameters", "minimize", "parameters"),
    "latency_ms": Metric("latency_ms", "minimize", "ms"),
}
"""Metric of each exact cost."""
MARGIN = 0.1
"""Distance of the reference point from the worst measured values of the first round, in ranges of this round."""
KEY = "search.objectives"


@dataclass(frozen=True)
class Objectives:
    """Two or more objectives. A score is a value with the sign that makes higher scores better.

    Attributes:
        metrics: The objectives, in the order of the settings.
        main: Metric of the evaluator, which is one of the objectives. Records have it as their value.
        exact: Names of the objectives that are exact costs. The other objectives are measured.
        given: Values of the reference point that the settings give, by name.
        largest: Largest known value of each exact cost among the objectives, by name.
        key: Name of the setting with the objectives, for errors.
    """

    metrics: tuple[Metric, ...]
    main: Metric
    exact: tuple[str, ...] = ()
    given: Mapping[str, float] = field(default_factory=dict)
    largest: Mapping[str, float] = field(default_factory=dict)
    key: str = KEY

    def __str__(self) -> str:
        """Return the setting with its names as text, for errors."""
        return f"{self.key}=[{', '.join(self.names)}]"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the objectives."""
        return tuple(metric.name for metric in self.metrics)

    @property
    def measured(self) -> tuple[Metric, ...]:
        """The objectives that evaluations give."""
        return tuple(metric for metric in self.metrics if metric.name not in self.exact)

    @property
    def further(self) -> tuple[Metric, ...]:
        """The measured objectives except the metric of the evaluator."""
        return tuple(metric for metric in self.measured if metric.name != self.main.name)

    @property
    def signs(self) -> NDArray[np.float64]:
        """Sign of each objective, ``[k]``: 1 if higher values are better, otherwise -1."""
        return np.array([metric.sign for metric in self.metrics])

    def values(self, record: Record) -> list[float] | None:
        """Return the value of each objective, or None if the evaluation failed or lacks one of them."""
        known = {**record.metrics, self.main.name: record.value}
        values = [known.get(name) for name in self.names]
        return None if record.value is None or None in values else [float(v) for v in values if v is not None]

    def missing(self, metrics: Mapping[str, float]) -> str | None:
        """Return why an evaluation without some objective has failed, in one line, or None if it has all of them.

        Args:
            metrics: Further metrics of the evaluation by name.
        """
        for metric in self.further:
            if metric.name not in metrics:
                return f"{metric.name}: is missing, it is one of {self.key}"
        return None

    def reference(self, first: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the scores of the reference point, ``[k]``.

        Without a setting, a measured objective has the worst value of the first round, moved by ``MARGIN`` of the range
        of the first round in the bad direction. An exact cost has its largest known value.

        Args:
            first: Scores of the evaluations of the first round that succeeded, ``[n, k]``.
        """
        worst = first.min(axis=0) if len(first) else np.zeros(len(self.metrics))
        spread = np.ptp(first, axis=0) if len(first) else np.zeros(len(self.metrics))
        spread = np.where(spread > 0, spread, np.maximum(np.abs(worst), 1e-9))
        given = [self.given.get(name, self.largest.get(name)) for name in self.names]
        fixed = [np.nan if v is None else m.score(v) for m, v in zip(self.metrics, given, strict=True)]
        return np.where(np.isnan(fixed), worst - MARGIN * spread, fixed)


def nondominated(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether no other row is at least as good in all scores and better in one, ``[n]``.

    Of equal rows, the first is kept.

    Args:
        scores: Scores ``[n, k]``, higher is better.
    """
    if not len(scores):
        return np.zeros(0, dtype=bool)
    import moocore

    kept: NDArray[np.bool_] = moocore.is_nondominated(scores, maximise=True)
    return kept


def hypervolume(scores: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Return the volume that some scores dominate above a reference point (Zitzler and Thiele, 1998).

    Args:
        scores: Scores ``[n, k]``, higher is better.
        reference: Scores of the reference point, ``[k]``. A row that is not better in all of them adds nothing.
    """
    above = scores[(scores > reference).all(axis=1)] if len(scores) else scores
    if not len(above):
        return 0.0
    import moocore

    return float(moocore.hypervolume(above, ref=reference, maximise=True))


def read_objectives(
    names: Sequence[str] | None,
    reference: Mapping[str, float],
    metric: Metric,
    further: Sequence[Metric],
    costs: Sequence[str],
    key: str = KEY,
) -> Objectives | None:
    """Return the objectives of a search, or None for a search for the evaluator's metric alone.

    A metric that the evaluator declares comes before an exact cost of the same name.

    Args:
        names: Names of the objectives. None, and the evaluator's metric alone, mean a search for this metric.
        reference: Values of the reference point by name.
        metric: Metric of the evaluator or the study.
        further: Further metrics that evaluations give.
        costs: Names of the exact costs that the space can state.
        key: Name of the setting, for errors.

    Raises:
        UserError: A name is unknown or given twice, the evaluator's metric is missing, the reference point names no
            objective, or the package's extra "objectives" is not installed.
    """
    of_reference = f"{key.removesuffix('objectives')}reference"
    if names is None or list(names) == [metric.name]:
        if reference:
            raise config_error(of_reference, dict(reference), f"empty without {key}")
        return None
    shown = f"[{', '.join(map(str, names))}]"
    for name in names:
        if list(names).count(name) > 1:
            raise UserError(f"{key}={shown}: has {name} twice")
    known = {m.name: m for m in (metric, *further)}
    stated = {name: EXACT[name] for name in costs if name not in known}
    for name in names:
        if name not in known and name not in stated:
            allowed = ", ".join([*known, *stated])
            needs = "; the space does not state it" if name in COSTS else ""
            raise UserError(f"{key}={shown}: has {name}, must be some of {allowed}{needs}")
    if metric.name not in names:
        raise UserError(f"{key}={shown}: must contain {metric.name}, the metric that is measured")
    for name in reference:
        if name not in names:
            raise config_error(f"{of_reference}.{name}", reference[name], f"a value of {', '.join(names)}")
        if (known | stated)[name].checked(reference[name]) is None:
            raise config_error(f"{of_reference}.{name}", reference[name], (known | stated)[name].allowed)
    _require_libraries(f"{key}={shown}")
    metrics = tuple((known | stated)[name] for name in names)
    exact = tuple(name for name in names if name in stated)
    return Objectives(metrics, metric, exact, dict(reference), key=key)


def _require_libraries(source: str) -> None:
    try:
        import moocore  # noqa: F401
        import pymoo  # noqa: F401
    except ImportError as error:
        raise UserError(f"{source}: needs pip install 'seminas[objectives]' ({error})") from error


def front_of(objectives: Objectives, records: Sequence[Record]) -> tuple[list[Record], NDArray[np.float64]]:
    """Return the records that no other one dominates, in order, and their scores ``[m, k]``.

    Evaluations beyond limits of measured metrics are no results.
    """
    done, scores = scored(objectives, [record for record in records if record.final is not None])
    kept = nondominated(scores)
    return [record for record, keep in zip(done, kept, strict=True) if keep], scores[kept]


def scored(objectives: Objectives, records: Sequence[Record]) -> tuple[list[Record], NDArray[np.float64]]:
    """Return the records that have all objectives, and their scores ``[n, k]``."""
    pairs = [(record, values) for record in records if (values := objectives.values(record)) is not None]
    scores: Any = np.array([values for _, values in pairs]).reshape(len(pairs), len(objectives.metrics))
    return [record for record, _ in pairs], scores * objectives.signs
