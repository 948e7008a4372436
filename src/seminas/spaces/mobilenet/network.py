"""Networks of the mobile space (Cai et al., ICLR 2019), with the widths of Luo et al. (NeurIPS 2020) and their code."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

OPERATIONS = {"1": (3, 3), "2": (3, 6), "3": (5, 3), "4": (5, 6), "5": (7, 3), "6": (7, 6)}
"""Kernel size and expansion factor of the inverted residual of each operation."""
SKIP = "7"
"""Operation that skips a block."""
STAGES = (4, 4, 4, 4, 4, 1)
"""Number of blocks in each stage. The first block of a stage changes the width and cannot be skipped."""
STRIDES = (2, 2, 2, 1, 2, 1)
"""Stride of the first block in each stage."""
BLOCKS = [f"s{stage}b{block}" for stage, number in enumerate(STAGES, 1) for block in range(1, number + 1)]
"""Names of the 21 blocks. ``s1b1`` is the first block of the first stage."""
BN_EPS = 1e-3


@dataclass(frozen=True)
class Widths:
    """Numbers of channels in a network.

    Attributes:
        stem: Number of output channels of the first convolution.
        first: Number of output channels of the first block. This block has no expansion and is not searched.
        stages: Number of output channels of each of the six stages.
        head: Number of input channels of the classifier.
    """

    stem: int
    first: int
    stages: tuple[int, ...]
    head: int

    def scaled(self, factor: float) -> "Widths":
        """Return the widths times a factor, rounded to multiples of 8, at least 8. A factor of 1 changes nothing."""
        if factor == 1:
            return self

        def width(channels: int) -> int:
            return max(8, round(channels * factor / 8) * 8)

        return Widths(
            width(self.stem), width(self.first), tuple(width(c) for c in self.stages), width(self.head)
        )


STANDALONE = Widths(40, 24, (32, 56, 112, 128, 256, 432), 1728)
"""Widths of a network that is trained alone."""
SUPERNET = Widths(32, 16, (24, 40, 80, 96, 192, 320), 1280)
"""Widths of the supernet."""


@dataclass(frozen=True)
class BlockShape:
    """The shape of a block.

    Attributes:
        in_channels: Number of input channels.
        out_channels: Number of output channels.
        stride: Stride of the depthwise convolution.
    """

    in_channels: int
    out_channels: int
    stride: int

    @property
    def keeps_shape(self) -> bool:
        """Whether the output of the block has the shape of its input."""
        return self.stride == 1 and self.in_channels == self.out_channels


def block_shapes(widths: Widths) -> list[tuple[BlockShape, bool]]:
    """Return for each of the 21 blocks its shape, and whether it is the first block of its stage."""
    shapes, before = [], widths.first
    for blocks, stride, channels in zip(STAGES, STRIDES, widths.stages, strict=True):
        for k in range(blocks):
            shapes.append((BlockShape(before, channels, stride if k == 0 else 1), k == 0))
            before = channels
    return shapes


def convolution(
    in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1, relu: bool = True
) -> nn.Sequential:
    """Return a convolution with BatchNorm and, if ``relu``, ReLU6. Only the stride changes the resolution."""
    layers = [
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels, eps=BN_EPS),
    ]
    block = nn.Sequential(*layers, *([nn.ReLU6(inplace=True)] if relu else []))
    block.title = f"{kernel}x{kernel}{_stride(stride)}"  # type: ignore[assignment]
    return block


class InvertedResidual(nn.Sequential):
    """Inverted residual block: expansion, depthwise convolution, projection (Sandler et al., CVPR 2018).

    If the output has the shape of the input, the block adds its input to its output.
    """

    def __init__(self, shape: BlockShape, kernel: int, expansion: int) -> None:
        hidden = shape.in_channels * expansion
        layers = [] if expansion == 1 else [convolution(shape.in_channels, hidden)]
        layers.append(convolution(hidden, hidden, kernel, shape.stride, groups=hidden))
        layers.append(convolution(hidden, shape.out_channels, relu=False))
        super().__init__(*layers)
        self.residual = shape.keeps_shape
        self.title = f"{kernel}x{kernel} e{expansion}{_stride(shape.stride)}"

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[n, out_channels, height / stride, width / stride]`` for ``[n, in_channels, height, width]``."""
        y: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return x + y if self.residual else y


