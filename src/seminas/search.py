"""A search: the loop that introduces space, evaluator, strategy and archive to one another; ``seminas-search``."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from omegaconf import DictConfig

from seminas.app import (
    CONFIG_DIR,
    build,
    build_loggers,
    claim,
    read_result,
    run_job,
    settings,
    side_by_side,
    start,
    write_result,
)
from seminas.archive import Archive, Record
from seminas.errors import UserError
from seminas.evaluators.evaluation import failed
from seminas.plan import SearchSettings, round_sizes
from seminas.sweep import register_resolvers

if TYPE_CHECKING:
    from seminas.evaluators.base import Evaluator
    from seminas.report.watcher import Watcher
    from seminas.spaces.base import SearchSpace
    from seminas.strategies.base import Strategy


@dataclass
class Search:
    """One search.

    Attributes:
        space: The candidates.
        evaluator: Says what they are worth.
        strategy: Chooses among them.
        archive: Holds what was evaluated.
        watcher: Shows it.
        max_failures: Failed evaluations before the search gives up.
    """

    space: "SearchSpace[Any]"
    evaluator: "Evaluator[Any]"
    strategy: "Strategy[Any]"
    archive: Archive
    watcher: "Watcher"
    max_failures: int = 10

    def run(self, sizes: Sequence[int]) -> None:
        """Evaluate ``sizes[r]`` architectures of the strategy's choice in round r.

        Rounds that the archive holds are told to the strategy as they are; one that it holds in part
        is asked for again, which gives the same architectures, and gone on with.

        Raises:
            UserError: More than ``max_failures`` evaluations failed, or the archive is of another search.
        """
        last = self.archive.records[-1].round if len(self.archive) else -1
        for number, size in enumerate(sizes):
            recorded = self.archive.round(number)
            if number < last or len(recorded) == size:
                architectures = [self.space.from_json(record.architecture) for record in recorded]
            else:
                self.watcher.asking(number)
                architectures = self.strategy.ask(size)
                if not architectures:
                    return
                self._evaluate(architectures, number)
            accuracies = [record.val_accuracy for record in self.archive.round(number)]
            self.strategy.tell(architectures, accuracies)
            if number >= last:
                self._revise(number)
            self.watcher.round_done(number, self.strategy.metrics)

    def _revise(self, number: int) -> None:
        """Have the evaluator measure again what it measures otherwise by now, once for each round."""
        if not self.evaluator.revises:
            return
        architectures = [self.space.from_json(record.architecture) for record in self.archive.records]
        if self.archive.revised < number:
            worth: list[float | None] = list(self.evaluator.revised(architectures))
            for record in self.archive.failures:
                worth[record.index] = None
            self.archive.revise(number, worth)
        self.strategy.revise(architectures, [record.val_accuracy for record in self.archive.records])

    def _evaluate(self, architectures: Sequence[Any], number: int) -> None:
        """Evaluate what the archive does not hold yet of a round."""
        archive, recorded = self.archive, self.archive.round(number)
        keys = [self.space.key(architecture) for architecture in architectures]
        if keys[: len(recorded)] != [record.key for record in recorded]:
            raise UserError(f"{archive.folder}: its history is not what this search asks for")
        first = len(archive) - len(recorded)
        self._show(archive.expect({first + i: key for i, key in enumerate(keys)}))
        todo = [i for i in range(len(keys)) if not archive.holds(first + i)]
        while todo:
            done: set[int] = set()
            failure: Exception | None = None
            answers = self.evaluator.evaluate([architectures[i] for i in todo])
            while len(done) < len(todo):
                try:
                    place, evaluation = next(answers)
                except UserError:
                    raise
                except Exception as error:
                    # An evaluator that does not catch what one architecture does to it: the first
                    # without an answer is to blame, and the rest are asked for again.
                    place = min(set(range(len(todo))) - done)
                    failure = error
                    evaluation = failed(error, 0.0)
                done.add(place)
                i = todo[place]
                prediction = self.strategy.predictions.get(architectures[i])
                self._show(
                    archive.add(
                        Record(
                            index=first + i,
                            round=number,
                            architecture=self.space.to_json(architectures[i]),
                            key=keys[i],
                            val_accuracy=evaluation.val_accuracy,
                            cost_s=evaluation.cost_s,
                            prediction=prediction,
                            error=evaluation.error,
                        )
                    )
                )
                if failure is not None:
                    break
            todo = [i for place, i in enumerate(todo) if place not in done]

    def _show(self, records: Sequence[Record]) -> None:
        """Show what the history has gained, and give up where too much of it failed."""
        self.watcher.evaluated(records)
        failures = self.archive.failures
        if len(failures) > self.max_failures:
            raise UserError(
                f"search.max_failures={self.max_failures}: {len(failures)} evaluations failed, "
                f"the last one with {failures[-1].error}"
            )


def run(config: DictConfig, folder: Path) -> float:
    """Run the search of a config in a folder, or go on with the one there.

    Returns:
        The best validation accuracy, a fraction, for a sweeper to maximise.

    Raises:
        UserError: The config or the folder will not do, or the search cannot go on.
    """
    from seminas.report.watcher import Watcher, print_result
    from seminas.spaces.subset import Subset

    started = time.perf_counter()
    finished = read_result(folder)
    if finished is not None:
        claim(folder, config)
        if not side_by_side():
            print_result(finished, folder)
        return float(finished["best_val_accuracy"])
    search_settings = settings(config, "search", SearchSettings)
    space = build(config, "space")
    evaluator = build(config, "evaluator", space=space, seed=config.seed, folder=folder)
    with closing(evaluator):
        members = evaluator.members()
        candidates = space if members is None else Subset(space, members)
        strategy = build(config, "strategy", space=candidates, seed=config.seed)
        sizes = round_sizes(search_settings, candidates.size, strategy.own_sizes)
        with closing(Archive(folder)) as archive:
            resolved = claim(folder, config)
            loggers = build_loggers(config, folder)
            with Watcher(loggers, resolved, archive, sizes, quiet=side_by_side()) as watcher:
                evaluator.note = watcher.note
                search = Search(
                    candidates, evaluator, strategy, archive, watcher, search_settings.max_failures
                )
                search.run(sizes)
                watcher.note("testing the best architecture")
                finished = _result(resolved, archive, space, evaluator)
                finished["wall_s"] = time.perf_counter() - started
                # A report draws those of jobs side by side, of which there may be thousands.
                if not side_by_side() or "wandb" in (config.get("logger") or {}):
                    from seminas.report.figures import write_figures

                    write_figures(folder, space, archive)
                watcher.finish(finished, space)
                write_result(folder, finished)
    if not side_by_side():
        print_result(finished, folder)
    return float(finished["best_val_accuracy"])


def _result(
    config: dict[str, Any], archive: Archive, space: "SearchSpace[Any]", evaluator: "Evaluator[Any]"
) -> dict[str, Any]:
    """What ``result.json`` says of a search; here alone the test accuracy is looked at."""
    best = archive.best
    if best is None:
        error = archive.failures[-1].error
        raise UserError(f"{archive.folder}: no evaluation succeeded, the last one failed with {error}")
    architecture = space.from_json(best.architecture)
    return {
        "strategy": config["names"]["strategy"],
        "space": space.name,
        "evaluator": config["names"]["evaluator"],
        "seed": config["seed"],
        "num_queries": len(archive),
        "num_failures": len(archive.failures),
        "best_architecture": best.architecture,
        "best_key": best.key,
        "best_val_accuracy": best.val_accuracy,
        "test_accuracy": evaluator.test(architecture),
        "parameters": evaluator.num_parameters(architecture),
        "incumbents": _incumbents(archive, space, evaluator),
        "best_there_is": evaluator.best_there_is(),
        "cost_s": sum(record.cost_s for record in archive.records),
        "config": config,
    }


def _incumbents(
    archive: Archive, space: "SearchSpace[Any]", evaluator: "Evaluator[Any]"
) -> list[dict[str, Any]]:
    """Each best so far, with its test accuracy where looking it up costs nothing: for curves, after the search."""
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


register_resolvers()


@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="search")
def _entry(config: DictConfig) -> float:
    return run_job(run, config)


def main() -> None:
    """Entry point of ``seminas-search``."""
    start(_entry)
