"""``seminas-search``: run one search."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from seminas.commands.fidelity import check_fidelity, with_fidelity, within_cost
from seminas.commands.job import command_line, run_once
from seminas.commands.proxies import check_strategy, proxies_s, with_proxies
from seminas.commands.repeats import check_not_repeated, check_repeats
from seminas.commands.transfer import sources_of, with_sources
from seminas.config.build import build_section, read, read_section
from seminas.config.controller import ControllerSettings
from seminas.config.recipe import Recipe
from seminas.config.search import SearchSettings
from seminas.errors import UserError
from seminas.runs.folder import RunFolder
from seminas.runs.metric import Metric, check_metrics, metrics_section
from seminas.runs.records import Record, read_imported, write_imported
from seminas.runs.results import SearchResult
from seminas.storage.values import Config

if TYPE_CHECKING:
    from seminas.runs.archive import Archive
    from seminas.spaces.base import SearchSpace
    from seminas.strategies.base import Strategy


def run(config: Config, folder: RunFolder, quiet: bool = False) -> float:
    """Run the search of a checked config in a folder, or resume the search in the folder.

    Args:
        config: Checked config.
        folder: Run folder.
        quiet: Whether to hide the progress and the result. Failed evaluations are always printed.

    Returns:
        The best value of the metric, by default the validation accuracy, a fraction. NaN if no evaluation is within
        the limits of measured metrics.

    Raises:
        UserError: The config or the folder is not valid, or the search cannot continue.
        KeyboardInterrupt: Ctrl-C ended the search. Its running evaluations have ended, and its result is written.
    """
    from seminas.loop.screen import print_result

    result = run_once(config, folder, quiet, search, print_result)
    assert result is not None
    if not result.is_final:
        raise KeyboardInterrupt
    return math.nan if result.best_value is None else result.best_value


def search(config: Config, folder: RunFolder, quiet: bool) -> SearchResult:
    """Build the parts of a search, run it, and write its result.

    Raises:
        UserError: The config or the folder is not valid, or the search cannot continue.
    """
    from seminas.evaluators.isolated import build_evaluator
    from seminas.loop.asynchronous import is_asynchronous, run_asynchronously
    from seminas.loop.constraints import limited_imports, within_constraints
    from seminas.loop.figures import write_figures
    from seminas.loop.interrupts import noticed_interrupts
    from seminas.loop.limits import Limits, check_target
    from seminas.loop.metrics import Metrics
    from seminas.loop.objectives import all_metrics, completed_imports, read_goals
    from seminas.loop.observers import Observers, closing_observer
    from seminas.loop.outcome import record_best, search_result
    from seminas.loop.repeats import run_repeats
    from seminas.loop.rounds import run_rounds
    from seminas.loop.screen import Screen
    from seminas.loop.search import Search
    from seminas.runs.loggers import LogsFigures, LogsRows, build_loggers
    from seminas.spaces.base import SearchSpace
    from seminas.spaces.subset import Subset
    from seminas.strategies.base import Strategy
    from seminas.transfer.record import write_sources

    settings: SearchSettings = read_section(config, "search", SearchSettings)
    check_fidelity(config)
    space: SearchSpace = build_section(config, "space", SearchSpace)
    data, context = config["data"] or {}, {"space": space, "seed": config["seed"], "folder": folder.path}
    if "recipe" in data:
        context |= {kind: data[kind] for kind in ("images", "speech") if kind in data}
        context |= {"recipe": read(data["recipe"], "data.recipe", Recipe)}
    evaluator = build_evaluator(config["evaluator"], context)
    with closing(evaluator):
        check_metrics(evaluator.metric, evaluator.metrics)
        check_target(settings, evaluator.metric)
        members = evaluator.members()
        measurable = space if members is None else Subset(space, members)  # type: ignore[arg-type]
        candidates, limits = within_constraints(measurable, evaluator, settings.constraints)
        check_repeats(settings, evaluator, limits)
        candidates = with_proxies(config, space, candidates)
        sources = sources_of(config, folder, space)
        candidates = with_sources(config, sources, space, candidates)
        goals = read_goals(settings, candidates, evaluator)
        config = {**config, **metrics_section(evaluator.metric, all_metrics(evaluator.metrics, goals))}
        context |= {"space": candidates, "pseudo_label_ratio": settings.pseudo_label_ratio}
        context["controller"] = read_section(config, "controller", ControllerSettings)
        strategy: Strategy = build_section(config, "strategy", Strategy, **context)
        check_strategy(config, strategy)
        strategy = with_fidelity(config, settings, strategy, evaluator, context)
        if goals is not None:
            strategy.pursue(goals)
        if limits is not None:
            strategy.respect(limits)
        levels = getattr(strategy, "levels", ())
        imported = _imported(settings, folder, candidates, config, evaluator.metrics, levels)
        if goals is not None:
            imported = completed_imports(imported, goals, candidates)
        if limits is not None:
            imported = limited_imports(imported, limits)
        sizes = _round_sizes(settings, folder, candidates.size, strategy, imported)
        with folder.claim(config), closing(_archive(folder, imported, evaluator.metric)) as archive:
            folder.write_plan(sizes)
            write_sources(folder.path, sources)
            if goals is not None:
                archive.pursue(goals.objectives, len(imported) or sizes[0])
            num_recorded = len(archive)
            loggers = build_loggers(config["logger"], folder.path, lambda: num_recorded)
            observers = Observers([Screen(quiet=quiet), Metrics(loggers, config, space)])
            run = Search(
                candidates,
                evaluator,
                strategy,
                archive,
                observers,
                settings.max_failures,
                folder.add_traceback,
                Limits(settings),
                _stopwatch(folder.timing()["wall_s"]),
                goals=goals,
                measured_limits=limits,
            )
            num_workers = run.workers.num_workers
            asynchronous = is_asynchronous(
                archive, settings.asynchronous, num_workers, evaluator.revises, strategy.asks_singly
            )
            with closing_observer(observers):
                observers.start(archive, sizes)
                evaluator.note = observers.note
                with noticed_interrupts(observers.interrupted) as run.interrupts:
                    (run_asynchronously if asynchronous else run_rounds)(run, sizes)
                    run_repeats(run, settings.repeats)
                if run.ended_by == "interrupt" and archive.best is None:
                    raise KeyboardInterrupt
                observers.note("testing the best architecture")
                result = search_result(
                    config,
                    archive,
                    space,
                    evaluator,
                    folder.timing(),
                    num_workers,
                    run.ended_by,
                    candidates if settings.constraints else None,
                    proxies_s(candidates, archive),
                    limits,
                )
                record_best(archive, space, evaluator)
                # A sweep may have thousands of quiet jobs. The report draws the figures for them.
                if not quiet or any(isinstance(logger, LogsFigures | LogsRows) for logger in loggers):
                    write_figures(folder.path, space, archive)
                observers.finish(result)
            folder.write_result(result)
            if result.is_final:
                evaluator.ended()
    return result


def _stopwatch(earlier_s: float) -> Callable[[], float]:
    """Return a function that returns the seconds since now, plus those of earlier processes."""
    start = time.monotonic() - earlier_s
    return lambda: time.monotonic() - start


def _round_sizes(
    settings: SearchSettings,
    folder: RunFolder,
    num_candidates: int,
    strategy: "Strategy",
    imported: Sequence[Record],
) -> list[int]:
    """Return the size of each round. Keep the rounds that an earlier command planned.

    Raises:
        UserError: The settings contradict each other, or they allow fewer evaluations than an earlier command planned.
    """
    from seminas.loop.plan import make_plan

    settings, num_candidates = within_cost(settings, strategy, num_candidates, len(imported))
    plan = make_plan(settings, num_candidates, strategy.round_sizes).before_repeats(settings.repeats)
    planned, recorded = folder.plan(), folder.config()
    if planned is None and recorded is not None:  # Version 0.1 wrote no plan.
        earlier: SearchSettings = read_section(recorded, "search", SearchSettings)
        planned = make_plan(earlier, num_candidates, strategy.round_sizes).sizes()
    if planned and plan.total < sum(planned):
        raise UserError(
            f"{folder}: search asks for {plan.total} evaluations, and {sum(planned)} are planned there; "
            f"ask for at least as many, or choose another hydra.run.dir"
        )
    check_not_repeated(folder, plan, sum(planned or ()))
    # An architecture may have been measured after several numbers of epochs.
    return plan.sizes(planned or (), num_imported=len({record.key for record in imported}))


def _imported(
    settings: SearchSettings,
    folder: RunFolder,
    candidates: "SearchSpace",
    config: Config,
    further: Sequence[Metric],
    levels: Sequence[int],
) -> list[Record]:
    """Return the evaluations to import. A search that has begun keeps what it imported.

    Raises:
        UserError: A source cannot be imported.
    """
    from seminas.loop.imports import read_imports

    if not settings.import_from:
        return []
    if folder.has_history():
        return read_imported(folder.path)
    return read_imports(settings.import_from, candidates, config, further, levels)


def _archive(folder: RunFolder, imported: list[Record], metric: Metric) -> "Archive":
    """Return the archive of a folder. A new history begins with the imported evaluations.

    Raises:
        UserError: The history cannot be read or written.
    """
    from seminas.runs.archive import Archive

    if imported and not folder.has_history():
        write_imported(folder.path, imported, metric)
    return Archive(folder.path, metric)


main = command_line("search", run)
