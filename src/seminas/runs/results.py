"""Results of runs. Each kind of run has a dataclass for its ``result.json``."""

from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import ClassVar

from seminas.runs.metric import Metric, metric_of
from seminas.runs.records import Record, read_history
from seminas.runs.result_parts import FrontMember as FrontMember
from seminas.runs.result_parts import FrontResult as FrontResult
from seminas.runs.result_parts import Incumbent as Incumbent
from seminas.runs.result_parts import Measured as Measured
from seminas.storage.values import Json

NOT_FINAL = ("interrupt", "close")
"""Ends of a search with which the same command goes on."""


@dataclass(frozen=True)
class Result:
    """The fields that all results have.

    Attributes:
        space: Name of the search space.
        seed: Seed of the run.
        wall_s: Duration of all attempts of the run together, in seconds.
        config: Resolved config of the run.
        num_resumed: Number of times that the run was resumed.
        folder: Run folder. The file does not contain it.
    """

    KIND: ClassVar[str] = ""

    space: str
    seed: int
    wall_s: float
    config: dict[str, Json]
    _: KW_ONLY
    num_resumed: int = 0
    folder: Path = field(default=Path(), compare=False)

    @property
    def is_final(self) -> bool:
        """Whether the same command does not go on with the run."""
        return True


@dataclass(frozen=True)
class SearchResult(Result):
    """The result of ``seminas-search``. Its values are of the search's metric, by default accuracies, fractions.

    Attributes:
        strategy, evaluator: Names of the strategy and the evaluator that were chosen.
        num_queries: Number of evaluations, including the failed ones and the second trainings.
        num_failures: Number of failed evaluations and second trainings.
        best_architecture: Architecture with the best value, in the JSON form of its space. It, its key and its value
            are None if no evaluation is within the limits of measured metrics.
        best_key: Key of the best architecture.
        best_value: Value of the best architecture, or the mean of its ``num_trainings`` values. Its name in the file is
            ``best_val_accuracy`` for the validation accuracy, and ``best_value`` for other metrics.
        test_value: The same on the test data. None if it is not known. Its name in the file is ``test_accuracy`` or
            ``test_value``.
        parameters: Number of trainable parameters of the best architecture. None if it is not known.
        incumbents: Each evaluation with a better value than all evaluations before it, in order.
        best_there_is: Best value and best test value of all candidates, as far as they are known, by the metric's
            ``name`` and ``test_name``. None if none is known.
        cost_s: Cost of all evaluations together and of the proxies, in seconds.
        total_cost: Cost in full trainings. None, and not in the file, without fidelities.
        num_workers: Number of evaluations that ran at the same time, at most.
        makespan_s: Time from the start of the search to the end of its last evaluation, in seconds of the clock or of
            the simulated clock. None for runs of version 0.1.
        utilization: Fraction of the workers' time that they spent in evaluations, until ``makespan_s``.
        ended_by: What ended the search: ``max_queries`` (its plan), ``target_accuracy``, ``target``, ``max_hours``,
            ``max_cost``, ``interrupt`` (Ctrl-C), ``space`` if there are no more architectures, or ``close`` of a study.
        num_imported: Number of imported evaluations. They are no queries.
        proxies_s: Duration of the computation of zero-cost proxies, in seconds. A file without proxies has no such
            field.
        objectives: The objectives of a search with several ones. This field and the next ones are None, and are not in
            the file, in a search for one metric.
        pareto: The evaluations on the front, in order.
        hypervolume: Volume that the front dominates above the reference point, in the product of the objectives' units.
        reference: Value of each objective at the reference point.
        num_feasible: Number of evaluations within limits of measured metrics. None, and not in the file, without them.
        num_repeats: Number of second trainings, ``search.repeats``. A file without them has neither this field nor the
            next one.
        num_trainings: Number of trainings of the best architecture. ``best_value`` is their mean.
    """

    KIND: ClassVar[str] = "search"

    strategy: str
    evaluator: str
    num_queries: int
    num_failures: int
    best_architecture: Json
    best_key: str | None
    best_value: float | None
    test_value: float | None
    parameters: int | None
    incumbents: list[Incumbent]
    best_there_is: dict[str, float] | None
    cost_s: float
    _: KW_ONLY
    num_workers: int = 1
    makespan_s: float | None = None
    utilization: float | None = None
    ended_by: str = "max_queries"
    num_imported: int = 0
    proxies_s: float = 0.0
    objectives: list[Metric] | None = None
    pareto: list[FrontMember] | None = None
    hypervolume: float | None = None
    reference: dict[str, float] | None = None
    total_cost: float | None = None
    num_feasible: int | None = None
    num_repeats: int = 0
    num_trainings: int = 1

    @property
    def metric(self) -> Metric:
        """Metric that the search optimized."""
        return metric_of(self.config)

    @property
    def best_val_accuracy(self) -> float | None:
        """The best value, where the metric is the validation accuracy."""
        return self.best_value

    @property
    def test_accuracy(self) -> float | None:
        """The value on the test data, where the metric is the validation accuracy."""
        return self.test_value

    @property
    def is_final(self) -> bool:
        """Whether the same command does not go on with the search."""
        return self.ended_by not in NOT_FINAL

    @property
    def history(self) -> list[Record]:
        """The evaluations of this result in order, read from the run folder, without second trainings."""
        return read_history(self.folder)[: self.num_queries - self.num_repeats]


