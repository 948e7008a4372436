"""Measurement of searches on ordered positions: python measurements/ordered.py --help.

The space has five whole numbers and two floats on a logarithmic scale. The accuracy is a made-up smooth function. It is
no measurement of networks.
"""

import math
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Annotated, Any

import numpy as np
import typer
from comparison import chosen, compare
from threadpoolctl import threadpool_limits

import seminas

INTEGERS = {"depth": (2, 10), "width": (4, 32), "kernel": (1, 9), "heads": (1, 8), "augmentation": (0, 15)}
FLOATS = {"learning_rate": (1e-4, 1e-1), "weight_decay": (1e-6, 1e-2)}
SPACE = {
    **{name: {"low": low, "high": high} for name, (low, high) in INTEGERS.items()},
    **{name: {"low": low, "high": high, "log": True} for name, (low, high) in FLOATS.items()},
}
STRATEGIES = ("seminas", "gaussian_process", "random")
SAMPLERS = ("optuna_tpe", "optuna_gp")
OTHERS = ("evolution", "local_search", "bananas")
"""Strategies that run only if they are named."""


def accuracy(values: dict[str, Any], seed: int) -> float:
    """Return the accuracy of values by position, a fraction. The seed decides where its hill lies.

    The accuracy is 0.95 at the top. It falls with the distance from the top. Some positions matter more than others,
    and neighboring positions interact. A small ripple lies over the hill.
    """
    rng = np.random.default_rng([seed, 17])
    top, weight = rng.uniform(0.15, 0.85, len(SPACE)), rng.uniform(0.3, 3.0, len(SPACE))
    scaled = [(values[name] - low) / (high - low) for name, (low, high) in INTEGERS.items()]
    scaled += [math.log(values[name] / low) / math.log(high / low) for name, (low, high) in FLOATS.items()]
    away = np.array(scaled) - top
    fall = (weight * away**2).sum() + 0.8 * (away[1:] * away[:-1]).sum()
    ripple = 0.005 * np.cos(9 * away).mean()
    return float(0.3 + 0.645 * math.exp(-max(fall, 0.0)) + ripple)


def run(arguments: tuple[str, int, int]) -> tuple[float, float]:
    """Run a search. Return the best accuracy and the duration in seconds."""
    method, seed, queries = arguments
    start = time.perf_counter()
    with threadpool_limits(1):
        best = _optuna(method, seed, queries) if method in SAMPLERS else _study(method, seed, queries)
    return best, time.perf_counter() - start


def _study(strategy: str, seed: int, queries: int) -> float:
    with seminas.Study(SPACE, strategy=strategy, seed=seed) as study:
        for _ in range(queries):
            (trial,) = study.ask()
            study.tell(trial, accuracy(trial.choices, seed))
        return max(record.val_accuracy or 0.0 for record in study.history)


def _optuna(method: str, seed: int, queries: int) -> float:
    """Return the best accuracy of a sampler of Optuna, which sees whole numbers and floats without bins."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    samplers: dict[str, Callable[[], Any]] = {
        "optuna_tpe": lambda: optuna.samplers.TPESampler(seed=seed),
        "optuna_gp": lambda: optuna.samplers.GPSampler(seed=seed, deterministic_objective=True),
    }

    def objective(trial: Any) -> float:
        values = {name: trial.suggest_int(name, low, high) for name, (low, high) in INTEGERS.items()}
        values |= {
            name: trial.suggest_float(name, low, high, log=True) for name, (low, high) in FLOATS.items()
        }
        return accuracy(values, seed)

    study = optuna.create_study(direction="maximize", sampler=samplers[method]())
    study.optimize(objective, n_trials=queries)
    return float(study.best_value)


def _is_installed(sampler: str) -> bool:
    if find_spec("optuna") is None:
        return False
    import optuna

    return hasattr(optuna.samplers, "GPSampler" if sampler == "optuna_gp" else "TPESampler")


def main(
    methods: Annotated[str, typer.Option("--methods", "-m", help="Methods, with commas.")] = ",".join(
        (*STRATEGIES, *SAMPLERS)
    ),
    queries: Annotated[int, typer.Option(help="Evaluations.", min=2)] = 50,
    seeds: Annotated[int, typer.Option(help="Seeds, from 0. Each has a hill of its own.", min=2)] = 20,
    jobs: Annotated[int, typer.Option(help="Searches at once.", min=1)] = 2,
) -> None:
    """Compare strategies of seminas with Optuna's samplers on ordered positions.

    Print the mean and the standard deviation of the best accuracy, and the p-value of a paired Wilcoxon test for each
    pair of methods. Methods of Optuna are left out if Optuna is not installed.
    """
    names = chosen(methods, (*STRATEGIES, *SAMPLERS, *OTHERS))
    for name in [name for name in names if name in SAMPLERS and not _is_installed(name)]:
        names.remove(name)
        print(f"{name}: left out, because Optuna is not installed or too old; pip install 'seminas[peers]'")
    compare(run, names, queries, seeds, jobs)


if __name__ == "__main__":
    typer.run(main)
