"""Sizes, devices, medians and the time of the GPU, for all parts of the measurement."""

import os
import platform
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

Numbers = dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """Sizes of all parts.

    Attributes:
        side: Width and height of an image in pixels.
        batch: Images of a training step.
        steps: Steps of each fit.
        repeats: Number of repetitions, in turns.
        images: Images in the folder and in the shards.
        paths: Paths of the supernet to measure.
        validation: Images on which a path is measured.
        calibration: Images from which BatchNorm's statistics are estimated.
        trainings: Trainings for each number of processes.
        epochs: Epochs of such a training.
        processes: Numbers of trainings at a time.
        labels: Numbers of labels of the controller's fits.
        controller_steps: Steps of the controller's fits. None means those of the default settings.
    """

    side: int
    batch: int
    steps: int
    repeats: int
    images: int
    paths: int
    validation: int
    calibration: int
    trainings: int
    epochs: int
    processes: tuple[int, ...]
    labels: tuple[int, ...]
    controller_steps: int | None = None


FULL = Sizes(224, 128, 30, 3, 2_000, 100, 5_000, 2_000, 16, 8, (1, 2, 4, 8), (100, 1_000, 10_000))
TINY = Sizes(32, 8, 4, 2, 24, 3, 24, 16, 2, 1, (1, 2), (20, 40), 3)


def device() -> torch.device:
    """Return the GPU, or the CPU without one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def machine() -> Numbers:
    """Return the device, the driver, the clocks and the versions."""
    about: Numbers = {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "device": "cpu",
        "date": time.strftime("%Y-%m-%d"),
    }
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        about |= {"device": properties.name, "memory_gib": round(properties.total_memory / 2**30, 1)}
        about |= {"cuda": torch.version.cuda}
        if shutil.which("nvidia-smi"):
            fields = "driver_version,clocks.sm,clocks.max.sm,mig.mode.current"
            command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader", "--id=0"]
            said = subprocess.run(command, capture_output=True, text=True).stdout.strip().split(", ")
            about |= dict(zip(("driver", "clock", "clock_max", "mig"), said, strict=False))
    return about


def wait() -> None:
    """Wait until the GPU has done all work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds_of(work: Callable[[], Any]) -> float:
    """Return the seconds of some work, with the GPU's."""
    wait()
    start = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - start


def median(values: Sequence[float]) -> float:
    """Return the median, to four digits."""
    return float(f"{statistics.median(values):.4g}")


def ratio(one: float | None, other: float | None) -> float | None:
    """Return a quotient to four digits, None if a number is missing."""
    return float(f"{one / other:.4g}") if one and other else None


def peak_mib() -> float | None:
    """Return the peak of the GPU's memory since the last call in MiB, and begin again. None without a GPU."""
    if not torch.cuda.is_available():
        return None
    peak = torch.cuda.max_memory_allocated() / 2**20
    torch.cuda.reset_peak_memory_stats()
    return round(peak)


def busy_fraction(step: Callable[[], Any], steps: int) -> float | None:
    """Return the fraction of the time in which the GPU computes, over some steps. None without a GPU."""
    if not torch.cuda.is_available():
        return None
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        spent = seconds_of(lambda: [step() for _ in range(steps)])
    kernels = sum(event.self_device_time_total for event in profiler.key_averages()) / 1e6
    return round(min(1.0, kernels / spent), 4)
