"""Settings of a search: how many architectures are evaluated, and when."""

from dataclasses import dataclass
from typing import ClassVar

from seminas.config.fields import Settings, setting


@dataclass
class SearchSettings(Settings):
    """The ``search`` section. What is null follows from the rest, see ``seminas.loop.plan``.

    Attributes:
        num_labeled: N, architectures of the first, random round.
        num_new: Architectures of each further round.
        num_rounds: T, rounds after the first.
        max_queries: Evaluations at most, in all. A finished search goes on under a larger number.
        pseudo_label_ratio: M / N, pseudo-labeled architectures in each round for each architecture of the first round.
            Null: the strategy's own, 100 for ``seminas`` and 0 for ``nao``.
        max_failures: Failed evaluations before the search gives up.
    """

    KEY: ClassVar[str] = "search"

    num_labeled: int | None = setting(None, at_least=2, unit="architectures")
    num_new: int | None = setting(None, at_least=1, unit="architectures")
    num_rounds: int | None = setting(None, at_least=0, extends=True, unit="rounds")
    max_queries: int | None = setting(None, at_least=2, extends=True, unit="evaluations")
    pseudo_label_ratio: float | None = setting(None, at_least=0)
    max_failures: int = setting(10, at_least=0, may_change=True, unit="evaluations")
