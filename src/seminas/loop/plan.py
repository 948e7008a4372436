"""How many architectures a search evaluates, and when."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seminas.config.search import SearchSettings
from seminas.errors import UserError, config_error
from seminas.strategies.base import RoundSizes

NUM_LABELED, NUM_ROUNDS = 25, 3
LABELED_SHARE, MOST_ROUNDS, LEAST_NEW = 1 / 5, 6, 5


@dataclass(frozen=True)
class Plan:
    """The rule that gives the size of each round.

    Attributes:
        total: Evaluations in all.
        first: Architectures of the first, random round.
        step: Architectures of the next round, given those evaluated so far and those of the first round.
    """

    total: int
    first: int
    step: Callable[[int, int], int]

    def sizes(self, planned: Sequence[int] = ()) -> list[int]:
        """Return the size of each round; ``planned`` are rounds of an earlier plan, which stay as they are."""
        sizes = list(planned) or [min(self.first, self.total)]
        while (done := sum(sizes)) < self.total:
            sizes.append(min(self.step(done, sizes[0]), self.total - done))
        return sizes


def make_plan(settings: SearchSettings, num_candidates: int, wanted: RoundSizes | None = None) -> Plan:
    """Return the plan that settings, the number of candidates and a strategy give.

    What is not set follows from what is: with nothing set, 25 and three rounds of 25; with ``max_queries`` alone, a
    fifth of it at random and the rest in up to six rounds. A strategy that wants sizes of its own spends the same
    number of evaluations in these, unless ``num_rounds`` is set.

    Args:
        settings: The ``search`` section.
        num_candidates: There are no more architectures.
        wanted: The strategy's own sizes.

    Raises:
        UserError: The settings contradict each other or the number of candidates.
    """
    for name in ("num_labeled", "max_queries"):
        value = getattr(settings, name)
        if value is not None and value > num_candidates:
            raise config_error(f"search.{name}", value, f"at most the {num_candidates} candidates")
    labeled, new, rounds = _complete(settings)
    most = num_candidates if settings.max_queries is None else settings.max_queries
    if labeled > most and settings.max_queries is not None:
        raise UserError(f"search.num_labeled={labeled}: is above search.max_queries={settings.max_queries}")
    total = min(most, labeled + new * rounds)
    if wanted is None or settings.num_rounds is not None:
        return Plan(total, labeled, lambda done, first: new)

    def step(done: int, first: int) -> int:
        return settings.num_new or max(wanted.step, round(wanted.growth * (done - first)))

    return Plan(total, settings.num_labeled or wanted.first, step)


def _complete(settings: SearchSettings) -> tuple[int, int, int]:
    """Return the first round, a further round and the number of further rounds, with what is not set filled in."""
    labeled, new, rounds = settings.num_labeled, settings.num_new, settings.num_rounds
    queries = settings.max_queries
    if queries is None:
        labeled = labeled or new or NUM_LABELED
        return labeled, new or labeled, NUM_ROUNDS if rounds is None else rounds
    if labeled is None:
        free = queries - new * rounds if new and rounds is not None else round(queries * LABELED_SHARE)
        labeled = max(2, queries if rounds == 0 else free)
    rest = max(0, queries - labeled)
    if rounds is None:
        rounds = -(-rest // new) if new else min(MOST_ROUNDS, max(1, rest // LEAST_NEW))
    return labeled, new or max(1, -(-rest // max(1, rounds))), rounds
