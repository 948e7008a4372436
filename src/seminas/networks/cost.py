"""What a network costs: parameters and multiply-adds."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def count_macs(network: nn.Module, image: Sequence[int]) -> int:
    """Return the multiply-adds (MACs) of convolutions and matrix products for one image ``[c, h, w]``."""
    training = network.training
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network.eval()(torch.zeros(1, *image))
    network.train(training)
    return counter.get_total_flops() // 2
