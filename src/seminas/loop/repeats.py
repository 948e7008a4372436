"""The end of a search with ``search.repeats``: second trainings of the best architectures."""

from seminas.evaluators.evaluation import Evaluation, checked
from seminas.evaluators.workers import Simulated
from seminas.loop.search import POLL_S, Search
from seminas.runs.archive import Archive
from seminas.runs.records import Record
from seminas.runs.repeats import Repeat
from seminas.spaces.retraining import Retraining

ENDS_OF_PLAN = ("max_queries", "space")
"""Ends of a search after which it trains architectures a second time. A limit leaves no time for that."""


def run_repeats(search: Search, number: int) -> None:
    """Train the best architectures of a search a second time, after all its other evaluations have ended.

    The archive may hold second trainings of an earlier process. They are not made again. A limit ends the second
    trainings, and running ones are dropped. After Ctrl-C running ones end, on a simulated clock they are dropped.

    Args:
        search: Parts of the search, whose loop has ended.
        number: Number of second trainings.

    Raises:
        UserError: More than ``max_failures`` evaluations failed, or the evaluator gave an invalid answer.
    """
    if search.ended_by not in ENDS_OF_PLAN:
        return
    archive, workers = search.archive, search.workers
    chosen = archive.best_records(number)
    stored = {repeat.index for repeat in archive.repeats}
    missing = {i for i, record in enumerate(chosen) if record.index not in stored}
    if not missing or search.interrupted() or search.ends():
        return
    running = set(missing)
    if isinstance(workers, Simulated):
        # The simulated clock needs all of them, to know which worker is free when.
        workers.go_on_from(_end_s(archive))
        running = set(range(len(chosen)))
    search.observer.repeating(len(chosen) - len(missing), len(chosen))
    for i in sorted(running):
        workers.begin(i, Retraining(search.space.from_json(chosen[i].architecture)))
    while missing and not search.ends():
        if search.interrupted():
            running -= running if isinstance(workers, Simulated) else set(workers.drop_waiting())
            if not running:
                return
        for i, evaluation in workers.wait(POLL_S):
            running.discard(i)
            if i in missing:
                _add(search, chosen[i], evaluation)
                missing.discard(i)
                search.observer.repeating(len(chosen) - len(missing), len(chosen))


def _end_s(archive: Archive) -> float:
    """Return the simulated time of the end of the last evaluation before the second trainings, in seconds."""
    ends = [record.ended_s for record in archive.records if record.ended_s is not None]
    return max(ends) if ends else sum(record.cost_s for record in archive.records)


def _add(search: Search, record: Record, evaluation: Evaluation) -> None:
    """Store a second training of the architecture of a record.

    Raises:
        UserError: More than ``max_failures`` evaluations failed, or the second training cannot be written.
    """
    evaluation = checked(evaluation, search.archive.metric, search.evaluator.metrics)
    if evaluation.error is not None:
        trace = evaluation.traceback or evaluation.error
        search.add_traceback(f"second training of evaluation {record.index}, {record.key}:\n{trace}")
    repeat = Repeat(
        index=record.index,
        key=record.key,
        value=evaluation.value,
        cost_s=evaluation.cost_s,
        ended_s=search.now_s(),
        error=evaluation.error,
    )
    search.archive.repeat(repeat)
    search.observer.repeated(repeat)
    search.check_failures()
