"""What a space may be able to do beside sampling and encoding: networks, a supernet, costs. Each is a small protocol.

A space has a capability if it has the methods. Nothing must be inherited.
"""

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from seminas.errors import UserError

if TYPE_CHECKING:
    from torch import nn

A_contra = TypeVar("A_contra", contravariant=True)
_A = TypeVar("_A")
IMAGE, NUM_CLASSES = (3, 32, 32), 10
"""What the cost of a network is stated for, unless its space says otherwise: channels, height, width; and classes."""


@runtime_checkable
class BuildsNetworks(Protocol[A_contra]):
    """Builds the network of an architecture, for ``evaluator=training`` and ``seminas-train``.

    A space may also have the attributes ``image``, channels, height and width, and ``num_classes``: what the cost of a
    network is stated for.
    """

    def build_network(
        self, architecture: A_contra, num_classes: int, in_channels: int, **skeleton: Any
    ) -> "nn.Module":
        """Return the classifier of an architecture, images ``[n, in_channels, height, width]`` to ``[n, num_classes]``.

        ``skeleton`` are the keyword arguments in ``recipe.networks`` of the config.
        """
        ...


@runtime_checkable
class HasSupernet(Protocol[_A]):
    """Has a network that holds all architectures' and shares their weights, for ``evaluator=supernet``."""

    def build_supernet(self, num_classes: int, in_channels: int, dropout: float = 0.0) -> "nn.Module":
        """Return the supernet: ``forward(images, path)``, and ``standalone(path)``, a path as a network of its own."""
        ...

    def path(self, architecture: _A) -> list[str]:
        """Return an architecture's operations in the supernet."""
        ...

    def extremes(self) -> tuple[_A, _A]:
        """Return the architectures of the largest and of the smallest network."""
        ...


@runtime_checkable
class HasExactCosts(Protocol[A_contra]):
    """Knows the cost of a network without building it."""

    def macs(self, architecture: A_contra) -> int:
        """Return the multiply-adds of the standalone network for one image."""
        ...


_LACKS = {
    BuildsNetworks: "builds no networks (method build_network)",
    HasSupernet: "has no supernet (methods build_supernet, path, extremes)",
}


def require(space: Any, capability: type[Any], key: str) -> Any:
    """Return a space that has a capability, and refuse another.

    Args:
        space: The space.
        capability: ``BuildsNetworks`` or ``HasSupernet``.
        key: What needs it, such as ``evaluator=training``.

    Raises:
        UserError: The space lacks it.
    """
    if not isinstance(space, capability):
        raise UserError(f"{key}: space={space.name} {_LACKS[capability]}")
    return space


def reference_image(space: Any) -> tuple[tuple[int, ...], int]:
    """Return the image ``(channels, height, width)`` and the number of classes that a network's cost is stated for."""
    return tuple(getattr(space, "image", IMAGE)), int(getattr(space, "num_classes", NUM_CLASSES))
