"""Measurement of sweepers in a Hydra app: python measurements/hydra_app.py --help.

The app looks its value up in a table of all 46,080 combinations of six settings. The table is a made-up smooth
function, so its optimum is known. It is no measurement of networks.
"""

import contextlib
import functools
import io
import logging
import sys
import tempfile
import time
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any
from unittest import mock

import hydra
import numpy as np
import typer
from comparison import chosen, compare
from omegaconf import OmegaConf
from threadpoolctl import threadpool_limits

import seminas

VALUES: dict[str, list[Any]] = {
    "kernel": [3, 5, 7],
    "depth": list(range(2, 10)),
    "width": list(range(16, 144, 16)),
    "patience": list(range(1, 6)),
    "activation": ["relu", "gelu", "silu"],
    "log_rate": list(range(-40, -8, 2)),
}
UNORDERED = ("kernel", "activation")
METHODS = ("sweeper", "study", "random", "optuna_tpe")


@functools.cache
def table(seed: int) -> np.ndarray:
    """Return the values of all combinations, an array with an axis for each setting. The seed decides where the top is.

    A value falls with the distance from the top, more with some settings than with others, and neighboring settings
    interact. Kinds of activations and kernels have no order: each has a height.
    """
    rng = np.random.default_rng([seed, 29])
    places = []
    for name, values in VALUES.items():
        scaled = np.linspace(0, 1, len(values)) - rng.uniform(0.15, 0.85)
        unordered = rng.permutation(np.linspace(0, 0.5, len(values)))
        places.append(unordered if name in UNORDERED else scaled)
    grid = np.stack(np.meshgrid(*places, indexing="ij"))
    weights = rng.uniform(0.3, 2.0, len(VALUES)).reshape(-1, *[1] * len(VALUES))
    fall = (weights * grid**2).sum(axis=0) + 0.5 * (grid[1:] * grid[:-1]).sum(axis=0)
    return 0.95 * np.exp(-(fall - fall.min()))


def value(choices: Any, seed: int) -> float:
    """Return the value of an app's settings from the table."""
    at = tuple(values.index(choices[name]) for name, values in VALUES.items())
    return float(table(seed)[at])


def run(arguments: tuple[str, int, int]) -> tuple[float, float]:
    """Run a search. Return the best value as a part of the table's best one, and the duration in seconds."""
    method, seed, queries = arguments
    start = time.perf_counter()
    with threadpool_limits(1):
        best = _study(seed, queries) if method == "study" else _sweep(method, seed, queries)
    return best / float(table(seed).max()), time.perf_counter() - start


def _study(seed: int, queries: int) -> float:
    space = {
        name: values if name in UNORDERED else {"values": values, "ordered": True}
        for name, values in VALUES.items()
    }
    with seminas.Study(space, seed=seed, metric="objective", direction="maximize") as study:
        for _ in range(queries):
            (trial,) = study.ask()
            study.tell(trial, value(trial.choices, seed))
        return float(study.best.value)


def _swept(with_end: bool) -> list[str]:
    """Return the swept overrides. For Optuna's sweeper the end is a part of a range, for Hydra it is not."""
    overrides = []
    for name, values in VALUES.items():
        if name in UNORDERED:
            overrides.append(f"{name}=choice({','.join(map(str, values))})")
        else:
            step = values[1] - values[0]
            overrides.append(f"{name}=range({values[0]},{values[-1] + (0 if with_end else step)},{step})")
    return overrides


def _sweep(method: str, seed: int, queries: int) -> float:
    """Run a sweep of the app inside this process, and return the best value that the sweeper wrote."""
    sweeper = [
        f"seed={seed}",
        f"max_queries={queries}",
        "strategy=" + ("random" if method == "random" else "seminas"),
    ]
    if method == "optuna_tpe":
        sweeper = [f"sampler.seed={seed}", f"n_trials={queries}", "n_jobs=1", "direction=maximize"]
    defaults = {"seed": 0, **{name: values[0] for name, values in VALUES.items()}}
    with tempfile.TemporaryDirectory() as folder:
        OmegaConf.save(OmegaConf.create(defaults), Path(folder) / "app.yaml")
        app = hydra.main(version_base="1.3", config_path=folder, config_name="app")(
            lambda c: value(c, c.seed)
        )
        arguments = [f"seed={seed}", *_swept(with_end="optuna" in method)]
        arguments += [f"hydra.sweeper.{setting}" for setting in sweeper]
        arguments += [
            f"hydra.sweep.dir={folder}",
            "hydra/sweeper=" + ("optuna" if "optuna" in method else "seminas"),
        ]
        quiet = ["hydra/hydra_logging=disabled", "hydra/job_logging=disabled"]
        with mock.patch.object(sys, "argv", ["app.py", "-m", *arguments, *quiet]):
            logging.disable(logging.WARNING)
            warnings.simplefilter("ignore")
            with contextlib.redirect_stdout(io.StringIO()):
                app()
        return float(OmegaConf.load(Path(folder) / "optimization_results.yaml").best_value)


def main(
    methods: Annotated[str, typer.Option("--methods", "-m", help="Methods, with commas.")] = ",".join(
        METHODS
    ),
    queries: Annotated[int, typer.Option(help="Evaluations.", min=2)] = 50,
    seeds: Annotated[int, typer.Option(help="Seeds, from 0. Each has a table of its own.", min=2)] = 20,
    jobs: Annotated[int, typer.Option(help="Searches at once.", min=1)] = 2,
) -> None:
    """Compare ``hydra/sweeper=seminas`` with ``seminas.Study``, random search and Optuna's sweeper.

    Print the mean and the standard deviation of the best value as a part of the optimum, and the p-value of a paired
    Wilcoxon test for each pair of methods. Optuna's sweeper is left out if it is not installed.
    """
    names = chosen(methods, METHODS)
    if "optuna_tpe" in names and find_spec("optuna") is None:
        names.remove("optuna_tpe")
        print("optuna_tpe: left out, because it is not installed; pip install 'seminas[optuna]'")
    compare(run, names, queries, seeds, jobs, of=" of the optimum")


if __name__ == "__main__":
    typer.run(main)
