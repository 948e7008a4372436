"""MACs and parameters of the networks of the mobile space, as sums over their blocks."""

from collections.abc import Sequence
from math import prod

from seminas.spaces.exact import CostSum
from seminas.spaces.mobilenet.network import OPERATIONS, SKIP, Widths, block_shapes


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


def halved(side: int, stride: int) -> int:
    """Return the side length of an image after a convolution with this stride and a padding of half its kernel."""
    return -(-side // stride)
