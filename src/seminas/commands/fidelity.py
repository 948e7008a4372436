"""Put the scheduler of fidelities around the strategy of a search, and plan a search that a cost limits."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from seminas.config.build import build_section
from seminas.config.search import SearchSettings
from seminas.errors import config_error
from seminas.storage.values import Config

if TYPE_CHECKING:
    from seminas.evaluators.base import Evaluator
    from seminas.strategies.base import Strategy


def check_fidelity(config: Config, settings: SearchSettings) -> None:
    """Refuse settings that contradict fidelities.

    Raises:
        UserError: A setting contradicts fidelities.
    """
    if not config.get("fidelity"):
        return
    refused = {
        "search.asynchronous": (settings.asynchronous is False, settings.asynchronous, "true or null"),
        "controller.warm_start": (config["controller"]["warm_start"], True, "false"),
    }
    for key, (wrong, value, allowed) in refused.items():
        if wrong:
            raise config_error(key, value, f"{allowed} with fidelities; choose fidelity=none")


def with_fidelity(
    config: Config, strategy: "Strategy", evaluator: "Evaluator", context: Mapping[str, Any]
) -> "Strategy":
    """Return the strategy, in the scheduler that the section ``fidelity`` describes.

    Raises:
        UserError: The evaluator does not measure after the epochs of the section.
    """
    from seminas.strategies.scheduler import Scheduler

    if not config.get("fidelity"):
        return strategy
    parts = {**context, "strategy": strategy, "fidelities": evaluator.fidelities}
    scheduler: Strategy = build_section(config, "fidelity", Scheduler, **parts)
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
