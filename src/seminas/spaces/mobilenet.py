"""The mobile space: 21 inverted residuals of kernel 3, 5 or 7 and expansion 3 or 6, some of them skipped."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from seminas.errors import config_error
from seminas.networks.mobilenet import (
    BLOCKS,
    OPERATIONS,
    STANDALONE,
    SUPERNET,
    Supernet,
    build_network,
    costs,
)
from seminas.spaces.chain import BudgetChain
from seminas.spaces.sequence import Choices, SequenceSpace


class MobileNet(SequenceSpace):
    """Networks of six stages of inverted residuals (Luo et al., NeurIPS 2020, section 4.2; Cai et al., ICLR 2019).

    Operations ``1`` to ``6`` are (kernel, expansion) (3, 3), (3, 6), (5, 3), (5, 6), (7, 3), (7, 6); ``7`` skips a
    block, but not the first of a stage. With a budget the space is what fits into it, counted and drawn from exactly.
    """

    def __init__(
        self,
        max_macs: float | None = None,
        image: Sequence[int] = (3, 224, 224),
        num_classes: int = 1000,
        factor: float = 1.0,
        stem_stride: int = 2,
    ) -> None:
        """Declare the space.

        Args:
            max_macs: Multiply-adds of the standalone network at most; any by default.
            image: What they are counted for, channels, height and width.
            num_classes: Of the classifier that is counted.
            factor: What all widths are multiplied by.
            stem_stride: Of the first convolution: 2, or 1 for small images.

        Raises:
            UserError: A value makes no sense, or no network fits into the budget.
        """
        if len(image) != 3 or min(image) < 1:
            raise config_error("space.image", list(image), "channels, height and width")
        for name, value in (("factor", factor), ("num_classes", num_classes)):
            if value <= 0:
                raise config_error(f"space.{name}", value, "above 0")
        if stem_stride not in (1, 2):
            raise config_error("space.stem_stride", stem_stride, "1 or 2")
        self.image, self.num_classes = tuple(image), num_classes
        self.factor, self.stem_stride = factor, stem_stride
        self._fixed_macs, searched = costs(STANDALONE, num_classes, image, factor, stem_stride)
        super().__init__(
            "mobilenet", {name: list(place) for name, place in zip(BLOCKS, searched, strict=True)}
        )
        self._macs = [list(place.values()) for place in searched]
        if max_macs is not None:
            least = self._fixed_macs + sum(min(place) for place in self._macs)
            if max_macs < least:
                raise config_error(
                    "space.max_macs", f"{max_macs:g}", f"at least {least:,}, the smallest network"
                )
            self._chain = BudgetChain(self._macs, int(max_macs) - self._fixed_macs)
            self._definition.append([int(max_macs), list(image), num_classes, factor, stem_stride])
        self.max_macs = max_macs

    def macs(self, architecture: Choices) -> int:
        """Return the multiply-adds of the standalone network for one image."""
        return self._fixed_macs + sum(
            place[choice] for place, choice in zip(self._macs, architecture, strict=True)
        )

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
        """Return the standalone network; widths and stem are the space's unless ``skeleton`` says otherwise."""
        skeleton = {"factor": self.factor, "stem_stride": self.stem_stride, **skeleton}
        return build_network(self._written(architecture), num_classes, in_channels, **skeleton)

    def build_supernet(self, num_classes: int, in_channels: int, dropout: float = 0.0) -> Supernet:
        """Return the network that holds all of them."""
        return Supernet(num_classes, in_channels, SUPERNET, self.factor, dropout, self.stem_stride)

    def path(self, architecture: Choices) -> list[str]:
        """Return an architecture's operation at each of the 21 places."""
        return self._written(architecture)

    def extremes(self) -> tuple[Choices, Choices]:
        """Return the largest network, whatever the budget, and the smallest one."""
        most = tuple(max(range(len(place)), key=place.__getitem__) for place in self._macs)
        return most, tuple(min(range(len(place)), key=place.__getitem__) for place in self._macs)

    def vertex_names(self, architecture: Choices) -> list[str]:
        """Return each block as kernel and expansion, such as ``5x5 e6``."""
        kinds = [OPERATIONS.get(name) for name in self._written(architecture)]
        return ["skip" if kind is None else f"{kind[0]}x{kind[0]} e{kind[1]}" for kind in kinds]
