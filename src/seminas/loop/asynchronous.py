"""An asynchronous search. A worker that becomes free gets an architecture at once."""

import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from seminas.errors import UserError
from seminas.evaluators.workers import Simulated
from seminas.loop.durations import predicted_seconds
from seminas.loop.proposals import Asked, Proposals, ProposalsAhead, num_together
from seminas.loop.questions import replay, store_question
from seminas.loop.search import POLL_S, Search
from seminas.runs.archive import Archive
from seminas.runs.records import Question, Record
from seminas.spaces.rungs import plain
from seminas.strategies.base import summed

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
        round: Round of the next evaluation in the history, counted by the planned sizes.
        running: Questions whose evaluations run, by number.
        waiting: Questions whose evaluations begin next, in this order.
        architectures: Architecture of each question, or its rung.
        spent: Whether the next evaluation would cost more than ``search.max_cost`` allows.
    """

    def __init__(self, search: Search, sizes: Sequence[int]) -> None:
        self.search, self.archive = search, search.archive
        self.total = sum(sizes)
        self.ends = list(accumulate(sizes))
        self.round = 0
        self.running: dict[int, Question] = {}
        self.waiting: list[Question] = []
        self.architectures: list[Any] = []
        self.metrics: defaultdict[int, dict[str, float]] = defaultdict(dict)
        self.spent = False
        self.starving_since: float | None = None
        imported = {record.key for record in self.archive.imported}
        search.strategy.start([len(imported), *sizes] if imported else sizes)
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
        self.architectures = replay(archive, search.space, search.strategy, self.proposals, refusal)
        for record, score in zip(archive.records, archive.scores(archive.records), strict=True):
            assert record.number is not None
            search.evaluator.recorded(self.architectures[record.number], score)
        if isinstance(search.workers, Simulated) and archive.records:
            search.workers.go_on_from(archive.records[-1].ended_s or 0.0)
        self._end_rounds()
        self._begin_open()

    def _begin_open(self) -> None:
        """Begin the evaluations again that had begun and not ended. The others wait as before.

        On a simulated clock, they begin at the times at which they began before.
        """
        questions, records = self.archive.questions, self.archive.records
        opened = {question.number for question in self.archive.open_questions()}
        last = [q for q in questions if (q.known, q.asked_s) == (questions[-1].known, questions[-1].asked_s)]
        for question in questions[: len(questions) - len(last)]:
            if question.number in opened:
                self._begin(question, question.asked_s)
        if not last:
            return
        # The questions that were asked last were asked together. Some workers were free then, and others became free
        # when an evaluation ended.
        self.waiting = last
        self._sort_waiting(records[: last[0].known])
        free = self.search.workers.num_workers - (last[0].number - last[0].known)
        times = [last[0].asked_s] * free + [record.ended_s or 0.0 for record in records[last[0].known :]]
        begun = self.waiting[: len(times)]
        self.waiting = [q for q in self.waiting[len(times) :] if q.number in opened]
        for question, at_s in zip(begun, times, strict=False):
            if question.number in opened:
                self._begin(question, at_s)

    def _step(self) -> bool:
        """Begin evaluations, and wait for one to end. Return whether the search goes on."""
        search = self.search
        if search.ends():
            return False
        goes_on = not search.interrupted()
        if not goes_on and search.workers.now_s() is not None:
            return False  # Simulated evaluations cost nothing. The dropped ones begin again, and the history is equal.
        if goes_on:
            self._ask_for_free_workers()
            while self.waiting and len(self.running) < search.workers.num_workers:
                question = self.waiting.pop(0)
                self._begin(question, search.now_s())
        starving = goes_on and self._num_left() > 0 and self._num_free() > 0 and not self.proposals.exhausted
        self._note_starving(starving)
        if not self.running:
            if not starving:
                if self.spent:
                    search.ended_by = "max_cost"
                elif goes_on and self._num_left():
                    search.ended_by = "space"
                return False
            self.proposals.wait(POLL_S)
            return True
        for number, evaluation in search.workers.wait(STARVING_S if starving else POLL_S):
            question = self.running.pop(number)
            architecture, index = self._architecture(question), len(self.archive)
            search.add(
                index,
                self.round,
                architecture,
                evaluation,
                prediction=question.prediction,
                origin=question.origin,
                number=number,
            )
            record = self.archive.records[index]
            (score,) = self.archive.scores([record])
            self.proposals.tell(architecture, score, record.metrics)
            self._end_rounds()
        return True

    def _num_left(self) -> int:
        """Return the number of questions that are planned and not asked yet."""
        return 0 if self.spent else self.total - len(self.archive.questions)

    def _affords(self, asked: Asked) -> bool:
        """Return whether the cost allows a further evaluation, after all that have ended or been asked for."""
        search, cost_of = self.search, self.search.evaluator.cost_of
        opened = [*self.running.values(), *self.waiting]
        cost = search.archive.cost + sum(cost_of(self._architecture(q)) for q in opened)
        return search.limits is None or search.limits.affords(cost + cost_of(asked.architecture))

    def _num_free(self) -> int:
        """Return the number of workers for which no question waits."""
        return self.search.workers.num_workers - len(self.running) - len(self.waiting)

    def _ask_for_free_workers(self) -> None:
        """Ask a question for each free worker.

        The last questions are asked together (see ``num_together``). The evaluation that seems to take longest
        begins first, so that all workers end at about the same time.
        """
        before = len(self.waiting)
        share = self.search.strategy.share_together
        most = num_together(self.total, self.search.workers.num_workers, share)
        together = self._num_left() <= most and (self._num_free() > 0 or before > 0)
        while self._num_left() > 0 and (together or self._num_free() > 0):
            asked = self.proposals.next()
            if asked is None:
                break
            if not self._affords(asked):
                self.spent = True
                break
            self._ask(asked)
        if len(self.waiting) > max(1, before):
            self._sort_waiting(self.archive.records)

    def _sort_waiting(self, records: Sequence[Record]) -> None:
        """Put the longest evaluations first, as far as the records tell."""
        architectures = [plain(self._architecture(question)) for question in self.waiting]
        seconds = predicted_seconds(self.search.space, records, architectures)
        self.waiting = [self.waiting[i] for i in np.argsort(-seconds, kind="stable")]

    def _architecture(self, question: Question) -> Any:
        return self.architectures[question.number]

    def _ask(self, asked: Asked) -> None:
        """Store a question. Its evaluation waits for a free worker."""
        question = store_question(self.archive, self.search.space, asked, self.search.now_s())
        # The imported evaluations are the strategy's first round.
        number = asked.round - bool(self.archive.imported)
        self.metrics[number] = summed(self.metrics[number], asked.metrics)
        self.architectures.append(asked.architecture)
        self.waiting.append(question)

    def _begin(self, question: Question, at_s: float) -> None:
        self.running[question.number] = question
        self.search.workers.begin(question.number, self._architecture(question), at_s)
        self.search.observer.running(len(self.running))

    def _note_starving(self, starving: bool) -> None:
        """Count the seconds in which a worker was free and no proposal was ready."""
        now = time.monotonic()
        if self.starving_since is not None:
            waited = {"waited_s": now - self.starving_since}
            self.metrics[self.round] = summed(self.metrics[self.round], waited)
        self.starving_since = now if starving else None

    def _end_rounds(self) -> None:
        """Notify the observer of each round whose evaluations are all in the history."""
        while self.round < len(self.ends) and len(self.archive) >= self.ends[self.round]:
            last = self.round == len(self.ends) - 1
            # The strategy may have more rounds than are planned, because its first one may have been shorter.
            numbers = [n for n in sorted(self.metrics) if last or n <= self.round]
            metrics = summed(*(self.metrics.pop(n) for n in numbers))
            self.search.observer.round_done(self.round, self.archive, metrics)
            self.round += 1


def is_asynchronous(
    archive: Archive, chosen: bool | None, num_workers: int, revises: bool, asks_singly: bool = False
) -> bool:
    """Return whether a search is asynchronous. A search goes on as it has begun.

    Args:
        archive: Archive of the search.
        chosen: Setting ``search.asynchronous``.
        num_workers: Number of evaluations that run at the same time.
        revises: Whether the evaluator measures again after each round, so that it needs rounds.
        asks_singly: Whether the strategy uses each accuracy at once.

    Raises:
        UserError: The setting does not suit the evaluator.
    """
    if revises and chosen:
        raise UserError("search.asynchronous=true: must be false with an evaluator that measures again")
    if len(archive) or archive.questions:
        return bool(archive.questions)
    return chosen if chosen is not None else (num_workers > 1 or asks_singly) and not revises
