"""A strategy that follows the events of a study and proposes the next architecture."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import mean, median

from seminas.config.search import SearchSettings
from seminas.integrations.optuna.events import Event
from seminas.integrations.optuna.parameters import ParameterSpace
from seminas.loop.plan import make_plan
from seminas.spaces.sequence import Choices
from seminas.strategies.base import Strategy

PLANNED = 100
"""Number of evaluations for which rounds are planned first. Each further plan is twice as long."""


class Follower:
    """A strategy with the events that it knows.

    Attributes:
        space: Space of the strategy.
    """

    def __init__(self, space: ParameterSpace, strategy: Strategy[Choices], num_random: int) -> None:
        """Initialize it with a new strategy, and with the number of random architectures."""
        self.space = space
        self._strategy = strategy
        size = space.space.size
        settings = SearchSettings(num_labeled=min(num_random, size))
        self._plan = replace(make_plan(settings, size, strategy.round_sizes), total=size)
        self._planned = PLANNED
        strategy.start(self._plan.sizes(until=PLANNED))
        self._known: list[Event] = []
        self._open: dict[int, Choices] = {}
        self._scores: dict[Choices, list[float]] = {}
        self._complete: list[float] = []

    def continues(self, events: Sequence[Event]) -> bool:
        """Return whether events begin with those that the strategy knows."""
        return list(events[: len(self._known)]) == self._known

    def follow(self, events: Sequence[Event]) -> None:
        """Take the events that the strategy does not know yet."""
        for event in events[len(self._known) :]:
            self._known.append(event)
            if event.ended:
                self._receive(event)
            else:
                self._strategy.begin_question(self._pending())
                self._open[event.number] = event.architecture

    def propose(self, number: int) -> Choices | None:
        """Return the architecture for a trial, or None if there is no new one."""
        proposal = self._strategy.ask(1, self._pending())
        if not proposal.architectures:
            return None
        (architecture,) = proposal.architectures
        self._known.append(Event(number, architecture))
        self._open[number] = architecture
        return architecture

    def _receive(self, event: Event) -> None:
        """Give the strategy a result.

        An architecture that was evaluated several times has its mean score. A pruned trial has at most the median score
        of the complete trials so far, because its score is of an unfinished evaluation.
        """
        self._open.pop(event.number, None)
        score = event.score
        if event.partial and score is not None:
            score = min(score, median(self._complete)) if self._complete else None
        elif score is not None:
            self._complete.append(score)
        scores = self._scores.setdefault(event.architecture, [])
        if score is not None:
            scores.append(score)
        self._strategy.tell([event.architecture], [mean(scores) if scores else None])
        if len(self._known) >= self._planned:
            self._planned *= 2
            self._strategy.sizes = self._plan.sizes(until=self._planned)

    def _pending(self) -> dict[Choices, None]:
        return dict.fromkeys(self._open.values())
