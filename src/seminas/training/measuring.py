"""The accuracy of one path of a supernet, with BatchNorm statistics of its own."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seminas.training.data.loading import IGNORED


@torch.no_grad()
def calibrated(network: nn.Module, batches: Sequence[Tensor]) -> nn.Module:
    """Return a copy of a network whose BatchNorm statistics are those of some batches ``[n, c, h, w]``.

    A supernet's own statistics are of all paths mixed, which are no path's.
    """
    alone = copy.deepcopy(network).eval()
    norms = [m for m in alone.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # The mean over all batches.
        norm.train()
    for images in batches:
        alone(images)
    return alone.eval()


@torch.no_grad()
def accuracy(network: nn.Module, batches: Sequence[tuple[Tensor, Tensor]]) -> float:
    """Return the top-1 accuracy of a network on batches of images and labels, a fraction."""
    right = total = 0
    for images, labels in batches:
        right += int((network(images).argmax(dim=1) == labels).sum())  # Never of a label that is ignored.
        total += int((labels != IGNORED).sum())
    return right / total
