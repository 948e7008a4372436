"""Part 5: fits of the controller and scores of a whole space, on the CPU and on the GPU."""

from dataclasses import replace

import numpy as np

from gpu_parts.clock import Numbers, Sizes, device, median, ratio, seconds_of
from seminas.config.controller import ControllerSettings
from seminas.controller.fit import fit_controller
from seminas.spaces.nasbench101 import NASBench101


def measure(sizes: Sizes) -> Numbers:
    """Measure fits with each number of labels, and the number from which on the GPU is faster."""
    space = NASBench101()
    random = np.random.default_rng(0)
    devices = ("cpu", "cuda") if device().type == "cuda" else ("cpu",)
    found: Numbers = {}
    crossover = None
    for labels in sizes.labels:
        cells = space.sample(labels, random)
        accuracies = random.uniform(0.8, 0.95, labels)
        fit_s, score_s = {}, {}
        for name in devices:
            settings = replace(ControllerSettings(), device=name)
            if sizes.controller_steps is not None:
                short = {"steps": sizes.controller_steps}
                settings = replace(
                    settings,
                    teachers=replace(settings.teachers, **short),
                    student=replace(settings.student, **short),
                )
            kept = []

            def fit(settings: ControllerSettings = settings, kept: list[object] = kept) -> None:
                kept.append(fit_controller(space, settings, cells, accuracies, (0, 0))[0])  # noqa: B023

            fit_s[name] = median([seconds_of(fit) for _ in range(1 if labels >= 10_000 else sizes.repeats)])
            scored = space.sample(min(20_000, 100 * labels), random)
            score_s[name] = seconds_of(lambda k=kept, s=scored: k[-1].predict(s))  # type: ignore[misc]
            found[f"{name}_{labels}_labels_fit_s"] = fit_s[name]
            found[f"{name}_{labels}_labels_scores_per_s"] = float(f"{len(scored) / score_s[name]:.4g}")
        found[f"{labels}_labels_gpu_speedup"] = ratio(fit_s["cpu"], fit_s.get("cuda"))
        if crossover is None and fit_s.get("cuda", np.inf) < fit_s["cpu"]:
            crossover = labels
    found["crossover_labels"] = crossover
    return found
