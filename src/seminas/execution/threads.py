"""The number of threads of the controller's computations."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Make PyTorch compute on one thread.

    The networks are small. A second thread saves little time on an idle machine. On a busy machine the threads wait
    for each other at every step. With one thread the results do not depend on the number of cores.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
