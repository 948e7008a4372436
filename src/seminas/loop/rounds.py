"""A search of rounds. All workers wait for the end of a round, and then for the strategy."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, islice, takewhile
from typing import Any

from seminas.errors import UserError
from seminas.evaluators.workers import Simulated
from seminas.loop.questions import element_of
from seminas.loop.search import POLL_S, Search
from seminas.runs.records import Record
from seminas.spaces.rungs import Rung, plain
from seminas.strategies.base import Proposal


def run_rounds(search: Search, sizes: Sequence[int]) -> None:
    """Evaluate ``sizes[r]`` architectures in round r. The strategy chooses them.

    The archive may hold rounds of an earlier process. The search tells the strategy the accuracies of these rounds. If
    the last round is incomplete, the search asks the strategy for it again, and the strategy proposes the same
    architectures. The search then evaluates only the missing architectures. The search ends early if the strategy
    proposes no architecture, if it has reached a limit before a round, or after Ctrl-C.

    Raises:
        UserError: More than ``max_failures`` evaluations failed, the evaluator gave an invalid answer, or the archive
            belongs to another search.
    """
    archive, space = search.archive, search.space
    last = archive.records[-1].round if len(archive) else -1
    if archive.imported:
        imported = [element_of(space, record) for record in archive.imported]
        _tell(search, imported, archive.imported)
    for number, size in enumerate(sizes):
        recorded = archive.round(number)
        _set_clock(search, number)
        if not recorded and (search.interrupted() or search.ends()):
            return
        if number < last or len(recorded) == size:
            proposal = Proposal([element_of(space, record) for record in recorded])
        else:
            search.observer.asking(number)
            proposal = search.strategy.ask(size)
            if not proposal.architectures:
                search.ended_by = "space"
                return
            proposal = _affordable(search, proposal, number)
            if not proposal.architectures:
                search.ended_by = "max_cost"
                return
            if search.interrupted() or not _evaluate(search, proposal, number):
                return
        _tell(search, proposal.architectures, archive.round(number))
        if number >= last:
            _revise(search, number)
        search.observer.round_done(number, archive, proposal.metrics)


def _affordable(search: Search, proposal: Proposal, number: int) -> Proposal:
    """Return the first evaluations of a round, as many as ``search.max_cost`` allows after the rounds before it.

    Without fidelities, the plan has as many rounds as the cost allows.
    """
    elements = proposal.architectures
    if search.limits is None or not any(isinstance(element, Rung) for element in elements):
        return proposal
    before = sum(record.cost or 0.0 for record in search.archive.records if record.round < number)
    costs = accumulate((search.evaluator.cost_of(element) for element in elements), initial=before)
    affords = search.limits.affords
    num_allowed = sum(1 for _ in takewhile(affords, islice(costs, 1, None)))
    return replace(proposal, architectures=elements[:num_allowed])


def _tell(search: Search, architectures: Sequence[Any], records: Sequence[Record]) -> None:
    """Tell the strategy the evaluations of architectures."""
    search.strategy.receive_further(architectures, [record.metrics for record in records])
    search.strategy.tell(architectures, search.archive.scores(records))


def _set_clock(search: Search, number: int) -> None:
    """Set a simulated clock to the end of the rounds before round ``number``.

    With one worker, set it to the end of the last evaluation.
    """
    if isinstance(search.workers, Simulated):
        last = number if search.workers.num_workers == 1 else number - 1
        before = [record for record in search.archive.records if record.round <= last]
        ends = [record.ended_s for record in before if record.ended_s is not None]
        search.workers.go_on_from(max(ends) if ends else sum(record.cost_s for record in before))


def _revise(search: Search, number: int) -> None:
    """Measure all earlier architectures again, once for each round, if the evaluator's values can change."""
    if not search.evaluator.revises:
        return
    archive = search.archive
    architectures = [element_of(search.space, record) for record in archive.records]
    if archive.revised < number:
        values = [archive.metric.checked(value) for value in search.evaluator.revised(architectures)]
        for record in archive.failures:
            values[record.index] = None
        archive.revise(number, values)
    search.strategy.revise(architectures, archive.scores(archive.records))


def _evaluate(search: Search, proposal: Proposal, number: int) -> bool:
    """Evaluate the architectures of a round that the archive does not hold yet.

    Returns:
        Whether the round is complete. After Ctrl-C, only the running evaluations end.

    Raises:
        UserError: The archive belongs to another search, too many evaluations failed, or the evaluator gave an
            invalid answer.
    """
    archive, workers, architectures = search.archive, search.workers, proposal.architectures
    recorded = archive.round(number)
    keys = [search.space.key(plain(architecture)) for architecture in architectures]
    epochs = [a.epochs if isinstance(a, Rung) else None for a in architectures]
    asked = list(zip(keys, epochs, strict=True))
    if asked[: len(recorded)] != [(record.key, record.epochs) for record in recorded]:
        raise UserError(
            f"{archive.folder}: its history is not the one that this search asks for; "
            "choose another hydra.run.dir"
        )
    first = len(archive) - len(recorded)
    search.show(archive.expect({first + i: key for i, key in enumerate(keys)}))
    # Simulated workers need the whole round, to know which of them is free when.
    simulates = workers.now_s() is not None and workers.num_workers > 1
    running = {i for i in range(len(keys)) if simulates or not archive.holds(first + i)}
    for i in sorted(running):
        workers.begin(i, architectures[i])
    dropped: list[int] = []
    while running:
        if search.interrupted():
            dropped += workers.drop_waiting()
            running -= set(dropped)
        for i, evaluation in workers.wait(POLL_S) if running else ():
            running.remove(i)
            if not archive.holds(first + i):
                a = architectures[i]
                score, origin = proposal.predictions.get(a), proposal.origins.get(a)
                prediction = None if score is None else archive.metric.score(score)
                search.add(first + i, number, a, evaluation, prediction=prediction, origin=origin)
    return not dropped
