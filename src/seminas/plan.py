"""How many architectures a search evaluates, and when."""

from dataclasses import dataclass
from typing import NamedTuple

from seminas.errors import UserError, config_error

NUM_LABELED, NUM_ROUNDS = 25, 3
LABELED_SHARE, MOST_ROUNDS, LEAST_NEW = 1 / 5, 6, 5


class OwnSizes(NamedTuple):
    """Round sizes that a strategy works best with.

    Attributes:
        first: Architectures of the first, random round.
        step: Of each further one.
        growth: Or this fraction of those evaluated since the first round, where that is more.
    """

    first: int
    step: int
    growth: float = 0.0


@dataclass
class SearchSettings:
    """The ``search`` section of the config.

    Attributes:
        num_labeled: N, architectures of the first, random round.
        num_new: Architectures of each further round.
        num_rounds: T, further rounds.
        max_queries: Evaluations at most, in all.
        pseudo_label_ratio: M / N, pseudo-labeled architectures for each of the first round.
        max_failures: Failed evaluations before the search gives up.
    """

    num_labeled: int | None = None
    num_new: int | None = None
    num_rounds: int | None = None
    max_queries: int | None = None
    pseudo_label_ratio: float = 100.0
    max_failures: int = 10


def round_sizes(settings: SearchSettings, num_candidates: int, own: OwnSizes | None = None) -> list[int]:
    """Return how many architectures each round evaluates, the first one random.

    What is not set follows from what is: with nothing set, 25 and three rounds of 25; with
    ``max_queries`` alone, a fifth of it at random and the rest in up to six rounds. A strategy with sizes of
    its own spends the same number of evaluations in these, unless the number of rounds is set.

    Args:
        settings: What the config says.
        num_candidates: There are no more.
        own: The strategy's own sizes.

    Raises:
        UserError: The settings contradict each other or the number of candidates.
    """
    least = {"num_labeled": 2, "num_new": 1, "num_rounds": 0, "max_queries": 2, "pseudo_label_ratio": 0}
    least["max_failures"] = 0
    for name, value in least.items():
        given = getattr(settings, name)
        if given is not None and not given >= value:
            raise config_error(f"search.{name}", given, f"at least {value}")
    for name in ("num_labeled", "max_queries"):
        given = getattr(settings, name)
        if given is not None and given > num_candidates:
            raise config_error(f"search.{name}", given, f"at most the {num_candidates} candidates")
    labeled, new, rounds, queries = _complete(settings)
    if queries is not None and labeled > queries:
        raise UserError(f"search.num_labeled={labeled}: is above search.max_queries={queries}")
    left = min(num_candidates if queries is None else queries, num_candidates) - labeled
    sizes = [labeled]
    for _ in range(rounds):
        sizes.append(min(new, left))
        left -= sizes[-1]
    if own is not None and settings.num_rounds is None:
        total = sum(sizes)
        sizes = [settings.num_labeled or min(own.first, total)]
        while (done := sum(sizes)) < total:
            step = settings.num_new or max(own.step, round(own.growth * (done - sizes[0])))
            sizes.append(min(step, total - done))
    return [size for size in sizes if size > 0]


def _complete(settings: SearchSettings) -> tuple[int, int, int, int | None]:
    """Fill in what is not set."""
    labeled, new, rounds = settings.num_labeled, settings.num_new, settings.num_rounds
    queries = settings.max_queries
    if queries is None:
        labeled = labeled or new or NUM_LABELED
        return labeled, new or labeled, NUM_ROUNDS if rounds is None else rounds, None
    if labeled is None:
        free = queries - new * rounds if new and rounds is not None else round(queries * LABELED_SHARE)
        labeled = max(2, queries if rounds == 0 else free)
    rest = max(0, queries - labeled)
    if rounds is None:
        rounds = -(-rest // new) if new else min(MOST_ROUNDS, max(1, rest // LEAST_NEW))
    return labeled, new or max(1, -(-rest // max(1, rounds))), rounds, queries
