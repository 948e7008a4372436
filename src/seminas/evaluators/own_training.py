"""Base class of evaluators that run a user's own training on an engine."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seminas.config.own_training import MODES, OwnTrainingSettings
from seminas.errors import MissingMetricError, UserError, config_error
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation
from seminas.evaluators.workers import OnEngine, Workers
from seminas.execution.base import LostError
from seminas.execution.engines import make_engine
from seminas.runs.metric import DIRECTIONS, Metric
from seminas.spaces.base import A

DIRECTION_OF = dict(zip(MODES, DIRECTIONS, strict=True))
"""Direction of a metric by its mode."""


class OwnTrainingEvaluator(Evaluator[A]):
    """Base class of evaluators that run a user's own training on an engine.

    The engine calls ``evaluate(architecture)`` of an object. The method returns an ``Evaluation``.
    """

    def __init__(
        self, trial: Any, metrics: "Reported", settings: OwnTrainingSettings, folder: Path | None
    ) -> None:
        """Initialize the evaluator. The worker processes start with the first evaluations.

        Args:
            trial: Object with the method ``evaluate``. Each process has a copy.
            metrics: Metrics that the training reports.
            settings: Settings of the engine.
            folder: Run folder, for the files of Slurm jobs.

        Raises:
            UserError: The engine cannot start.
        """
        self.metric, *self.metrics = metrics.metrics
        self._engine = make_engine(settings, trial, folder)

    def evaluate(self, architectures: Sequence[A]) -> Iterator[tuple[int, Evaluation]]:
        """Run the trainings. Yield the position and the evaluation of each when its training ends.

        If the worker of a training dies, the training is repeated once. If the second worker also dies, the evaluation
        fails.
        """
        for i, outcome in self._engine.calls("evaluate", [(a,) for a in architectures]):
            yield i, Evaluation(None, 0.0, str(outcome)) if isinstance(outcome, LostError) else outcome

    def workers(self) -> Workers[A]:
        """Return the workers of the engine."""
        return OnEngine(self._engine, "evaluate", lambda architecture: (architecture,), lambda result: result)

    def close(self) -> None:
        """End the worker processes. Results of running trainings are lost."""
        self._engine.close()


class Reported:
    """The metrics that a user's training reports.

    Attributes:
        names: Names that the training uses. The first one is the metric that the search optimizes.
        metrics: The same metrics with names for files, in the same order.
    """

    def __init__(self, key: str, name: str, settings: OwnTrainingSettings) -> None:
        """Declare the metrics. A name such as ``val/acc`` becomes ``val_acc`` in files.

        Args:
            key: Name of the setting with the metric.
            name: Value of this setting.
            settings: Modes, unit and further metrics.

        Raises:
            UserError: A metric has a name that files cannot use, or two metrics have the same name.
        """
        further = settings.further()
        if name in further:
            mode, _ = further[name]
            raise config_error(f"evaluator.metrics.{name}", mode, f"left out, it is evaluator.{key}")
        every = {name: (settings.mode, settings.unit), **further}
        self.names = tuple(every)
        self._of_name = f"evaluator.{key}={name}"
        keys = [f"evaluator.{key}={name}", *(f"evaluator.metrics.{n}" for n in further)]
        self.metrics: list[Metric] = []
        for of, (metric, (mode, unit)) in zip(keys, every.items(), strict=True):
            in_files = re.sub(r"\W+", "_", metric, flags=re.ASCII).strip("_")
            try:
                declared = Metric(in_files, DIRECTION_OF[mode], unit)
            except UserError as error:
                raise UserError(f"{of}: cannot be the name of a metric in files ({error})") from error
            if any(in_files == other.name for other in self.metrics):
                raise UserError(f"{of}: has the name {in_files} in files, and so has another metric")
            self.metrics.append(declared)

    def in_files(self, reported: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of the metrics among reported values, by their names in files.

        Raises:
            MissingMetricError: The metric that the search optimizes is missing.
        """
        if self.names[0] not in reported:
            found = f"one of the reported metrics {', '.join(map(str, reported))}"
            raise MissingMetricError(f"{self._of_name}: must be {found if reported else 'a reported metric'}")
        pairs = zip(self.names, self.metrics, strict=True)
        return {metric.name: reported[name] for name, metric in pairs if name in reported}
