"""Make the result of a finished search. No other part of the search reads test values."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, cast

from seminas.errors import UserError
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import one_line
from seminas.loop.objectives import front_result
from seminas.runs.archive import Archive
from seminas.runs.constraints import MeasuredLimits
from seminas.runs.folder import Timing
from seminas.runs.metric import ACCURACY, Metric
from seminas.runs.recordings import write_recordings
from seminas.runs.records import HISTORY
from seminas.runs.results import Incumbent, SearchResult
from seminas.spaces.base import SearchSpace
from seminas.storage.values import Config

log = logging.getLogger(__name__)
NUM_RECORDED = 3
"""Number of best architectures whose speech a search records."""


def search_result(
    config: Config,
    archive: Archive,
    space: SearchSpace,
    evaluator: Evaluator,
    timing: Timing,
    num_workers: int = 1,
    ended_by: str = "max_queries",
    candidates: SearchSpace | None = None,
    proxies_s: float = 0.0,
    measured_limits: MeasuredLimits | None = None,
) -> SearchResult:
    """Return the result of a search.

    Args:
        config: Config of the run, resolved.
        archive: All evaluations of the search.
        space: Search space.
        evaluator: Evaluator that gives the test values.
        timing: Time of all attempts.
        num_workers: Number of evaluations that ran at the same time.
        ended_by: What ended the search, see ``SearchResult.ended_by``.
        candidates: Space of the candidates, if constraints exclude some that the evaluator can measure.
        proxies_s: Duration of the computation of zero-cost proxies, in seconds.
        measured_limits: Limits of measured metrics. The best architecture that there is within them is not known.

    Raises:
        UserError: No evaluation succeeded, or the best architecture cannot be tested.
    """
    best, best_value = archive.choice or (None, None)
    num_feasible = sum(record.feasible is True for record in archive.records)
    any_full = any(record.full is not None for record in archive.records)
    if best is None and (measured_limits is None or not any_full):
        if len(archive.failures) < len(archive):
            raise UserError(
                f"{archive.folder}: no full training has ended; the same command goes on with a larger "
                "search.max_cost or search.max_queries"
            )
        error = archive.failures[-1].error if archive.failures else None
        raise UserError(
            f"{archive.folder}: no evaluation succeeded, the last one failed with {error}; "
            f"{HISTORY} has all errors"
        )
    architecture = None if best is None else space.from_json(best.architecture)
    front = front_result(archive, space, evaluator)
    ended = [record.ended_s for record in archive.records] + [repeat.ended_s for repeat in archive.repeats]
    ends = [end_s for end_s in ended if end_s is not None]
    makespan_s = max(ends) if ends else archive.cost_s
    return SearchResult(
        space=space.name,
        seed=config["seed"],
        **timing,
        config=config,
        strategy=config["names"]["strategy"],
        evaluator=config["names"]["evaluator"],
        num_queries=len(archive) + len(archive.repeats),
        num_failures=len(archive.all_failures),
        best_architecture=None if best is None else best.architecture,
        best_key=None if best is None else best.key,
        best_value=best_value,
        test_value=None if best is None else _tested(evaluator, architecture, archive.metric),
        parameters=None if best is None else evaluator.num_parameters(architecture),
        incumbents=incumbents(
            [record.final for record in archive.records],
            lambda i: space.from_json(archive.records[i].architecture),
            evaluator,
            archive.metric,
        ),
        best_there_is=_best_there_is(evaluator, candidates) if measured_limits is None else None,
        cost_s=archive.cost_s + proxies_s,
        total_cost=archive.cost if config.get("fidelity") else None,
        proxies_s=proxies_s,
        folder=archive.folder,
        num_workers=num_workers,
        makespan_s=makespan_s,
        utilization=min(1.0, archive.cost_s / (num_workers * makespan_s)) if makespan_s > 0 else None,
        ended_by=ended_by,
        num_imported=len(archive.imported),
        num_feasible=None if measured_limits is None else num_feasible,
        num_repeats=len(archive.repeats),
        num_trainings=1 + any(repeat.value is not None for repeat in archive.repeats),
        **cast(dict[str, Any], front or {}),
    )


def record_best(archive: Archive, space: SearchSpace, evaluator: Evaluator) -> None:
    """Write speech of the best architectures into the run folder, if the evaluator has their networks.

    Raises:
        UserError: A file cannot be written.
    """
    done = [r for r in archive.records if r.final is not None]
    done.sort(key=lambda r: (-archive.metric.score(r.final or 0.0), r.index))
    recordings = evaluator.recordings([space.from_json(r.architecture) for r in done[:NUM_RECORDED]])
    if recordings:
        write_recordings(archive.folder, recordings)


def _best_there_is(evaluator: Evaluator, candidates: SearchSpace | None) -> dict[str, float] | None:
    return evaluator.best_there_is() if candidates is None else evaluator.best_of(candidates)


def _tested(evaluator: Evaluator, architecture: Any, metric: Metric) -> float | None:
    """Return the metric of the best architecture on the test data; None where it is not known.

    Raises:
        UserError: The test raised an exception. The same command tests again.
    """
    try:
        value = evaluator.test(architecture)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"the best architecture cannot be tested: {one_line(error)}; the same command tests again"
        ) from error
    if value is not None and metric.checked(value) is None:
        allowed = metric.allowed.removeprefix("a ")
        log.warning("%s %r is no %s: the result states none", metric.test_title, value, allowed)
    return metric.checked(value)


def incumbents(
    values: Sequence[float | None],
    architecture: Callable[[int], Any],
    evaluator: Evaluator,
    metric: Metric = ACCURACY,
) -> list[Incumbent]:
    """Return each evaluation that was better than all before it, with its test value if that is in a table.

    Args:
        values: Value of each evaluation in order. None means that it failed.
        architecture: Function that returns the architecture of an evaluation.
        evaluator: Evaluator that may know test values.
        metric: Metric of the values.
    """
    best: list[tuple[int, float]] = []
    for i, value in enumerate(values):
        if value is not None and metric.better(value, best[-1][1] if best else None):
            best.append((i, value))
    tests = evaluator.look_up_tests([architecture(i) for i, _ in best])
    return [
        Incumbent(index=i, value=value, test_value=metric.checked(tests[k]) if tests else None)
        for k, (i, value) in enumerate(best)
    ]
