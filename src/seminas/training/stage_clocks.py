"""Networks of stages, and clocks that time the stages, for ``seminas data latency``."""

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from seminas.errors import UserError, config_error
from seminas.spaces.capabilities import HasStages
from seminas.spaces.exact import NetworkShape

DEVICES = ("cpu", "cuda", "onnxruntime")
"""Devices of a measurement. ``onnxruntime`` runs on the CPU."""
STATISTICS_BATCH = 8
"""Number of random images from which BatchNorm layers get their statistics."""
Stage = tuple[str, str]
"""A part of a network: its position and its choice. The position ``fixed`` has the parts that are not searched."""
Clock = Callable[[], list[float]]
"""Function that runs a network once. It returns the time of each of its stages and of the whole, in milliseconds."""


@dataclass(frozen=True)
class LatencySettings:
    """Settings of a measurement.

    Attributes:
        device: One of ``DEVICES``.
        repetitions: Number of timed runs of each network.
        warmup: Number of runs before, without a time.
        batch: Number of images in a batch.
        threads: Number of threads on the CPU.
        num_networks: Number of random networks that are compared with the sums.
        seed: Seed of these networks.
    """

    device: str = "cpu"
    repetitions: int = 30
    warmup: int = 5
    batch: int = 1
    threads: int = 1
    num_networks: int = 30
    seed: int = 0


class StagedNetwork:
    """A network in evaluation mode with its stages."""

    def __init__(self, space: HasStages[Any], architecture: Any, shape: NetworkShape) -> None:
        network = space.build_network(architecture, shape.num_classes, shape.image[0], **shape.skeleton)
        self.whole: nn.Module = _normalized(network, shape.image)
        self.stages: list[tuple[Stage, nn.Module]] = space.stages(architecture, network)


def _normalized(network: nn.Module, image: Sequence[int]) -> nn.Module:
    """Return a network in evaluation mode whose BatchNorm layers have the statistics of random images.

    Without them, the numbers would shrink from layer to layer, and a CPU computes slowly with tiny numbers.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # The mean over all batches, so that one batch is enough.
    network.train()(torch.randn(STATISTICS_BATCH, *image))
    return network.eval()


def torch_clock(
    network: StagedNetwork, shape: NetworkShape, settings: LatencySettings, sessions: object
) -> Clock:
    """Return a function that runs the stages one after the other, each on the output of the one before.

    The random networks run as a whole, without clocks between the stages.
    """
    device = torch.device(settings.device)
    images = torch.randn(settings.batch, *shape.image, device=device)
    stages = [stage.to(device) for _, stage in network.stages]
    whole = network.whole.to(device)
    parts = [whole] if sessions is None else stages
    now_s = _clock_of(settings.threads)

    def on_cpu() -> list[float]:
        x, times, last = images, [], now_s()
        for part in parts:
            x = part(x)
            now = now_s()
            times.append(1e3 * (now - last))
            last = now
        return [*times, sum(times)]

    def on_cuda() -> list[float]:
        x: Tensor = images
        events = [torch.cuda.Event(enable_timing=True) for _ in range(len(parts) + 1)]
        torch.cuda.synchronize()
        events[0].record()
        for part, event in zip(parts, events[1:], strict=True):
            x = part(x)
            event.record()
        torch.cuda.synchronize()
        times = [a.elapsed_time(b) for a, b in pairwise(events)]
        return [*times, sum(times)]

    return on_cuda if device.type == "cuda" else on_cpu


def onnx_clock(
    network: StagedNetwork,
    shape: NetworkShape,
    settings: LatencySettings,
    sessions: dict[Stage, Callable[[], float]] | None,
) -> Clock:
    """Return a function that runs each stage, or the whole network, as a session of onnxruntime."""
    x = torch.randn(settings.batch, *shape.image)
    if sessions is None:
        whole = _session(network.whole, x, settings.threads)
        return lambda: [whole()]
    runs = []
    for stage, module in network.stages:
        if stage not in sessions:
            sessions[stage] = _session(module, x, settings.threads)
        runs.append(sessions[stage])
        x = module(x)

    def run() -> list[float]:
        times = [of_stage() for of_stage in runs]
        return [*times, sum(times)]

    return run


def _session(module: nn.Module, x: Tensor, threads: int) -> Callable[[], float]:
    """Return a function that runs a module in onnxruntime and returns its time in milliseconds."""
    import onnxruntime  # type: ignore[import-untyped]

    file = BytesIO()
    torch.onnx.export(module, (x.clone(),), file, input_names=["x"], dynamo=False)  # type: ignore[arg-type]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    inputs, now_s = {"x": x.numpy()}, _clock_of(threads)

    def run() -> float:
        start = now_s()
        session.run(None, inputs)
        return 1e3 * (now_s() - start)

    return run


def _clock_of(threads: int) -> Callable[[], float]:
    """Return a clock in seconds.

    With one thread, it is the processor time of the thread, which passes only while the thread computes. So other
    programs on the machine disturb the measurement little.
    """
    return time.thread_time if threads == 1 else time.perf_counter


def check_device(device: str) -> None:
    """Check that a device is available.

    Raises:
        UserError: It is unknown, or the machine or the environment lacks it.
    """
    if device not in DEVICES:
        raise config_error("--device", device, f"one of {', '.join(DEVICES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device=cuda: PyTorch finds no GPU")
    if device == "onnxruntime":
        try:
            import onnx
            import onnxruntime
        except ImportError as error:
            raise UserError(
                f"--device=onnxruntime: needs the package {error.name} (pip install 'seminas[onnxruntime]')"
            ) from error
        del onnx, onnxruntime


def device_name(device: str) -> str:
    """Return the name of the GPU or of the CPU."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return name
