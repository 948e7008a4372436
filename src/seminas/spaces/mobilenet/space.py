"""The mobile space: up to 21 inverted residual blocks of kernel 3, 5 or 7 and expansion 3 or 6."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from seminas.config.networks import MobileNetNetwork
from seminas.config.spaces import MobileNetSettings
from seminas.errors import config_error
from seminas.spaces.chain import BudgetChain
from seminas.spaces.exact import CostSum
from seminas.spaces.mobilenet.costs import costs, parameters
from seminas.spaces.mobilenet.network import (
    BLOCKS,
    OPERATIONS,
    STANDALONE,
    SUPERNET,
    Supernet,
    build_network,
)
from seminas.spaces.sequence import Choices, SequenceSpace


class MobileNet(SequenceSpace):
    """Networks of six stages of inverted residuals (Luo et al., NeurIPS 2020, section 4.2; Cai et al., ICLR 2019).

    Operations ``1`` to ``6`` have (kernel, expansion) (3, 3), (3, 6), (5, 3), (5, 6), (7, 3) and (7, 6). Operation
    ``7`` skips a block. The first block of a stage cannot be skipped. With ``max_macs`` the space contains only the
    networks within this budget. Its size is still exact, and its samples are still uniform.
    """

    def __init__(self, settings: MobileNetSettings | None = None) -> None:
        """Declare the space.

        Raises:
            UserError: No network is within the budget.
        """
        settings = settings or MobileNetSettings()
        self.image, self.num_classes = tuple(settings.image), settings.num_classes
        self.factor, self.stem_stride = settings.factor, settings.stem_stride
        self.max_macs = settings.max_macs
        self._widths = STANDALONE.scaled(self.factor)
        self._fixed_macs, searched = costs(self._widths, self.num_classes, self.image, self.stem_stride)
        super().__init__("mobilenet", {name: list(macs) for name, macs in zip(BLOCKS, searched, strict=True)})
        self._macs = [list(macs.values()) for macs in searched]
        if self.max_macs is not None:
            least = self._fixed_macs + sum(min(macs) for macs in self._macs)
            if self.max_macs < least:
                allowed = f"at least {least:,}, the smallest network"
                raise config_error("space.max_macs", f"{self.max_macs:g}", allowed)
            self._chain = BudgetChain(self._macs, int(self.max_macs) - self._fixed_macs)
            self._definition.append(
                [int(self.max_macs), list(self.image), self.num_classes, self.factor, self.stem_stride]
            )

    def macs(self, architecture: Choices) -> int:
        """Return the number of multiply-adds of the standalone network for one image."""
        return self._fixed_macs + sum(
            macs[choice] for macs, choice in zip(self._macs, architecture, strict=True)
        )

    def cost_sums(self) -> dict[str, CostSum]:
        """Return the MACs and the parameters as sums over the blocks, for the image and the classes of the space."""
        return {
            "macs": CostSum(self._macs, self._fixed_macs),
            "parameters": parameters(self._widths, self.num_classes, self.image[0]),
        }

    def _refusal(self, value: Mapping[str, Any]) -> str:
        written = " ".join(map(str, value.values()))
        return f"{written} has more multiply-adds than space.max_macs={self.max_macs:g}"

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
