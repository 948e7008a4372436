"""The network that the settings ask for."""

from typing import Any

from seminas.config.controller import ControllerSettings
from seminas.controller.models.network import ControllerNetwork, StackedNetwork
from seminas.controller.models.paper import PaperNetwork
from seminas.spaces.base import SearchSpace


def make_network(space: SearchSpace[Any], settings: ControllerSettings, members: int) -> ControllerNetwork:
    """Return a new network of some members, with random weights."""
    if settings.encoder.kind == "paper":
        return PaperNetwork(space, settings)
    return StackedNetwork(space, settings, members)
