"""Test that processes share the GPUs of a machine. Each process imports this module, so it imports little."""

import os
from multiprocessing.synchronize import Barrier

import pytest
import torch

from seminas.config.training_evaluator import TrainingEvaluatorSettings
from seminas.execution.engines import make_engine, visible_gpus
from seminas.execution.processes import spawning


class SeesGpus:
    """An object that tells which GPUs its process may use. It answers after all processes have been asked."""

    def __init__(self, barrier: Barrier) -> None:
        self.barrier = barrier

    def gpus(self) -> str:
        """Return the value of the variable that CUDA reads."""
        self.barrier.wait(100)
        return os.environ["CUDA_VISIBLE_DEVICES"]


def test_processes_share_the_gpus_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5,7")
    assert visible_gpus("auto") == ["3", "GPU-5"] and visible_gpus("cpu") == []
    assert make_engine(TrainingEvaluatorSettings(accelerator="gpu"), None).num_workers == 2
    engine = make_engine(
        TrainingEvaluatorSettings(accelerator="gpu", num_workers=3), SeesGpus(spawning().Barrier(3))
    )
    try:
        seen = sorted(result for _, result in engine.calls("gpus", [()] * 3))
    finally:
        engine.close()
    assert seen == ["3", "3", "GPU-5"]
