"""MACs and parameters of the networks of the mobile space, as sums over their blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from seminas.spaces.exact import CostSum
from seminas.spaces.mobilenet.network import BLOCKS, OPERATIONS, SKIP, Widths, block_shapes


def costs(
    widths: Widths, num_classes: int, image: Sequence[int], stem_stride: int = 2
) -> tuple[int, list[dict[str, int]]]:
    """Return the numbers of multiply-adds for an image ``[c, height, width]``.

    Returns:
        The MACs of the layers that are not searched, and the MACs of each operation in each of the 21 blocks.
    """
    size = [halved(side, stem_stride) for side in image[1:]]
    fixed = prod(size) * (9 * image[0] * widths.stem + 9 * widths.stem + widths.stem * widths.first)
    searched = []
    for shape, first in block_shapes(widths):
        out = [halved(side, shape.stride) for side in size]
        macs = {}
        for name, (kernel, expansion) in OPERATIONS.items():
            hidden = shape.in_channels * expansion
            macs[name] = hidden * (
                prod(size) * shape.in_channels + prod(out) * (kernel**2 + shape.out_channels)
            )
        searched.append(macs if first else {**macs, SKIP: 0})
        size = out
    fixed += prod(size) * widths.stages[-1] * widths.head + widths.head * num_classes
    return fixed, searched


def parameters(widths: Widths, num_classes: int, in_channels: int) -> CostSum:
    """Return the trainable parameters of the standalone networks. A BatchNorm has two for each channel."""
    first = widths.stem * (9 * in_channels + 2 + 9 + 2 + widths.first) + 2 * widths.first
    last = widths.head * (widths.stages[-1] + 2 + num_classes) + num_classes
    searched = []
    for shape, is_first in block_shapes(widths):
        of_block = []
        for kernel, expansion in OPERATIONS.values():
            hidden = shape.in_channels * expansion
            convolutions = hidden * (shape.in_channels + kernel**2 + shape.out_channels)
            of_block.append(convolutions + 2 * (hidden + hidden + shape.out_channels))
        searched.append(of_block if is_first else [*of_block, 0])
    return CostSum(searched, first + last)


@dataclass(frozen=True)
class LatencyNames:
    """Names of the parts of a network in the latency tables of once-for-all (Cai et al., ICLR 2020) and ProxylessNAS.

    Attributes:
        of_block: Name of each operation in each block, by the names of the block and of the operation.
        fixed: Names of the parts that are not searched.
    """

    of_block: dict[tuple[str, str], str]
    fixed: list[str]


def latency_names(
    widths: Widths, num_classes: int, image: Sequence[int], stem_stride: int = 2
) -> LatencyNames:
    """Return the names of all parts for an image ``[c, height, width]``. A shape is height x width x channels."""
    size = [halved(side, stem_stride) for side in image[1:]]
    stem, first = _shape(size, widths.stem), _shape(size, widths.first)
    fixed = [f"Conv-input:{_shape(image[1:], image[0])}-output:{stem}"]
    fixed.append(f"expanded_conv-input:{stem}-output:{first}-expand:1-kernel:3-stride:1-idskip:0")
    of_block = {}
    for block, (shape, _) in zip(BLOCKS, block_shapes(widths), strict=True):
        out = [halved(side, shape.stride) for side in size]
        ends = f"input:{_shape(size, shape.in_channels)}-output:{_shape(out, shape.out_channels)}"
        for name, (kernel, expansion) in OPERATIONS.items():
            kind = f"expand:{expansion}-kernel:{kernel}-stride:{shape.stride}-idskip:{int(shape.keeps_shape)}"
            of_block[block, name] = f"expanded_conv-{ends}-{kind}"
        of_block[block, SKIP] = f"{block}:{SKIP}"
        size = out
    last, head = _shape(size, widths.stages[-1]), _shape(size, widths.head)
    fixed += [f"Conv_1-input:{last}-output:{head}", f"Logits-input:{head}-output:{num_classes}"]
    return LatencyNames(of_block, fixed)


def _shape(size: Sequence[int], channels: int) -> str:
    return "x".join(map(str, [*size, channels]))


def halved(side: int, stride: int) -> int:
    """Return the side length of an image after a convolution with this stride and a padding of half its kernel."""
    return -(-side // stride)
