"""Optional capabilities of a space: building networks, a supernet, exact costs. Each capability is a protocol.

A space has a capability if it has the methods of the protocol. The space need not inherit from the protocol.
"""

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from seminas.errors import UserError

if TYPE_CHECKING:
    from torch import nn

A_contra = TypeVar("A_contra", contravariant=True)
_A = TypeVar("_A")
IMAGE, NUM_CLASSES = (3, 32, 32), 10
"""Default image (channels, height, width) and default number of classes for the stated cost of a network."""


@runtime_checkable
class BuildsNetworks(Protocol[A_contra]):
    """Capability to build the network of an architecture, for ``evaluator=training`` and ``seminas-train``.

    The space may also have the attributes ``image`` (channels, height, width) and ``num_classes``. The stated cost of a
    network is then for this image and this number of classes.
    """

    def build_network(
        self, architecture: A_contra, num_classes: int, in_channels: int, **skeleton: Any
    ) -> "nn.Module":
        """Return the network of an architecture.

        It maps images ``[n, in_channels, height, width]`` to logits ``[n, num_classes]``.

        Args:
            architecture: Architecture of the space.
            num_classes: Number of classes.
            in_channels: Number of image channels.
            skeleton: Keyword arguments of this space from ``recipe.networks`` in the config.
        """
        ...


@runtime_checkable
class HasSupernet(Protocol[_A]):
    """Capability to build a supernet, whose architectures share weights, for ``evaluator=supernet``."""

    def build_supernet(self, num_classes: int, in_channels: int, dropout: float = 0.0) -> "nn.Module":
        """Return the supernet.

        Its method ``forward(images, path)`` returns the logits of a path. Its method ``standalone(path)`` returns the
        path as a separate network that shares the supernet's weights.

        Args:
            num_classes: Number of classes.
            in_channels: Number of image channels.
            dropout: Dropout probability before the classifier.
        """
        ...

    def path(self, architecture: _A) -> list[str]:
        """Return the names of an architecture's operations in the supernet, one for each block."""
        ...

    def extremes(self) -> tuple[_A, _A]:
        """Return the architecture of the largest network and the architecture of the smallest network."""
        ...


@runtime_checkable
class HasStages(BuildsNetworks[A_contra], Protocol[A_contra]):
    """Capability to split a network into stages that run one after the other, for ``seminas data latency``.

    A stage is an operation at a position of a chain of choices, or a part that is not searched.
    """

    def stages(
        self, architecture: A_contra, network: "nn.Module"
    ) -> "list[tuple[tuple[str, str], nn.Module]]":
        """Return the stages of the network of an architecture, in the order of the forward pass.

        Each has the name of its position and of its choice. A part that is not searched has the position ``fixed``.
        Choices that add nothing to the network have no stage.
        """
        ...


@runtime_checkable
class BuildsSpeechNetworks(Protocol[A_contra]):
    """Capability to build the text-to-speech network of an architecture, for ``data=ljspeech`` and the like.

    The space also has the attributes ``phonemes`` and ``frames``, the length of the sentence for the stated cost of a
    network.
    """

    phonemes: int
    frames: int

    def build_speech_network(self, architecture: A_contra, num_symbols: int, **skeleton: Any) -> "nn.Module":
        """Return the network of an architecture.

        Its methods ``forward`` and ``decode`` are those of ``seminas.spaces.tts.network.TTSNetwork``.

        Args:
            architecture: Architecture of the space.
            num_symbols: Number of phonemes and other symbols.
            skeleton: Keyword arguments of this space from ``recipe.networks`` in the config.
        """
        ...

    def macs(self, architecture: A_contra, phonemes: int | None = None, frames: int | None = None) -> int:
        """Return the multiply-adds of the standalone network in one pass over a sentence."""
        ...


@runtime_checkable
class HasSpeechSupernet(Protocol[_A]):
    """Capability to build a supernet of text-to-speech networks, for ``evaluator=supernet``."""

    def build_speech_supernet(self, num_symbols: int, **skeleton: Any) -> "nn.Module":
        """Return the supernet. Its methods are those of ``seminas.spaces.tts.network.Supernet``."""
        ...

    def path(self, architecture: _A) -> list[str]:
        """Return the names of an architecture's operations in the supernet, one for each position."""
        ...

    def extremes(self) -> tuple[_A, _A]:
        """Return the architecture of the largest network and the architecture of the smallest network."""
        ...


@runtime_checkable
class HasExactCosts(Protocol[A_contra]):
    """Capability to state the cost of a network without building it."""

    def macs(self, architecture: A_contra) -> int:
        """Return the number of multiply-adds of the standalone network for one image."""
        ...


_LACKS = {
    BuildsNetworks: "builds no networks (method build_network)",
    HasStages: "has no networks of stages (methods build_network, stages)",
    HasSupernet: "has no supernet (methods build_supernet, path, extremes)",
    BuildsSpeechNetworks: "builds no speech networks (method build_speech_network)",
    HasSpeechSupernet: "has no supernet for speech (methods build_speech_supernet, path, extremes)",
}


def require(space: Any, capability: type[Any], key: str) -> Any:
    """Return the space if it has a capability.

    Args:
        space: Space to check.
        capability: ``BuildsNetworks``, ``HasStages``, ``HasSupernet``, ``BuildsSpeechNetworks`` or
            ``HasSpeechSupernet``.
        key: Option that needs the capability, such as ``evaluator=training``.

    Raises:
        UserError: The space lacks the capability. The message names the missing methods.
    """
    if not isinstance(space, capability):
        raise UserError(f"{key}: space={space.name} {_LACKS[capability]}")
    return space


def reference_image(space: Any) -> tuple[tuple[int, ...], int]:
    """Return the image ``(channels, height, width)`` and the number of classes for the stated cost of a network."""
    return tuple(getattr(space, "image", IMAGE)), int(getattr(space, "num_classes", NUM_CLASSES))
