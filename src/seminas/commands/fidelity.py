"""Put the scheduler of fidelities around the strategy of a search, and plan a search that a cost limits."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from seminas.config.build import build_section
from seminas.config.schema import option_of
from seminas.config.search import SearchSettings
from seminas.errors import config_error
from seminas.storage.values import Config

if TYPE_CHECKING:
    from seminas.evaluators.base import Evaluator
    from seminas.strategies.base import Strategy


def check_fidelity(config: Config) -> None:
    """Refuse a controller that starts from the controller of the last round, with fidelities.

    The accuracies of earlier rounds no longer exist then, so a resumed search could not repeat their fits.

    Raises:
        UserError: The setting contradicts fidelities.
    """
    if config.get("fidelity") and config["controller"]["warm_start"]:
        raise config_error("controller.warm_start", True, "false with fidelities; choose fidelity=none")


def with_fidelity(
    config: Config,
    settings: SearchSettings,
    strategy: "Strategy",
    evaluator: "Evaluator",
    context: Mapping[str, Any],
) -> "Strategy":
    """Return the strategy, in the scheduler that the section ``fidelity`` describes.

    Raises:
        UserError: The evaluator does not measure after the epochs of the section, or the scheduler or the setting
            ``search.asynchronous`` does not suit the evaluator.
    """
    from seminas.strategies.scheduler import Scheduler

    if not config.get("fidelity"):
        return strategy
    parts = {**context, "strategy": strategy, "fidelities": evaluator.fidelities}
    scheduler: Scheduler[Any] = build_section(config, "fidelity", Scheduler, **parts)
    if not evaluator.revises and settings.asynchronous is False:
        allowed = "true or null with fidelities; choose fidelity=none"
        raise config_error("search.asynchronous", settings.asynchronous, allowed)
    if evaluator.revises and not scheduler.works_in_rounds:
        chosen = option_of("fidelity", scheduler.settings._target_)
        allowed = "halving, hyperband or none with an evaluator that measures again"
        raise config_error("fidelity", chosen, allowed)
    return scheduler


def within_cost(
    settings: SearchSettings, strategy: "Strategy", num_candidates: int, num_imported: int
) -> tuple[SearchSettings, int]:
    """Return the settings with a number of evaluations that suits ``max_cost``, and the most evaluations there can be.

    Args:
        settings: The ``search`` section.
        strategy: The strategy, in its scheduler.
        num_candidates: Number of architectures that can be evaluated, with the imported ones.
        num_imported: Number of imported evaluations.
    """
    levels = getattr(strategy, "levels", (1,))
    most = num_candidates * len(levels) - num_imported
    if settings.max_cost is None:
        return settings, most
    affordable = min(most, int(settings.max_cost * levels[-1] / levels[0] + 1e-9))
    if settings.max_queries is not None:
        affordable = min(affordable, settings.max_queries) if len(levels) == 1 else settings.max_queries
    return replace(settings, max_queries=affordable), most
