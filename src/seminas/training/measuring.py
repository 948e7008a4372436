"""Accuracies of paths of a supernet with their own BatchNorm statistics."""

import copy
from collections.abc import Iterable, Sequence

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


def accuracies(
    networks: Iterable[nn.Module], batches: Sequence[tuple[Tensor, Tensor]], at_once: int = 1
) -> list[float]:
    """Return the top-1 accuracy of each network, a fraction.

    On a GPU the results are read once at the end of each group of networks. Until then the processor runs ahead of the
    GPU, and the networks of a group run side by side on streams of their own.

    Args:
        networks: Networks in evaluation mode, on the device of the images. What makes a network, such as new BatchNorm
            statistics, runs on its stream too.
        batches: Images ``[n, c, h, w]`` and labels ``[n]``. Images with the label ``IGNORED`` do not count.
        at_once: Number of networks in a group. It changes nothing on a CPU.
    """
    total = int(sum((labels != IGNORED).sum() for _, labels in batches))
    on_gpu = batches[0][0].is_cuda
    streams = [torch.cuda.Stream() for _ in range(at_once)] if on_gpu else [None]
    for stream in streams:
        if stream is not None:
            stream.wait_stream(torch.cuda.current_stream())  # The images may not be there yet.
    rest, found = iter(networks), list[float]()
    while True:
        counts = []
        for stream in streams:
            with torch.cuda.stream(stream):  # Without a GPU this does nothing.
                if (network := next(rest, None)) is not None:
                    counts.append(_correct(network, batches))
        found += [int(count) / total for count in counts]  # This waits for the GPU.
        if len(counts) < len(streams):
            return found


@torch.no_grad()
def _correct(network: nn.Module, batches: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the number of right predictions as a tensor on the device. Nothing waits for it."""
    # A prediction never equals IGNORED.
    return torch.stack([(network(images).argmax(dim=1) == labels).sum() for images, labels in batches]).sum()
