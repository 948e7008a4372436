"""Choice of the network from the settings."""

from seminas.config.controller import ControllerSettings
from seminas.controller.models.network import ControllerNetwork, StackedNetwork
from seminas.controller.models.paper import PaperNetwork
from seminas.spaces.base import SearchSpace


def make_network(space: SearchSpace, settings: ControllerSettings, members: int) -> ControllerNetwork:
    """Return a new network with random weights and the given number of members."""
    if settings.encoder.kind == "paper":
        return PaperNetwork(space, settings)
    return StackedNetwork(space, settings, members)
