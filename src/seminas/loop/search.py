"""The search loop. It connects the space, the evaluator, the strategy and the archive."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seminas.errors import UserError
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation, checked, failed
from seminas.loop.limits import Limits
from seminas.loop.observers import Observer
from seminas.runs.archive import Archive, Record
from seminas.spaces.base import SearchSpace
from seminas.strategies.base import Proposal, Strategy


@dataclass
class Search:
    """One search.

    Attributes:
        space: Space of the candidates.
        evaluator: Evaluator that gives the validation accuracies.
        strategy: Strategy that chooses the architectures to evaluate.
        archive: Archive that stores the evaluations.
        observer: Observer of each event.
        max_failures: Number of failed evaluations that the search accepts.
        add_traceback: Function that stores the traceback of a failed evaluation.
        limits: Limits that end the search before a round. None means no limits.
    """

    space: SearchSpace
    evaluator: Evaluator
    strategy: Strategy
    archive: Archive
    observer: Observer
    max_failures: int
    add_traceback: Callable[[str], None] = lambda text: None
    limits: Limits | None = None

    def run(self, sizes: Sequence[int]) -> None:
        """Evaluate ``sizes[r]`` architectures in round r. The strategy chooses them.

        The archive may hold rounds of an earlier process. The search tells the strategy the accuracies of these rounds.
        If the last round is incomplete, the search asks the strategy for it again, and the strategy proposes the same
        architectures. The search then evaluates only the missing architectures. The search ends early if the strategy
        proposes no architecture, or if it has reached a limit before a round.

        Raises:
            UserError: More than ``max_failures`` evaluations failed, the evaluator gave an invalid answer, or the
                archive belongs to another search.
        """
        last = self.archive.records[-1].round if len(self.archive) else -1
        for number, size in enumerate(sizes):
            recorded = self.archive.round(number)
            if not recorded and self._ends():
                return
            if number < last or len(recorded) == size:
                proposal = Proposal([self.space.from_json(record.architecture) for record in recorded])
            else:
                self.observer.asking(number)
                proposal = self.strategy.ask(size)
                if not proposal.architectures:
                    return
                self._evaluate(proposal, number)
            accuracies = [record.val_accuracy for record in self.archive.round(number)]
            self.strategy.tell(proposal.architectures, accuracies)
            if number >= last:
                self._revise(number)
            self.observer.round_done(number, self.archive, proposal.metrics)

    def _ends(self) -> bool:
        """Return whether the search has reached a limit. Notify the observer of it."""
        reason = None if self.limits is None else self.limits.reason_to_end(self.archive)
        if reason is not None:
            self.observer.ending(reason)
        return reason is not None

    def _revise(self, number: int) -> None:
        """Measure all earlier architectures again, once for each round, if the evaluator's accuracies can change."""
        if not self.evaluator.revises:
            return
        architectures = [self.space.from_json(record.architecture) for record in self.archive.records]
        if self.archive.revised < number:
            accuracies: list[float | None] = list(self.evaluator.revised(architectures))
            for record in self.archive.failures:
                accuracies[record.index] = None
            self.archive.revise(number, accuracies)
        self.strategy.revise(architectures, [record.val_accuracy for record in self.archive.records])

    def _evaluate(self, proposal: Proposal, number: int) -> None:
        """Evaluate the architectures of a round that the archive does not hold yet.

        Raises:
            UserError: The archive belongs to another search, too many evaluations failed, or the evaluator gave an
                invalid answer.
        """
        archive, recorded = self.archive, self.archive.round(number)
        architectures = proposal.architectures
        keys = [self.space.key(architecture) for architecture in architectures]
        if keys[: len(recorded)] != [record.key for record in recorded]:
            raise UserError(
                f"{archive.folder}: its history is not the one that this search asks for; "
                "choose another hydra.run.dir"
            )
        first = len(archive) - len(recorded)
        self._show(archive.expect({first + i: key for i, key in enumerate(keys)}))
        todo = [i for i in range(len(keys)) if not archive.holds(first + i)]
        while todo:
            done: set[int] = set()
            answers = self.evaluator.evaluate([architectures[i] for i in todo])
            while len(done) < len(todo):
                raised = False
                try:
                    position, evaluation = next(answers)
                    _check_answer(position, evaluation, len(todo), done)
                except UserError:
                    raise
                except StopIteration:
                    raise UserError(
                        f"evaluator: ended after {len(done)} of {len(todo)} evaluations of round {number}"
                    ) from None
                except Exception as error:
                    # The evaluator did not catch the exception of an evaluation. The search blames the first
                    # architecture without an answer, and asks for the others again.
                    position = min(set(range(len(todo))) - done)
                    evaluation, raised = failed(error, 0.0), True
                done.add(position)
                i = todo[position]
                prediction = proposal.predictions.get(architectures[i])
                self._add(first + i, number, architectures[i], evaluation, prediction)
                if raised:
                    break
            todo = [i for position, i in enumerate(todo) if position not in done]

    def _add(
        self, index: int, number: int, architecture: Any, evaluation: Evaluation, prediction: float | None
    ) -> None:
        evaluation = checked(evaluation)
        key = self.space.key(architecture)
        if evaluation.error is not None:
            self.add_traceback(f"evaluation {index}, {key}:\n{evaluation.traceback or evaluation.error}")
        record = Record(
            index=index,
            round=number,
            architecture=self.space.to_json(architecture),
            key=key,
            val_accuracy=evaluation.val_accuracy,
            cost_s=evaluation.cost_s,
            prediction=prediction,
            error=evaluation.error,
        )
        self._show(self.archive.add(record))

    def _show(self, records: Sequence[Record]) -> None:
        """Notify the observer of new records in the history.

        Raises:
            UserError: More than ``max_failures`` evaluations failed.
        """
        self.observer.evaluated(records)
        failures = self.archive.failures
        if len(failures) > self.max_failures:
            raise UserError(
                f"search.max_failures={self.max_failures}: {len(failures)} evaluations failed, "
                f"the last one with {failures[-1].error}"
            )


def _check_answer(position: object, evaluation: object, number: int, done: set[int]) -> None:
    """Check an answer of the evaluator.

    Args:
        position: Position of the architecture in the request.
        evaluation: The answer.
        number: Number of architectures in the request.
        done: Positions that already have an answer.

    Raises:
        UserError: The position is not open, or the answer is no ``Evaluation``.
    """
    if not isinstance(position, int | np.integer) or not 0 <= position < number or position in done:
        raise UserError(
            f"evaluator: yields position {position!r}, which is not open among {number} evaluations"
        )
    if not isinstance(evaluation, Evaluation):
        raise UserError(f"evaluator: yields {evaluation!r}, which is no Evaluation")
