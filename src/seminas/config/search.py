"""Settings of a search: numbers of evaluations and rounds."""

import math
from dataclasses import dataclass
from typing import ClassVar

from seminas.config.fields import Settings, setting
from seminas.errors import config_error


@dataclass
class SearchSettings(Settings):
    """Section ``search``.

    The stated meanings of null assume that the other sizes are null too. ``seminas.loop.plan`` describes the other
    cases. A strategy with its own round sizes uses these sizes, unless ``num_rounds`` is set.

    Attributes:
        num_labeled: N, number of architectures in the first round, which is random. Null means a fifth of
            ``max_queries``, or 25 without ``max_queries``.
        num_new: Number of architectures in each later round. Null distributes the remaining evaluations evenly over the
            later rounds. Without ``max_queries`` it means 25.
        num_rounds: T, number of rounds after the first round. Null means at most 6 rounds, or 3 without
            ``max_queries``.
        max_queries: Largest number of evaluations in the whole search. Null means the sum of all rounds. A
            finished search can continue under a larger number.
        target_accuracy: Validation accuracy that is enough, a fraction. No round begins after it is reached. Null means
            no such limit. A search that has ended can continue under a larger number.
        target: The same for any metric: a value of the metric that the search optimizes. Null means no such limit. A
            search that has ended can continue under another value.
        max_hours: Hours after which no round begins. They are hours of the clock, also those of earlier attempts. With
            a table they are the recorded hours of the evaluations. Null means no such limit. A search that has ended
            can continue under a larger number.
        max_cost: Largest cost of the whole search in full trainings. An evaluation of fewer epochs costs its share. No
            evaluation begins that would cost more. Null means no such limit. A finished search can continue under a
            larger number. Without ``max_queries``, the number of evaluations follows from this limit.
        repeats: Number of evaluations at the end that train the best architectures so far a second time. They are part
            of ``max_queries``, and of the sum of all rounds. The result is then the architecture with the highest mean
            of its two trainings.
        asynchronous: Whether the strategy is asked for one architecture whenever a worker is free. Otherwise the search
            works in rounds: all workers wait for the end of a round. Null means true where more than one evaluation
            runs at the same time, and with a strategy that uses each accuracy at once.
        import_from: Run folders and CSV files with evaluations of the same task. They are labels and no queries. A CSV
            file has a column with the name of the metric, ``val_accuracy`` by default, and the columns of an
            architecture as for ``seminas data import``. Further metrics that the evaluator declares are kept, from
            columns of their names.
        pseudo_label_ratio: M / N, number of pseudo-labeled architectures in each round for each architecture of the
            first round. Null means the strategy's default: 100 for ``seminas`` and ``seminas_evolution``, 0 for
            ``nao``. Other strategies use no pseudo-labels.
        objectives: Names of several objectives: the metric of the evaluator, and further ones that evaluations give or
            that are exact costs (``macs``, ``parameters``, ``latency_ms``). The search looks for the best trade-offs.
            Null means the metric of the evaluator alone.
        reference: Values of the objectives at the reference point of the hypervolume, by name. An exact cost without
            a value has its largest value among some random architectures. Another objective has its worst value in the
            first round, moved by a tenth of the range of this round.
        constraints: Largest allowed values by name, such as ``{macs: 600e6, parameters: 5e6, latency_ms: 20}``. The
            costs ``macs``, ``parameters`` and ``latency_ms`` are known without an evaluation, so a search proposes no
            architecture beyond these limits. Another name is a metric that the evaluator declares. Evaluations beyond
            such a limit count as queries, and not as results. The limit of a metric that is maximized is its smallest
            allowed value.
        max_failures: Largest number of failed evaluations. With one more failure the search ends with an error.
    """

    KEY: ClassVar[str] = "search"

    num_labeled: int | None = setting(None, at_least=2, unit="architectures")
    num_new: int | None = setting(None, at_least=1, unit="architectures")
    num_rounds: int | None = setting(None, at_least=0, extends=True, unit="rounds")
    max_queries: int | None = setting(None, at_least=2, extends=True, unit="evaluations")
    target_accuracy: float | None = setting(None, above=0, at_most=1, extends=True)
    target: float | None = setting(None, extends=True, both_ways=True)
    max_hours: float | None = setting(None, above=0, extends=True, unit="hours")
    max_cost: float | None = setting(None, at_least=1, extends=True, unit="full trainings")
    repeats: int = setting(0, at_least=0, extends=True, unit="evaluations")
    asynchronous: bool | None = setting(None)
    import_from: list[str] | None = setting(None)
    pseudo_label_ratio: float | None = setting(None, at_least=0)
    objectives: list[str] | None = setting(None)
    reference: dict[str, float] = setting({}, any_names=True)
    constraints: dict[str, float] = setting({}, any_names=True)
    max_failures: int = setting(10, at_least=0, may_change=True, unit="evaluations")

    def check_together(self, key: str) -> None:
        """Refuse two targets, contradicting objectives, and limits that are no numbers or that nothing can satisfy."""
        if self.objectives is not None and not self.objectives:
            raise config_error(f"{key}.objectives", "[]", "names of metrics, or null")
        if self.repeats and self.objectives is not None:
            raise config_error(f"{key}.repeats", self.repeats, f"0 with {key}.objectives")
        if self.reference and self.objectives is None:
            raise config_error(f"{key}.reference", dict(self.reference), f"empty without {key}.objectives")
        for name, value in self.reference.items():
            if not math.isfinite(value):
                raise config_error(f"{key}.reference.{name}", f"{value:g}", "a finite number")
        for name, limit in self.constraints.items():
            if not math.isfinite(limit):
                raise config_error(f"{key}.constraints.{name}", f"{limit:g}", "a finite number of at least 0")
        if self.target is not None and self.target_accuracy is not None:
            raise config_error(f"{key}.target", f"{self.target:g}", f"null with {key}.target_accuracy")
