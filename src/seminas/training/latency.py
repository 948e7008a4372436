"""Measurement of a latency table: the time of each operation at its place in a network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seminas.execution.threads import threads
from seminas.spaces.exact import NetworkShape
from seminas.training.stage_clocks import (
    LatencySettings,
    Stage,
    StagedNetwork,
    check_device,
    device_name,
    onnx_clock,
    torch_clock,
)


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
    check_device(settings.device)
    rng = np.random.default_rng(settings.seed)
    covering = [architecture for k in range(max(space.num_choices)) if (architecture := _with(space, k))]
    drawn = space.sample(settings.num_networks, rng)
    with threads(settings.threads), torch.inference_mode():
        torch.manual_seed(settings.seed)
        networks = [StagedNetwork(space, a, shape) for a in [*covering, *drawn]]
        maker = onnx_clock if settings.device == "onnxruntime" else torch_clock
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
        device_name(settings.device),
    )


def _with(space: Any, k: int) -> Any:
    """Return the architecture with choice k at each position, or the nearest choice. None if it is no architecture."""
    choices = tuple(min(k, n - 1) for n in space.num_choices)
    return choices if space.decode(space.encode([choices]))[0] is not None else None


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
