"""Measurement of zero-cost proxies: python measurements/proxies.py --help.

The time depends on the machine. The other figures do not: tables give the accuracies.
"""

import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated, Any

import numpy as np
import torch
import typer
from scipy.stats import kendalltau, rankdata, ttest_rel

import seminas
from seminas.commands.api import as_overrides, composed
from seminas.commands.predictor import run
from seminas.config.build import build_section, read_section
from seminas.config.check import checked
from seminas.config.compose import compose
from seminas.config.controller import ControllerSettings
from seminas.config.proxies import ProxySettings
from seminas.controller.fit import fit_controller
from seminas.evaluators.table import TableEvaluator
from seminas.proxies.zero_cost import ZeroCost
from seminas.runs.folder import RunFolder

app = typer.Typer(no_args_is_help=True)
Table = Annotated[str, typer.Option(help="digits101, or a table that seminas data import wrote.")]
Space = Annotated[str, typer.Option(help="Space of the table.")]
Seeds = Annotated[int, typer.Option(help="Seeds, from 0.")]
Jobs = Annotated[int, typer.Option(help="Processes.")]
Proxies = Annotated[
    str, typer.Option(help="Overrides of the settings in the section proxies, with semicolons.")
]


def opened(space: str, table: str, cache: str) -> tuple[Any, Any, ZeroCost]:
    """Return a space, the evaluator of a table, and proxies with their cache in a folder."""
    with composed("search", [f"space={space}", "evaluator=table", f"evaluator.path={table}"], None) as (
        config,
        _,
    ):
        built = build_section(config, "space", seminas.SearchSpace)
        evaluator = build_section(config, "evaluator", TableEvaluator, space=built, seed=0)
    return built, evaluator, ZeroCost(built, ProxySettings(cache=cache))


def timed(arguments: tuple[str, int, int]) -> tuple[int, float]:
    """Compute the proxies of random architectures of a space. Return their number, and seconds of the processor."""
    name, number, seed = arguments
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        with composed("search", [f"space={name}"], None) as (config, _):
            space = build_section(config, "space", seminas.SearchSpace)
        proxies = ZeroCost(space, ProxySettings(cache=folder))
        architectures = space.sample(number, np.random.default_rng(seed))
        start = time.process_time()
        return len(proxies.values(architectures)), time.process_time() - start


@app.command("time")
def time_of(space: Space = "nasbench201", number: int = 1000, jobs: Jobs = 2) -> None:
    """Measure the seconds that the proxies of some random architectures take in several processes."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        list(pool.map(timed, [(space, 1, 0)] * jobs))  # The imports do not count.
        start = time.perf_counter()
        tasks = [(space, number // jobs, seed) for seed in range(jobs)]
        done, of_processor = map(sum, zip(*pool.map(timed, tasks), strict=True))
        seconds = time.perf_counter() - start
    print(
        f"{space}: {done} architectures in {seconds:.1f} s, {jobs} processes, {of_processor:.1f} s of processors"
    )


@app.command()
def alone(table: Table, space: Space = "nasbench201", number: int = 1000, seed: int = 0) -> None:
    """Measure Kendall's τ between each proxy and the validation accuracies of random architectures of a table."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as cache:
        whole, evaluator, proxies = opened(space, table, cache)
        members = evaluator.members()
        chosen = np.random.default_rng(seed).choice(
            whole.size if members is None else members,
            min(number, 10**9 if members is None else len(members)),
            replace=False,
        )
        architectures = whole.at(chosen)
        values, accuracies = proxies.values(architectures), evaluator.val_accuracies(architectures)
    top = accuracies >= np.quantile(accuracies, 0.8)
    for name, column in zip(proxies.names, values.T, strict=True):
        tau, of_top = (kendalltau(column[k], accuracies[k]).statistic for k in (slice(None), top))
        print(f"{name}: tau {tau:.3f}, among the best fifth {of_top:.3f} ({len(accuracies)} architectures)")


def searched(arguments: tuple[dict[str, Any], list[str]]) -> tuple[float, float, bool, float]:
    """Run a search. Return its best accuracy, its test accuracy, whether it found the best, and seconds of proxies."""
    settings, overrides = arguments
    with tempfile.TemporaryDirectory() as folder:
        result = seminas.search(overrides, folder=f"{folder}/run", quiet=True, logger=[], **settings)
    there_is = (result.best_there_is or {})["val_accuracy"]
    test = float("nan") if result.test_accuracy is None else result.test_accuracy
    return result.best_value, test, result.best_value >= there_is, result.proxies_s


