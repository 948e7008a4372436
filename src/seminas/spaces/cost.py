"""Costs of a network: trainable parameters and multiply-adds (MACs)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


@dataclass(frozen=True)
class Part:
    """A part of a network and its costs.

    Attributes:
        name: Dotted name of the module.
        title: Short description for a table, such as ``3x3 e6``.
        output: Shape of the part's output for one image, without the batch dimension.
        parameters: Number of trainable parameters.
        macs: Number of multiply-adds for one image.
    """

    name: str
    title: str
    output: tuple[int, ...]
    parameters: int
    macs: int


def parts(network: nn.Module, image: Sequence[int]) -> list[Part]:
    """Return the parts of a network with their costs for one image ``[c, h, w]``, in the order of the forward pass.

    A part is a member of an ``nn.Sequential`` of blocks. Parts without trainable parameters are left out.
    """
    measured: list[Part] = []
    counter = FlopCounterMode(display=False)
    before: dict[str, int] = {}
    hooks = []

    def enter(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any) -> None:
            before[name] = counter.get_total_flops()

        return hook

    def leave(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            macs = (counter.get_total_flops() - before[name]) // 2
            title = str(getattr(module, "title", type(module).__name__))
            measured.append(Part(name, title, tuple(output.shape[1:]), count_parameters(module), macs))

        return hook

    for name, module in _parts(network, ""):
        if count_parameters(module):
            hooks += [
                module.register_forward_pre_hook(enter(name)),
                module.register_forward_hook(leave(name)),
            ]
    _run(network, image, counter)
    for hook in hooks:
        hook.remove()
    return measured


def _parts(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    """Yield the name and the module of each part. Descend into ``nn.Sequential`` modules that contain blocks."""
    if type(module) is nn.Sequential and any(list(child.children()) for child in module):
        for part, child in module.named_children():
            yield from _parts(child, f"{name}.{part}".removeprefix("."))
    else:
        yield name, module


def count_macs(network: nn.Module, image: Sequence[int]) -> int:
    """Return the MACs of the convolutions and matrix products for one image ``[c, h, w]``."""
    counter = FlopCounterMode(display=False)
    _run(network, image, counter)
    return counter.get_total_flops() // 2


def _run(network: nn.Module, image: Sequence[int], counter: FlopCounterMode) -> None:
    training = network.training
    weight = next(network.parameters(), None)  # A network on the meta device counts without computing.
    device = None if weight is None else weight.device
    with torch.no_grad(), counter:
        network.eval()(torch.zeros(1, *image, device=device))
    network.train(training)
