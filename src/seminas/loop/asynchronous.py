"""An asynchronous search. A worker that becomes free gets an architecture at once."""

import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from seminas.errors import UserError
from seminas.evaluators.workers import Simulated
from seminas.loop.proposals import Asked, Proposals, ProposalsAhead
from seminas.loop.questions import replay, store_question
from seminas.loop.search import POLL_S, Search
from seminas.runs.archive import Archive
from seminas.runs.records import Question

STARVING_S = 0.05
"""Seconds between two looks at the evaluations while a worker waits for a proposal."""


def run_asynchronously(search: Search, sizes: Sequence[int]) -> None:
    """Evaluate architectures, at most as many at a time as there are workers.

    The archive may hold the questions and evaluations of an earlier process. The strategy first receives them in their
    order. Evaluations that had not ended begin again. The search ends early if the strategy proposes no architecture,
    if it has reached a limit, or after Ctrl-C. After a limit, running evaluations are dropped. After Ctrl-C they end.

    Args:
        search: Parts of the search.
        sizes: Number of architectures in each round of the strategy. The first round is random.

    Raises:
        UserError: More than ``max_failures`` evaluations failed, the evaluator gave an invalid answer, or the archive
            belongs to another search.
    """
    _Asynchronous(search, sizes).run()


class _Asynchronous:
    """The loop and its state.

    Attributes:
        running: Questions whose evaluations run, by number.
    """

    def __init__(self, search: Search, sizes: Sequence[int]) -> None:
        self.search, self.archive = search, search.archive
        self.total = sum(sizes)
        self.ends = list(accumulate(sizes))
        self.round = 0
        self.running: dict[int, tuple[Question, Any]] = {}
        self.metrics: defaultdict[int, dict[str, float]] = defaultdict(dict)
        self.starving_since: float | None = None
        search.strategy.start(sizes)
        self.proposals = self._make_proposals()

    def _make_proposals(self) -> Proposals:
        """Return the proposals. They are made ahead of time if several evaluations run in real time.

        With one worker they are made when it is free, so that the search is exactly reproducible.
        """
        search = self.search
        if search.workers.now_s() is not None or search.workers.num_workers == 1:
            return Proposals(search.strategy)
        return ProposalsAhead(search.strategy, lambda: search.workers.num_workers, self.total)

    def run(self) -> None:
        """Run the search to its end."""
        try:
            self._go_on()
            if isinstance(self.proposals, ProposalsAhead):
                self.proposals.start(len(self.archive.questions))
            while self._step():
                pass
        finally:
            self.proposals.close()

    def _go_on(self) -> None:
        """Give the strategy the recorded events, and begin the evaluations again that had not ended."""
        search, archive = self.search, self.archive
        refusal = "this search; choose another hydra.run.dir"
        replay(archive, search.space, search.strategy, self.proposals, refusal)
        if isinstance(search.workers, Simulated) and archive.records:
            search.workers.go_on_from(archive.records[-1].ended_s or 0.0)
        self._end_rounds()
        for question in archive.open_questions():
            self._begin(question, search.space.from_json(question.architecture))

    def _step(self) -> bool:
        """Begin evaluations, and wait for one to end. Return whether the search goes on."""
        search = self.search
        if search.ends():
            return False
        wants = not search.interrupted() and len(self.archive.questions) < self.total
        while wants and len(self.running) < search.workers.num_workers:
            asked = self.proposals.next()
            if asked is None:
                break
            self._ask(asked)
            wants = len(self.archive.questions) < self.total
        free = wants and len(self.running) < search.workers.num_workers and not self.proposals.exhausted
        self._note_starving(free)
        if not self.running:
            if not free:
                if wants:
                    search.ended_by = "space"
                return False
            self.proposals.wait(POLL_S)
            return True
        for number, evaluation in search.workers.wait(STARVING_S if free else POLL_S):
            question, architecture = self.running.pop(number)
            index = len(self.archive)
            search.add(index, self._round_of(index), architecture, evaluation, question.prediction, number)
            self.proposals.tell(architecture, self.archive.records[index].val_accuracy)
            self._end_rounds()
        return True

    def _ask(self, asked: Asked) -> None:
        """Store a question, and begin its evaluation."""
        question = store_question(self.archive, self.search.space, asked, self.search.now_s())
        self.metrics[asked.round] |= asked.metrics
        self._begin(question, asked.architecture)

    def _begin(self, question: Question, architecture: Any) -> None:
        self.running[question.number] = question, architecture
        self.search.workers.begin(question.number, architecture, question.asked_s)
        self.search.observer.running(len(self.running))

    def _note_starving(self, starving: bool) -> None:
        """Count the seconds in which a worker was free and no proposal was ready."""
        now = time.monotonic()
        if self.starving_since is not None:
            metrics = self.metrics[self.round]
            metrics["waited_s"] = metrics.get("waited_s", 0.0) + now - self.starving_since
        self.starving_since = now if starving else None

    def _round_of(self, index: int) -> int:
        """Return the round of the evaluation at ``index``, counted by the planned sizes."""
        number = self.round
        while number < len(self.ends) - 1 and index >= self.ends[number]:
            number += 1
        return number

    def _end_rounds(self) -> None:
        """Notify the observer of each round whose evaluations are all in the history."""
        while self.round < len(self.ends) and len(self.archive) >= self.ends[self.round]:
            metrics = self.metrics.pop(self.round, {})
            self.search.observer.round_done(self.round, self.archive, metrics)
            self.round += 1


def is_asynchronous(archive: Archive, chosen: bool | None, num_workers: int, revises: bool) -> bool:
    """Return whether a search is asynchronous. A search goes on as it has begun.

    Args:
        archive: Archive of the search.
        chosen: Setting ``search.asynchronous``.
        num_workers: Number of evaluations that run at the same time.
        revises: Whether the evaluator measures again after each round, so that it needs rounds.

    Raises:
        UserError: The setting does not suit the evaluator.
    """
    if revises and chosen:
        raise UserError("search.asynchronous=true: must be false with an evaluator that measures again")
    if len(archive) or archive.questions:
        return bool(archive.questions)
    return chosen if chosen is not None else num_workers > 1 and not revises