@app.command()
def found(
    table: Table,
    proxies: Proxies = "",
    space: Space = "nasbench201",
    queries: Annotated[int, typer.Option(help="Evaluations.")] = 25,
    strategy: Annotated[str, typer.Option(help="Strategy.")] = "seminas",
    seeds: Seeds = 20,
    jobs: Jobs = 2,
) -> None:
    """Measure searches with and without proxies: accuracies, how often they find the best, and a paired test."""
    settings = {
        "space": space,
        "evaluator": "table",
        "strategy": strategy,
        "search": {"max_queries": queries},
    }
    chosen = ["proxies=zero_cost", *(f"proxies.{part}" for part in proxies.split(";") if part)]
    tests = []
    for name, further in (("without proxies", []), ("with proxies", chosen)):
        tasks = [({**settings, "seed": s}, [f"evaluator.path={table}", *further]) for s in range(seeds)]
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            best, test, hits, seconds = zip(*pool.map(searched, tasks), strict=True)
        tests.append(test)
        print(
            f"{strategy} {name}: best {100 * fmean(best):.2f} ± {100 * stdev(best):.2f}, "
            f"test {100 * fmean(test):.2f} ± {100 * stdev(test):.2f}, found {100 * fmean(hits):.0f}%, "
            f"proxies {fmean(seconds):.1f} s ({queries} evaluations, {seeds} seeds)",
            flush=True,
        )
    print(f"paired t-test of the test accuracies: p {ttest_rel(*tests).pvalue:.2g}")


def ranked(arguments: tuple[dict[str, Any], list[str]]) -> float:
    """Run a predictor study. Return Kendall's τ."""
    settings, overrides = arguments
    with tempfile.TemporaryDirectory() as folder:
        with composed("predictor", [*overrides, *as_overrides(settings)], None) as (config, _):
            values = checked(config, "predictor")
        return run(values, RunFolder(Path(folder) / "run"), quiet=True)


@app.command()
def ranking(
    table: Table,
    space: Space = "nasbench101",
    model: Annotated[str, typer.Option(help="Predictor.")] = "seminas",
    labels: Annotated[str, typer.Option(help="Numbers of labels.")] = "25,100",
    seeds: Seeds = 20,
    jobs: Jobs = 2,
    proxies: Proxies = "",
) -> None:
    """Measure the ranking of a table's architectures with and without proxies, and a paired test."""
    chosen = ["proxies=zero_cost", *(f"proxies.{part}" for part in proxies.split(";") if part)]
    for number in map(int, labels.split(",")):
        taus = []
        for name, further in (("without proxies", []), ("with proxies", chosen)):
            settings = {"space": space, "model": model, "predictor": {"num_labeled": number}}
            tasks = [({**settings, "seed": s}, [f"evaluator.path={table}", *further]) for s in range(seeds)]
            with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
                taus.append(list(pool.map(ranked, tasks)))
            print(
                f"{model} {name}: tau {fmean(taus[-1]):.3f} ± {stdev(taus[-1]):.3f} "
                f"({number} labels, {seeds} seeds)",
                flush=True,
            )
        print(f"paired t-test: p {ttest_rel(*taus).pvalue:.2g}", flush=True)


@app.command()
def pretraining(
    table: Table,
    space: Space = "nasbench101",
    labels: Annotated[int, typer.Option(help="Number of labels.")] = 25,
    number: Annotated[int, typer.Option(help="Architectures whose proxies the encoders learn.")] = 1000,
    tested: Annotated[int, typer.Option(help="Architectures that are ranked.")] = 4000,
    seeds: Seeds = 10,
) -> None:
    """Measure the ranking of a controller whose encoders first learned proxies, and of one that did not.

    The targets of the first training are the mean ranks of an architecture over all proxies. The second one continues
    from its weights with the labels. Both controllers have the settings of controller=ranking.
    """
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as cache:
        whole, evaluator, proxies = opened(space, table, cache)
        rows = np.random.default_rng(0).permutation(
            whole.size if evaluator.members() is None else evaluator.members()
        )
        known = whole.at(rows[:number])
        mean_ranks = rankdata(proxies.values(known), axis=0).mean(axis=1) / number
    cold = read_section(
        checked(compose("predictor", ["controller=ranking", f"evaluator.path={table}"]), "predictor"),
        "controller",
        ControllerSettings,
    )
    warm = replace(cold, warm_start=True)
    taus: dict[str, list[float]] = {"cold": [], "pretrained": []}
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(rows)
        labeled, others = whole.at(order[:labels]), whole.at(order[labels : labels + tested])
        accuracies, truth = evaluator.val_accuracies(labeled), evaluator.val_accuracies(others)
        start, _ = fit_controller(whole, cold, known, mean_ranks, (seed, 1), decode=False)
        for name, settings in (("cold", cold), ("pretrained", warm)):
            fitted, _ = fit_controller(
                whole, settings, labeled, accuracies, (seed, 0), others[:2000], start=start, decode=False
            )
            taus[name].append(kendalltau(fitted.predict(others), truth).statistic)
        print(
            f"seed {seed}: {', '.join(f'{name} {values[-1]:.3f}' for name, values in taus.items())}",
            flush=True,
        )
    for name, values in taus.items():
        print(f"{name}: tau {fmean(values):.3f} ± {stdev(values):.3f} ({labels} labels, {seeds} seeds)")
    print(f"paired t-test: p {ttest_rel(*taus.values()).pvalue:.2g}")


if __name__ == "__main__":
    app()
