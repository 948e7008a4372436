"""The mobile space: up to 21 inverted residual blocks of kernel 3, 5 or 7 and expansion 3 or 6."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from seminas.config.networks import MobileNetNetwork
from seminas.config.spaces import MobileNetSettings
from seminas.spaces.exact import CostSum, Limit
from seminas.spaces.latency import read_latency
from seminas.spaces.mobilenet.costs import costs, latency_names, parameters
from seminas.spaces.mobilenet.network import (
    BLOCKS,
    OPERATIONS,
    SKIP,
    STANDALONE,
    SUPERNET,
    Supernet,
    build_network,
)
from seminas.spaces.sequence import Choices, SequenceSpace
from seminas.spaces.sums import Sum
from seminas.storage.values import Json


class MobileNet(SequenceSpace):
    """Networks of six stages of inverted residuals (Luo et al., NeurIPS 2020, section 4.2; Cai et al., ICLR 2019).

    Operations ``1`` to ``6`` have (kernel, expansion) (3, 3), (3, 6), (5, 3), (5, 6), (7, 3) and (7, 6). Operation
    ``7`` skips a block. The first block of a stage cannot be skipped. With ``max_macs``, ``max_parameters`` or
    ``max_latency_ms`` the space contains only the networks within the limits, and its samples are still uniform.
    """

    def __init__(self, settings: MobileNetSettings | None = None) -> None:
        """Declare the space.

        Raises:
            UserError: No network is within the budget.
        """
        settings = settings or MobileNetSettings()
        self.image, self.num_classes = tuple(settings.image), settings.num_classes
        self.factor, self.stem_stride = settings.factor, settings.stem_stride
        self._widths = STANDALONE.scaled(self.factor)
        fixed, searched = costs(self._widths, self.num_classes, self.image, self.stem_stride)
        super().__init__("mobilenet", {name: list(macs) for name, macs in zip(BLOCKS, searched, strict=True)})
        self._macs = [list(macs.values()) for macs in searched]
        self._costs = {
            "macs": CostSum(self._macs, fixed),
            "parameters": parameters(self._widths, self.num_classes, self.image[0]),
        }
        if settings.latency is not None:
            names = latency_names(self._widths, self.num_classes, self.image, self.stem_stride)
            aliases = names.of_block.__getitem__
            self._costs["latency_ms"] = read_latency(
                settings.latency, self.positions, [SKIP], lambda *choice: [aliases(choice)], names.fixed
            )
        limits = {"macs": settings.max_macs, "parameters": settings.max_parameters}
        limits["latency_ms"] = settings.max_latency_ms
        self._limits = {
            name: Limit(most, f"space.max_{name}") for name, most in limits.items() if most is not None
        }
        self._limit(self._limits)

    def _limit_definition(self, name: str, constraint: Sum) -> Json:
        if name != "macs":
            return super()._limit_definition(name, constraint)
        most = int(self._limits[name].at_most)
        return [most, list(self.image), self.num_classes, self.factor, self.stem_stride]

    def macs(self, architecture: Choices) -> int:
        """Return the number of multiply-adds of the standalone network for one image."""
        return self._costs["macs"].total(architecture)

    def _refusal(self, value: Mapping[str, Any]) -> str:
        written = " ".join(map(str, value.values()))
        broken = self._too_expensive([self.positions[p].index(str(value[p])) for p in self.positions])
        if broken is None:
            return f"{written} is so close to a limit that rounded costs exclude it"
        name, limit = broken
        cost = {"macs": "more multiply-adds", "parameters": "more parameters"}.get(name, "a larger latency")
        return f"{written} has {cost} than {limit.key}={limit.at_most:g}"

    def build_network(
        self,
        architecture: Choices,
        num_classes: int,
        in_channels: int,
        **skeleton: Any,
    ) -> nn.Module:
        """Return the standalone network of an architecture. ``skeleton`` has the fields of ``MobileNetNetwork``."""
        return build_network(
            self._written(architecture),
            num_classes,
            in_channels,
            self._widths,
            dropout=MobileNetNetwork(**skeleton).dropout,
            stem_stride=self.stem_stride,
        )

    def build_supernet(self, num_classes: int, in_channels: int, dropout: float = 0.0) -> Supernet:
        """Return the supernet of the whole space, regardless of the budget."""
        return Supernet(num_classes, in_channels, SUPERNET.scaled(self.factor), dropout, self.stem_stride)

    def path(self, architecture: Choices) -> list[str]:
        """Return the operation of an architecture in each of the 21 blocks."""
        return self._written(architecture)

    def extremes(self) -> tuple[Choices, Choices]:
        """Return the architectures of the largest and of the smallest network, regardless of the budget."""
        largest = tuple(max(range(len(macs)), key=macs.__getitem__) for macs in self._macs)
        return largest, tuple(min(range(len(macs)), key=macs.__getitem__) for macs in self._macs)

    def vertex_names(self, architecture: Choices) -> list[str]:
        """Return the kernel and the expansion of each block, such as ``5x5 e6``, or ``skip``."""
        kinds = [OPERATIONS.get(name) for name in self._written(architecture)]
        return ["skip" if kind is None else f"{kind[0]}x{kind[0]} e{kind[1]}" for kind in kinds]
