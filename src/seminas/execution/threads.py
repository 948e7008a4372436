"""The number of threads of a computation."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Make PyTorch compute on a number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


one_thread = partial(threads, 1)
"""Make PyTorch compute on one thread, for small networks.

A second thread saves little time on an idle machine. On a busy machine the threads wait for each other at every step.
With one thread the results do not depend on the number of cores.
"""
