"""Part 3: steps of a supernet, and the measurement of many paths one after another and side by side."""

import copy
from typing import Any

import numpy as np
import torch
from torch import nn

from gpu_parts.clock import Numbers, Sizes, device, median, ratio, seconds_of
from seminas.config.recipe import Recipe
from seminas.config.spaces import MobileNetSettings
from seminas.config.trainer import TrainerSettings
from seminas.spaces.mobilenet import MobileNet
from seminas.training.devices import mixed_precision, uses_channels_last
from seminas.training.measuring import accuracies, calibrated
from seminas.training.supernet import PATHS_AT_ONCE

SETTINGS = TrainerSettings(precision="auto")
RECIPE = Recipe(1, learning_rate=0.1, weight_decay=4e-5)


def measure(sizes: Sizes) -> Numbers:
    """Measure a step, the paths a second of each way, and what BatchNorm's new statistics cost."""
    space = MobileNet(MobileNetSettings(image=[3, sizes.side, sizes.side], num_classes=1000))
    random = np.random.default_rng(0)
    layout = torch.channels_last if uses_channels_last(RECIPE, device()) else torch.contiguous_format
    torch.manual_seed(0)
    supernet: Any = space.build_supernet(1000, 3).to(device())
    fast = copy.deepcopy(supernet).to(memory_format=layout)
    paths = [space.path(a) for a in space.sample(sizes.paths, random)]
    size = min(250, sizes.validation)

    def images(number: int, batch: int, memory_format: Any) -> list[tuple[torch.Tensor, torch.Tensor]]:
        generator = torch.Generator().manual_seed(0)
        parts = [
            torch.randn(batch, 3, sizes.side, sizes.side, generator=generator) for _ in range(number // batch)
        ]
        return [
            (x.to(device(), memory_format=memory_format), torch.arange(batch, device=device()) % 1000)
            for x in parts
        ]

    validation, fast_validation = (
        images(sizes.validation, size, f) for f in (torch.contiguous_format, layout)
    )
    calibration = [x for x, _ in images(sizes.calibration, min(sizes.batch, sizes.calibration), layout)]

    def one_after_another() -> list[float]:
        return [as_before(supernet.standalone(path).eval(), validation) for path in paths]

    def together(at_once: int, is_calibrated: bool = False) -> list[float]:
        with mixed_precision(SETTINGS, device()):
            networks = (fast.standalone(path) for path in paths)
            made = (calibrated(n, calibration) if is_calibrated else n.eval() for n in networks)
            return accuracies(made, fast_validation, at_once)

    ways = {
        "one_after_another": one_after_another,
        "one_at_a_time": lambda: together(1),
        "side_by_side": lambda: together(PATHS_AT_ONCE),
        "calibrated": lambda: together(PATHS_AT_ONCE, True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(sizes.repeats):
        for name, work in ways.items():
            seconds[name].append(seconds_of(work))
    spent = {name: median(values) for name, values in seconds.items()}
    found: Numbers = {f"{name}_paths_per_s": float(f"{len(paths) / s:.4g}") for name, s in spent.items()}
    found["side_by_side_to_one_after_another"] = ratio(spent["one_after_another"], spent["side_by_side"])
    found["calibration_share"] = round(max(0.0, 1 - spent["side_by_side"] / spent["calibrated"]), 4)
    found["step_ms"] = step_ms(fast, space, sizes, layout)
    return found


@torch.no_grad()
def as_before(network: nn.Module, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Return the accuracy in 32 bits with a wait after each batch, as version 0.1 computed it."""
    correct = total = 0
    for images, labels in batches:
        correct += int((network(images).argmax(dim=1) == labels).sum())
        total += len(labels)
    return correct / total


def step_ms(supernet: Any, space: MobileNet, sizes: Sizes, layout: Any) -> float:
    """Return the median milliseconds of a training step of a path, in a plain loop."""
    images = torch.randn(sizes.batch, 3, sizes.side, sizes.side).to(device(), memory_format=layout)
    labels = torch.randint(0, 1000, (sizes.batch,), device=device())
    optimizer = torch.optim.SGD(supernet.parameters(), 0.01, momentum=0.9)
    paths = [space.path(a) for a in space.sample(sizes.steps, np.random.default_rng(1))]

    def step(path: Any) -> None:
        optimizer.zero_grad()
        with mixed_precision(SETTINGS, device()):
            loss = nn.functional.cross_entropy(supernet.train()(images, path), labels)
        loss.backward()
        optimizer.step()

    spent = [seconds_of(lambda p=path: step(p)) for path in paths]  # type: ignore[misc]
    return float(f"{1000 * median(spent[1:]):.4g}")
