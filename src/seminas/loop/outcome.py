"""The result of a finished search. Only here a test accuracy is looked at."""

from typing import Any

from seminas.errors import UserError
from seminas.evaluators.base import Evaluator
from seminas.runs.archive import Archive, Record
from seminas.runs.folder import Timing
from seminas.runs.results import SearchResult
from seminas.spaces.base import SearchSpace


def search_result(
    config: dict[str, Any],
    archive: Archive,
    space: SearchSpace[Any],
    evaluator: Evaluator[Any],
    timing: Timing,
) -> SearchResult:
    """Return the result of a search.

    Raises:
        UserError: No evaluation succeeded.
    """
    best = archive.best
    if best is None or best.val_accuracy is None:
        error = archive.failures[-1].error
        raise UserError(f"{archive.folder}: no evaluation succeeded, the last one failed with {error}")
    architecture = space.from_json(best.architecture)
    return SearchResult(
        space=space.name,
        seed=config["seed"],
        **timing,
        config=config,
        strategy=config["names"]["strategy"],
        evaluator=config["names"]["evaluator"],
        num_queries=len(archive),
        num_failures=len(archive.failures),
        best_architecture=best.architecture,
        best_key=best.key,
        best_val_accuracy=best.val_accuracy,
        test_accuracy=evaluator.test(architecture),
        parameters=evaluator.num_parameters(architecture),
        incumbents=_incumbents(archive, space, evaluator),
        best_there_is=evaluator.best_there_is(),
        cost_s=sum(record.cost_s for record in archive.records),
    )


def _incumbents(archive: Archive, space: SearchSpace[Any], evaluator: Evaluator[Any]) -> list[dict[str, Any]]:
    """Return each best so far, with its test accuracy if looking it up costs nothing."""
    incumbents: list[Record] = []
    for record in archive.records:
        best = incumbents[-1].val_accuracy if incumbents else None
        if record.val_accuracy is not None and (best is None or record.val_accuracy > best):
            incumbents.append(record)
    tests = evaluator.look_up_tests([space.from_json(r.architecture) for r in incumbents])
    return [
        {"index": r.index, "val_accuracy": r.val_accuracy, "test_accuracy": tests[i] if tests else None}
        for i, r in enumerate(incumbents)
    ]
