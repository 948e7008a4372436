"""Settings of a search: numbers of evaluations and rounds."""

from dataclasses import dataclass
from typing import ClassVar

from seminas.config.fields import Settings, setting


@dataclass
class SearchSettings(Settings):
    """Section ``search``. ``seminas.loop.plan`` derives sizes that are null from the strategy and the other sizes.

    Attributes:
        num_labeled: N, number of architectures in the first round, which is random. Null means a derived number.
        num_new: Number of architectures in each later round. Null means a derived number.
        num_rounds: T, number of rounds after the first round. Null means a derived number.
        max_queries: Largest number of evaluations in the whole search. Null means a number derived from the rounds. A
            finished search can continue under a larger number.
        pseudo_label_ratio: M / N, number of pseudo-labeled architectures in each round for each architecture of the
            first round. Null means the strategy's default: 100 for ``seminas`` and ``seminas_evolution``, 0 for
            ``nao``. Other strategies use no pseudo-labels.
        max_failures: Largest number of failed evaluations. With one more failure the search ends with an error.
    """

    KEY: ClassVar[str] = "search"

    num_labeled: int | None = setting(None, at_least=2, unit="architectures")
    num_new: int | None = setting(None, at_least=1, unit="architectures")
    num_rounds: int | None = setting(None, at_least=0, extends=True, unit="rounds")
    max_queries: int | None = setting(None, at_least=2, extends=True, unit="evaluations")
    pseudo_label_ratio: float | None = setting(None, at_least=0)
    max_failures: int = setting(10, at_least=0, may_change=True, unit="evaluations")