def build_network(
    operations: Sequence[str],
    num_classes: int = 1000,
    in_channels: int = 3,
    widths: Widths = STANDALONE,
    dropout: float = 0.0,
    stem_stride: int = 2,
) -> nn.Module:
    """Return the network of an architecture.

    It maps images ``[n, in_channels, height, width]`` to logits ``[n, num_classes]``.

    Args:
        operations: Operation of each of the 21 blocks, ``1`` to ``7``.
        num_classes: Number of classes.
        in_channels: Number of image channels.
        widths: Numbers of channels.
        dropout: Dropout probability before the classifier.
        stem_stride: Stride of the first convolution: 2, or 1 for small images.
    """
    blocks = {
        name: InvertedResidual(shape, *OPERATIONS[operation])
        for name, operation, (shape, _) in zip(BLOCKS, operations, block_shapes(widths), strict=True)
        if operation != SKIP
    }
    return initialise(
        _in_order(stem(in_channels, widths, stem_stride), blocks, head(widths, num_classes, dropout))
    )


def _in_order(first: nn.Module, blocks: Mapping[str, nn.Module], last: nn.Module) -> nn.Sequential:
    parts = {"stem": first, "blocks": nn.Sequential(OrderedDict(blocks)), "head": last}
    return nn.Sequential(OrderedDict(parts))


def stem(in_channels: int, widths: Widths, stride: int = 2) -> nn.Sequential:
    """Return the layers before the searched blocks: a convolution and a block without expansion."""
    return nn.Sequential(
        convolution(in_channels, widths.stem, 3, stride),
        InvertedResidual(BlockShape(widths.stem, widths.first, 1), 3, 1),
    )


def head(widths: Widths, num_classes: int, dropout: float = 0.0) -> nn.Sequential:
    """Return the layers after the searched blocks: a convolution, the mean over the image, and the classifier."""
    return nn.Sequential(
        convolution(widths.stages[-1], widths.head),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(widths.head, num_classes),
    )


def initialise(network: nn.Module) -> nn.Module:
    """Initialize convolutions by their fan-out and the classifier with deviation 0.01, as MobileNetV2 does."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.01)
            nn.init.zeros_(module.bias)
    return network


class Supernet(nn.Module):
    """A network that contains every operation in each block. All networks of the space share its weights.

    A path has one operation in each block. The other operations take no part in the forward pass of the path, so their
    parameters get no gradient.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        widths: Widths = SUPERNET,
        dropout: float = 0.0,
        stem_stride: int = 2,
    ) -> None:
        """Build the supernet. ``build_network`` explains the arguments."""
        super().__init__()
        self.stem = stem(in_channels, widths, stem_stride)
        self.blocks = nn.ModuleDict(
            {
                name: nn.ModuleDict({o: InvertedResidual(shape, *kind) for o, kind in OPERATIONS.items()})
                for name, (shape, _) in zip(BLOCKS, block_shapes(widths), strict=True)
            }
        )
        self.head = head(widths, num_classes, dropout)
        initialise(self)

    def forward(self, images: Tensor, operations: Sequence[str]) -> Tensor:
        """Return the logits ``[n, num_classes]`` of a path for images ``[n, in_channels, height, width]``."""
        x = self.stem(images)
        for block in self._path(operations).values():
            x = block(x)
        logits: Tensor = self.head(x)
        return logits

    def standalone(self, operations: Sequence[str]) -> nn.Module:
        """Return a path as a separate network that shares the supernet's parameters."""
        return _in_order(self.stem, self._path(operations), self.head)

    def _path(self, operations: Sequence[str]) -> dict[str, nn.Module]:
        return {
            name: choices[operation]  # type: ignore[index]
            for operation, (name, choices) in zip(operations, self.blocks.items(), strict=True)
            if operation != SKIP
        }


def _stride(stride: int) -> str:
    return f" stride {stride}" if stride > 1 else ""
