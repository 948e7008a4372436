"""Networks of NAS-Bench-201 (Dong and Yang, ICLR 2020, section 2.1).

Details that the paper leaves open follow the authors' code.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from seminas.config.networks import NASBench201Network
from seminas.spaces.nasbench201.cell import EDGES


def build_network(
    operations: Sequence[str], num_classes: int = 10, in_channels: int = 3, **skeleton: Any
) -> nn.Module:
    """Return the network of a cell.

    It maps images ``[n, in_channels, height, width]`` to logits ``[n, num_classes]``.

    Args:
        operations: Operation on each of the six edges, in the order of ``EDGES``.
        num_classes: Number of classes.
        in_channels: Number of image channels.
        skeleton: Fields of ``NASBench201Network``.
    """
    settings = NASBench201Network(**skeleton)
    channels = settings.channels
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
    ]
    width = channels
    for stage in range(settings.num_stages):
        if stage:
            layers.append(ReductionBlock(width, 2 * width))
            width *= 2
        layers += [Cell(operations, width) for _ in range(settings.cells_per_stage)]
    layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(width, num_classes))


class Cell(nn.Module):
    """A cell of four nodes. A node is the sum of the outputs of the operations on its incoming edges."""

    def __init__(self, operations: Sequence[str], channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleDict(
            {
                f"{u}{v}": _operation(name, channels)
                for (u, v), name in zip(EDGES, operations, strict=True)
                if name != "none"
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return node 3 for the input ``x`` of node 0. Both are ``[n, channels, height, width]``."""
        nodes: list[Tensor | None] = [x]
        for v in (1, 2, 3):
            total = None
            for u in range(v):
                source = nodes[u]
                if source is not None and f"{u}{v}" in self.edges:
                    term = self.edges[f"{u}{v}"](source)
                    total = term if total is None else total + term
            nodes.append(total)
        output = nodes[3]
        return torch.zeros_like(x) if output is None else output


class ReductionBlock(nn.Module):
    """Residual block of stride 2. Its shortcut is average pooling with a 1 x 1 convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            _convolution(in_channels, out_channels, 3, stride=2), _convolution(out_channels, out_channels, 3)
        )
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(in_channels, out_channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[n, out_channels, height / 2, width / 2]`` for ``[n, in_channels, height, width]``."""
        halved: Tensor = self.shortcut(x) + self.convolutions(x)
        return halved


def _operation(name: str, channels: int) -> nn.Module:
    if name == "skip_connect":
        return nn.Identity()
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return _convolution(channels, channels, {"nor_conv_1x1": 1, "nor_conv_3x3": 3}[name])


def _convolution(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    )
