"""A strategy that follows the events of a study and proposes the next architecture."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import mean, median

from seminas.config.search import SearchSettings
from seminas.integrations.optuna.events import Event
from seminas.integrations.optuna.parameters import ParameterSpace
from seminas.loop.objectives import make_goals
from seminas.loop.plan import make_plan
from seminas.runs.metric import Metric
from seminas.spaces.exact import ExactCosts
from seminas.spaces.sequence import Choices
from seminas.strategies.base import Strategy

PLANNED = 100
"""Number of evaluations for which rounds are planned first. Each further plan is twice as long."""


def pursue(strategy: Strategy[Choices], metrics: Sequence[Metric]) -> None:
    """Give a new strategy the objectives of a study, if it has several.

    Raises:
        UserError: The strategy takes one objective, or the package's extra "objectives" is not installed.
    """
    main, *further = metrics
    names = [metric.name for metric in metrics]
    costs: ExactCosts[Choices] = ExactCosts({})
    goals = make_goals(names, {}, strategy.space, main, further, costs, "SemiNASSampler: objectives")
    if goals is not None:
        strategy.pursue(goals)


class Follower:
    """A strategy with the events that it knows.

    Attributes:
        space: Space of the strategy.
        metrics: The objectives of the study.
    """

    def __init__(
        self,
        space: ParameterSpace,
        strategy: Strategy[Choices],
        num_random: int,
        metrics: Sequence[Metric],
    ) -> None:
        """Initialize it with a new strategy, the number of random architectures, and the objectives.

        Raises:
            UserError: There are several objectives, and the strategy takes one.
        """
        self.space, self.metrics = space, tuple(metrics)
        pursue(strategy, metrics)
        self._strategy = strategy
        size = space.space.size
        settings = SearchSettings(num_labeled=min(num_random, size))
        self._plan = replace(make_plan(settings, size, strategy.round_sizes), total=size)
        self._planned = PLANNED
        strategy.start(self._plan.sizes(until=PLANNED))
        self._known: list[Event] = []
        self._open: dict[int, Choices] = {}
        self._scores: dict[Choices, list[tuple[float, ...]]] = {}
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
        found = event.scores
        if event.partial and found is not None:
            found = (min(found[0], median(self._complete)),) if self._complete else None
        elif found is not None:
            self._complete.append(found[0])
        scores = self._scores.setdefault(event.architecture, [])
        if found is not None:
            scores.append(found)
        means = [mean(of_objective) for of_objective in zip(*scores, strict=True)]
        values = {m.name: m.score(score) for m, score in zip(self.metrics[1:], means[1:], strict=False)}
        self._strategy.receive_further([event.architecture], [values])
        self._strategy.tell([event.architecture], [means[0] if means else None])
        if len(self._known) >= self._planned:
            self._planned *= 2
            self._strategy.sizes = self._plan.sizes(until=self._planned)

    def _pending(self) -> dict[Choices, None]:
        return dict.fromkeys(self._open.values())
