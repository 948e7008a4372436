"""Accuracy of a path of a supernet with its own BatchNorm statistics."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seminas.training.data.loading import IGNORED


@torch.no_grad()
def calibrated(network: nn.Module, batches: Sequence[Tensor]) -> nn.Module:
    """Return a copy of a network with BatchNorm statistics estimated on batches ``[n, c, h, w]``.

    The supernet's statistics are a mixture over all paths and fit no single path.
    """
    copied = copy.deepcopy(network).eval()
    norms = [m for m in copied.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # PyTorch then averages the statistics over all batches.
        norm.train()
    for images in batches:
        copied(images)
    return copied.eval()


@torch.no_grad()
def accuracy(network: nn.Module, batches: Sequence[tuple[Tensor, Tensor]]) -> float:
    """Return the top-1 accuracy of a network, a fraction.

    Args:
        network: Network in evaluation mode.
        batches: Images ``[n, c, h, w]`` and labels ``[n]``. Images with the label ``IGNORED`` do not count.
    """
    correct = total = 0
    for images, labels in batches:
        correct += int((network(images).argmax(dim=1) == labels).sum())  # A prediction never equals IGNORED.
        total += int((labels != IGNORED).sum())
    return correct / total
