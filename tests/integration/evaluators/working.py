"""What a worker of these tests does: importable by its name, in a process that starts afresh."""

import os
from multiprocessing.synchronize import Barrier


class SeesGpus:
    """Tells which GPUs its process may use, once each of the processes has been asked."""

    def __init__(self, barrier: Barrier) -> None:
        self.barrier = barrier

    def gpus(self) -> str:
        """Return what CUDA would read."""
        self.barrier.wait(100)
        return os.environ["CUDA_VISIBLE_DEVICES"]
