"""Zero-cost proxies of a command: the space of its models with proxies as descriptors."""

from typing import TYPE_CHECKING, Any

from seminas.config.build import read_section
from seminas.config.proxies import ProxySettings
from seminas.errors import config_error
from seminas.storage.values import Config

if TYPE_CHECKING:
    from seminas.runs.archive import Archive
    from seminas.spaces.base import SearchSpace


def with_proxies(config: Config, space: Any, candidates: Any) -> Any:
    """Return the candidates with zero-cost proxies as descriptors, or as they are if the config asks for no proxies.

    Args:
        config: Checked config.
        space: Whole space, which builds the networks.
        candidates: Candidates of the search: the whole space or a part of it.

    Raises:
        UserError: The proxies cannot be computed for this space.
    """
    if config.get("proxies") is None:
        return candidates
    from seminas.proxies.descriptors import ProxyDescriptor
    from seminas.proxies.zero_cost import ZeroCost

    settings: ProxySettings = read_section(config, "proxies", ProxySettings)
    proxies: ZeroCost[Any] = ZeroCost(space, settings)
    descriptor = ProxyDescriptor(proxies, settings, candidates, config["seed"])
    return candidates.described(descriptor)


def check_strategy(config: Config, strategy: object) -> None:
    """Refuse proxies with a strategy that reads none.

    Raises:
        UserError: The config asks for proxies, and the strategy fits no model.
    """
    from seminas.strategies.fitted import FittedStrategy

    if config.get("proxies") is not None and not isinstance(strategy, FittedStrategy):
        raise config_error("proxies", "zero_cost", f"none with strategy={config['names']['strategy']}")


def proxies_s(candidates: "SearchSpace", archive: "Archive") -> float:
    """Return the seconds of all proxies of a search, also those of earlier processes. It is 0 without proxies."""
    descriptor = candidates.descriptor
    if descriptor is None or not len(archive):
        return 0.0
    return descriptor.seconds_of([candidates.from_json(record.architecture) for record in archive.records])
