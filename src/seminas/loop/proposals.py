"""Proposals of an asynchronous search: made when a worker is free, or ahead of time in a thread of their own."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from seminas.execution.cancelling import cancellable
from seminas.strategies.base import Strategy

Result = tuple[Any, float | None, Mapping[str, float]]
"""An architecture, its score or None for a failed evaluation, and its values of further metrics by name."""
NOTHING: Mapping[str, float] = MappingProxyType({})
ROUNDS_AHEAD = 2
"""Largest number of proposals that are made ahead, in rounds."""


def num_together(total: int, num_workers: int, share: float) -> int:
    """Return the number of last questions that are asked together, so that the workers end at about the same time.

    Args:
        total: Number of questions in the whole search.
        num_workers: Number of workers.
        share: Largest fraction of all questions, see ``Strategy.share_together``.
    """
    return min(num_workers, max(1, int(share * total)))


@dataclass(frozen=True)
class Asked:
    """An architecture that the strategy proposed.

    Attributes:
        architecture: The architecture.
        known: Number of evaluations that the strategy knew.
        round: Round of the strategy, whose fit made the proposal.
        prediction: Predicted score, or None.
        metrics: Numbers for the loggers by name.
        origin: Part of the strategy from which the architecture came, or None.
    """

    architecture: Any
    known: int
    round: int
    prediction: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    origin: str | None = None


class Proposals:
    """Proposals that are made when a worker asks for them.

    Attributes:
        pending: Architectures that were asked for and whose evaluations have not arrived.
    """

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self._known = 0
        self.pending: dict[Any, None] = {}
        self._exhausted = False

    @property
    def exhausted(self) -> bool:
        """Whether the strategy knows all scores so far and has no more architectures."""
        return self._exhausted

    def replay(self, architecture: Any, results: list[Result]) -> None:
        """Receive a recorded question.

        Args:
            architecture: Architecture that the strategy proposed.
            results: Results that arrived between the question before and this one, in order.
        """
        for result in results:
            self._receive(*result)
        self._strategy.begin_question(self.pending, architecture)
        self.pending[architecture] = None

    def next(self) -> Asked | None:
        """Return the next proposal, or None if there is none now."""
        return self._ask()

    def tell(self, architecture: Any, score: float | None, further: Mapping[str, float] = NOTHING) -> None:
        """Receive a score, or None for a failed evaluation, and the values of further metrics by name."""
        self._receive(architecture, score, further)

    def wait(self, timeout_s: float) -> None:
        """Wait until there is a proposal, or until the time is over."""

    def close(self) -> None:
        """End the thread, if there is one."""

    def _receive(self, architecture: Any, score: float | None, further: Mapping[str, float]) -> None:
        self._strategy.receive_further([architecture], [further])
        self._strategy.tell([architecture], [score])
        self._known += 1
        self.pending.pop(architecture, None)
        self._exhausted = False

    def _ask(self) -> Asked | None:
        proposal = self._strategy.ask(1, self.pending)
        self._exhausted = not proposal.architectures
        if self._exhausted:
            return None
        (architecture,) = proposal.architectures
        self.pending[architecture] = None
        prediction = proposal.predictions.get(architecture)
        return Asked(
            architecture,
            self._known,
            self._strategy.round,
            prediction,
            proposal.metrics,
            proposal.origins.get(architecture),
        )


class ProposalsAhead(Proposals):
    """Proposals that a thread makes ahead of time, so that no worker waits for a fit.

    Before the strategy fits again, the thread fills the queue of proposals with those of the fit before. The queue
    holds as many proposals as workers become free during a fit, and at most two rounds of them. Evaluations that end
    during a fit are all in the next fit.
    """

    def __init__(self, strategy: Strategy, num_workers: Callable[[], int], total: int) -> None:
        """Initialize the proposals. ``start`` starts the thread.

        Args:
            strategy: The strategy. From ``start`` on, only the thread uses it.
            num_workers: Function that returns the number of workers.
            total: Number of questions in the whole search.
        """
        super().__init__(strategy)
        self._num_workers, self._total, self._num_asked = num_workers, total, 0
        self._ready: deque[Asked] = deque()
        self._news: deque[Result] = deque()
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="proposals", daemon=True)
        self._fit_s, self._began, self._num_told = 0.0, 0.0, 0

    @property
    def exhausted(self) -> bool:
        """Whether the strategy knows all scores so far and has no more architectures."""
        with self._changed:
            return self._exhausted and not self._news and not self._ready

    def start(self, num_asked: int) -> None:
        """Start the thread. ``num_asked`` is the number of recorded questions."""
        self._num_asked, self._began = num_asked, time.monotonic()
        self._thread.start()

    def next(self) -> Asked | None:
        """Return the next proposal, or None if none is ready.

        Raises:
            Exception: The strategy raised it.
        """
        with self._changed:
            if self._error is not None:
                raise self._error
            asked = self._ready.popleft() if self._ready else None
            self._changed.notify_all()
            return asked

    def tell(self, architecture: Any, score: float | None, further: Mapping[str, float] = NOTHING) -> None:
        """Receive a score, or None for a failed evaluation, and the values of further metrics by name."""
        with self._changed:
            self._news.append((architecture, score, further))
            self._num_told += 1
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> None:
        """Wait until there is a proposal, or until the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._error or self._exhausted, timeout_s)

    def close(self) -> None:
        """End the thread. A fit ends after its current step."""
        with self._changed:
            self._ended.set()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _wanted(self) -> int:
        """Return the number of proposals that the queue should hold."""
        num_left = self._total - self._num_asked
        if num_left <= num_together(self._total, self._num_workers(), self._strategy.share_together):
            return len(self._ready) + num_left
        seconds_between_ends = (time.monotonic() - self._began) / max(1, self._num_told)
        during_fit = math.ceil(self._fit_s / seconds_between_ends) if self._num_told else 1
        most = max(self._num_workers(), ROUNDS_AHEAD * self._strategy.size_of_round)
        return min(max(1, during_fit), most, len(self._ready) + num_left)

    def _work(self) -> None:
        """Make proposals until the end of the search."""
        try:
            with cancellable(self._ended):
                while not self._ended.is_set():
                    self._step()
        except BaseException as error:
            with self._changed:
                self._error = None if self._ended.is_set() else error
                self._changed.notify_all()

    def _step(self) -> None:
        """Make a proposal, or receive news, or wait for something to do."""
        with self._changed:
            short = len(self._ready) < self._wanted() and not self._exhausted
            if not short and not self._news:
                self._changed.wait(1.0)
                return
            # Proposals of the fit before come first, because the news may need another fit.
            makes = short and (not self._news or not self._strategy.begins_round(self.pending))
            news = [] if makes else list(self._news)
            if not makes:
                self._news.clear()
                self._exhausted = False
        for result in news:
            self._receive(*result)
        if not makes:
            return
        start = time.monotonic()
        fits = self._strategy.begins_round(self.pending)
        asked = self._ask()
        with self._changed:
            if fits:
                self._fit_s = time.monotonic() - start
            if asked is not None:
                self._ready.append(asked)
                self._num_asked += 1
            self._changed.notify_all()
