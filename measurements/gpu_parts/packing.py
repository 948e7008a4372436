"""Part 4: trainings of small cells an hour, with 1, 2, 4 and 8 of them at a time on one GPU."""

import os
import shutil
import subprocess
import time

import numpy as np

from gpu_parts.clock import Numbers, Sizes, device, ratio
from seminas.config.recipe import Recipe
from seminas.config.training_evaluator import TrainingEvaluatorSettings
from seminas.evaluators.training import TrainingEvaluator
from seminas.spaces.nasbench101 import NASBench101

DIGITS = {"_target_": "seminas.training.data.memory.digits", "batch_size": 64}


def has_mps() -> bool:
    """Return whether NVIDIA's multi-process service runs, which lets kernels of several processes run at once."""
    if shutil.which("pgrep") is None or device().type != "cuda":
        return False
    return subprocess.run(["pgrep", "-f", "nvidia-cuda-mps-control"], capture_output=True).returncode == 0


def measure(sizes: Sizes) -> Numbers:
    """Train the same cells with each number of processes. Their start is not counted."""
    space = NASBench101()
    skeleton = {"nasbench101": {"stem_channels": 16, "num_stacks": 3, "cells_per_stack": 1}}
    recipe = Recipe(sizes.epochs, learning_rate=0.1, weight_decay=1e-4, networks=skeleton)
    cells = space.sample(max(sizes.trainings, 2 * max(sizes.processes)), np.random.default_rng(0))
    per_hour: dict[int, float] = {}
    for number in sizes.processes:
        settings = TrainingEvaluatorSettings(num_workers=number)
        evaluator = TrainingEvaluator(space, 0, settings, DIGITS, recipe)
        try:
            list(evaluator.evaluate(cells[:number]))  # The processes start, and load what they need.
            start = time.perf_counter()
            outcomes = [evaluation for _, evaluation in evaluator.evaluate(cells)]
            per_hour[number] = 3600 * len(cells) / (time.perf_counter() - start)
        finally:
            evaluator.close()
        failed = [evaluation.error for evaluation in outcomes if evaluation.error]
        if failed:
            raise RuntimeError(f"{len(failed)} trainings failed, such as {failed[0]}")
    best = max(per_hour, key=per_hour.__getitem__)
    return {
        **{f"{number}_at_a_time_per_hour": round(value, 1) for number, value in per_hour.items()},
        "best_number": best,
        "best_to_one": ratio(per_hour[best], per_hour[min(per_hour)]),
        "mps": has_mps(),
        "cores": len(os.sched_getaffinity(0)),
    }