@dataclass(frozen=True)
class PredictorResult(Result):
    """The result of ``seminas-predictor``.

    Attributes:
        model: Name of the predictor that was chosen.
        num_labeled: N, the number of labeled architectures.
        num_pseudo_labeled: M, the number of pseudo-labeled architectures.
        num_ranked: Number of architectures that the predictor ranked.
        kendall_tau, spearman_rho: Rank correlations. None if all predictions or all accuracies are equal.
        fit_s: Duration of the fit, in seconds.
        top_k: Values of ``top_K_regret`` and ``top_K_precision`` by name.
        pseudo_label_ratio: M / N in the config. A table may have too few architectures for this ratio.
    """

    KIND: ClassVar[str] = "predictor"

    model: str
    num_labeled: int
    num_pseudo_labeled: int
    num_ranked: int
    kendall_tau: float | None
    spearman_rho: float | None
    fit_s: float
    top_k: dict[str, float]
    pseudo_label_ratio: float = 0.0


@dataclass(frozen=True)
class TrainingResult(Result):
    """The result of ``seminas-train``. Accuracies are fractions.

    Attributes:
        architecture: Trained architecture, in the JSON form of its space.
        key: Key of the architecture.
        epochs, steps: Length of the training in epochs and in optimizer steps.
        val_accuracy, val_top5: Validation accuracies of the weights that are kept. None without validation images.
            ``val_top5`` is also None with five classes or fewer.
        test_accuracy, test_top5: Test accuracies of the same weights. ``test_top5`` is None with five classes or fewer.
        skipped_images: Number of training images that could not be read.
        parameters: Number of trainable parameters of the network.
        macs: Number of multiply-adds for one image.
    """

    KIND: ClassVar[str] = "training"

    architecture: Json
    key: str
    epochs: int
    steps: int
    val_accuracy: float | None
    val_top5: float | None
    test_accuracy: float
    test_top5: float | None
    skipped_images: int
    parameters: int
    macs: int


@dataclass(frozen=True)
class SupernetResult(Result):
    """The result of ``seminas-supernet``. Accuracies are fractions.

    Attributes:
        mean_val_accuracy: Mean validation accuracy of the measured architectures.
        measured: Measured architectures with their accuracies.
    """

    KIND: ClassVar[str] = "supernet"

    mean_val_accuracy: float
    measured: list[Measured]
