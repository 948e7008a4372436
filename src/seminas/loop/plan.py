"""Plan the rounds of a search: how many architectures it evaluates in each round."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from seminas.config.search import SearchSettings
from seminas.errors import UserError, config_error
from seminas.strategies.base import RoundSizes

NUM_LABELED, NUM_ROUNDS = 25, 3
LABELED_SHARE, MOST_ROUNDS, LEAST_NEW = 1 / 5, 6, 5


@dataclass(frozen=True)
class Plan:
    """The rule for the size of each round.

    Attributes:
        total: Number of evaluations in the whole search.
        first: Number of random architectures in the first round.
        step: Function that returns the size of the next round. Its arguments are the number of evaluations so far and
            the size of the first round.
    """

    total: int
    first: int
    step: Callable[[int, int], int]

    def before_repeats(self, repeats: int) -> "Plan":
        """Return the part of the plan before the second trainings, which are its last evaluations.

        Args:
            repeats: Number of second trainings, ``search.repeats``.

        Raises:
            UserError: They are more than half of the evaluations, or leave fewer than two others.
        """
        most = max(0, min(self.total // 2, self.total - 2))
        if repeats > most:
            raise config_error("search.repeats", repeats, f"at most {most} of {self.total} evaluations")
        return replace(self, total=self.total - repeats)

    def sizes(
        self, planned: Sequence[int] = (), *, num_imported: int = 0, until: int | None = None
    ) -> list[int]:
        """Return the size of each round.

        Args:
            planned: Sizes of the rounds of an earlier plan. They are kept, and new rounds follow them.
            num_imported: Number of imported evaluations. They take the place of the random round.
            until: Number of evaluations from which no further round begins. None means the whole plan.
        """
        imported = [num_imported] if num_imported else []
        sizes = [*imported, *planned] or [min(self.first, self.total)]
        done, total = sum(sizes), num_imported + self.total
        most = total if until is None else min(num_imported + until, total)
        while done < most:
            sizes.append(min(self.step(done, sizes[0]), total - done))
            done += sizes[-1]
        return sizes[len(imported) :]


def make_plan(settings: SearchSettings, num_candidates: int, wanted: RoundSizes | None = None) -> Plan:
    """Return the plan for a search.

    Missing settings follow from the others. With no setting, the first round has 25 architectures, and three rounds of
    25 follow. With ``max_queries`` alone, a fifth of the evaluations is random, and up to six rounds share the rest. If
    the strategy prefers its own round sizes, the plan uses them for the same total number of evaluations. This does not
    apply if ``num_rounds`` is set.

    Args:
        settings: The ``search`` section.
        num_candidates: Number of architectures that can be evaluated.
        wanted: Round sizes that the strategy prefers, or None.

    Raises:
        UserError: The settings contradict each other, or they ask for more architectures than there are candidates.
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

    return Plan(total, settings.num_labeled or wanted.first_of(total), step)


def _complete(settings: SearchSettings) -> tuple[int, int, int]:
    """Return the sizes of the first and of a later round, and the number of later rounds. Fill in missing settings."""
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
