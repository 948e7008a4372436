"""Measurement of a latency table: the time of each operation at its place in a network."""

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
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


@dataclass(frozen=True)
class Measured:
    """A measured table.

    Attributes:
        times: Times of each stage in milliseconds, ``[runs]``.
        networks: Names of the random networks.
        sums: Sum of the medians of each network's stages, in milliseconds.
        wholes: Median time of each whole network, in milliseconds.
        device: Name of the device.
    """

    times: dict[Stage, NDArray[np.float64]]
    networks: list[str]
    sums: NDArray[np.float64]
    wholes: NDArray[np.float64]
    device: str

    def spearman(self) -> float:
        """Return Spearman's rank correlation of the sums with the times of the whole networks."""
        from scipy.stats import spearmanr

        return float(spearmanr(self.sums, self.wholes).statistic)

    def relative_error(self) -> float:
        """Return the mean of the sums' relative errors, a fraction of the time of the whole network."""
        return float(np.abs(self.sums / self.wholes - 1).mean())


def measure(
    space: Any, shape: NetworkShape, settings: LatencySettings, advance: Callable[[int, int], None]
) -> Measured:
    """Measure the time of each operation at its place, and how well the sums predict whole networks.

    The networks that have the same choice at each position contain each operation once. Each repetition runs all these
    networks and all random networks, so that a busy phase of the machine slows down all of them. PyTorch's stages are
    timed inside the running network. With onnxruntime each stage is a session of its own.

    Args:
        space: Space whose networks have stages.
        shape: Image, classes and skeleton of the networks.
        settings: Settings of the measurement.
        advance: Function that is told the finished runs and the number of all runs.

    Raises:
        UserError: The device is not available.
    """
    _check_device(settings.device)
    rng = np.random.default_rng(settings.seed)
    covering = [architecture for k in range(max(space.num_choices)) if (architecture := _with(space, k))]
    drawn = space.sample(settings.num_networks, rng)
    with _threads(settings.threads), torch.inference_mode():
        torch.manual_seed(settings.seed)
        networks = [_Network(space, a, shape) for a in [*covering, *drawn]]
        maker = _onnx_clock if settings.device == "onnxruntime" else _torch_clock
        sessions: dict[Stage, Callable[[], float]] = {}
        clocks = [
            maker(network, shape, settings, sessions if i < len(covering) else None)
            for i, network in enumerate(networks)
        ]
        runs: list[list[list[float]]] = [[] for _ in networks]
        rounds = settings.warmup + settings.repetitions
        for r in range(rounds):
            for i, clock in enumerate(clocks):
                times = clock()
                if r >= settings.warmup:
                    runs[i].append(times)
                advance(r * len(clocks) + i + 1, rounds * len(clocks))
    found: dict[Stage, list[float]] = {}
    for network, of_network in zip(networks[: len(covering)], runs[: len(covering)], strict=True):
        for s, (stage, _) in enumerate(network.stages):
            found.setdefault(stage, []).extend(run[s] for run in of_network)
    times_of = {stage: np.array(values) for stage, values in found.items()}
    median = {stage: float(np.median(values)) for stage, values in times_of.items()}
    random = networks[len(covering) :]
    return Measured(
        times_of,
        [space.key(a) for a in drawn],
        np.array([sum(median[stage] for stage, _ in network.stages) for network in random]),
        np.array([np.median([run[-1] for run in of]) for of in runs[len(covering) :]]),
        _device_name(settings.device),
    )


class _Network:
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


def _with(space: Any, k: int) -> Any:
    """Return the architecture with choice k at each position, or the nearest choice. None if it is no architecture."""
    choices = tuple(min(k, n - 1) for n in space.num_choices)
    return choices if space.decode(space.encode([choices]))[0] is not None else None


def _torch_clock(
    network: _Network, shape: NetworkShape, settings: LatencySettings, sessions: object
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


def _onnx_clock(
    network: _Network,
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


def _check_device(device: str) -> None:
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


def _device_name(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return name


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def table_text(measured: Measured, about: Sequence[str], settings: LatencySettings) -> str:
    """Return the table as CSV. Lines with ``#`` before it describe the measurement.

    Args:
        measured: The table.
        about: Further lines about the space.
        settings: Settings of the measurement.
    """
    lines = [
        *about,
        f"device: {settings.device}, {measured.device}",
        f"threads: {settings.threads}, batch: {settings.batch}, warm-up: {settings.warmup}, "
        f"repetitions: {settings.repetitions}, torch: {torch.__version__}",
        f"sums against {len(measured.sums)} random whole networks: Spearman {measured.spearman():.3f}, "
        f"mean relative error {measured.relative_error():.3f}",
    ]
    rows = ["position,choice,median_ms,iqr_ms,runs"]
    for (position, choice), times in measured.times.items():
        low, median, high = np.percentile(times, [25, 50, 75])
        rows.append(f"{position},{choice},{median:.6f},{high - low:.6f},{len(times)}")
    return "".join(f"{line}\n" for line in [*(f"# {line}" for line in lines), *rows])
