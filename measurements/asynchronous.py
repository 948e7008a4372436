"""Measurement of asynchronous searches: python measurements/asynchronous.py --help.

All commands but ``trainings`` run on tables with a simulated clock, so their figures do not depend on the machine.
"""

import heapq
import json
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Annotated, Any

import numpy as np
import typer

import seminas

app = typer.Typer(no_args_is_help=True)
Table = Annotated[str, typer.Option(help="digits101, or a table that seminas data import wrote.")]
Space = Annotated[str, typer.Option(help="Space of the table.")]
Seeds = Annotated[int, typer.Option(help="Seeds, from 0.")]
Jobs = Annotated[int, typer.Option(help="Searches at once.")]


def searched(arguments: tuple[dict[str, Any], tuple[str, ...]]) -> dict[str, Any]:
    """Run a search in a folder of its own. Return its result and the best accuracy over time."""
    settings, overrides = arguments
    with tempfile.TemporaryDirectory() as folder:
        result = seminas.search(list(overrides), folder=f"{folder}/run", quiet=True, **settings)
        records = sorted(result.history, key=lambda r: r.ended_s or 0.0)
        ends = [r.ended_s for r in records]
        if any(end is None for end in ends):  # One worker: the costs give the times.
            ends = np.cumsum([r.cost_s for r in records]).tolist()
        best = np.maximum.accumulate([r.val_accuracy or 0.0 for r in records]).tolist()
        return {
            "utilization": result.utilization,
            "makespan_s": result.makespan_s,
            "best": best,
            "ends": ends,
            "seconds": [r.cost_s for r in sorted(records, key=lambda r: r.number or 0)],
            "there_is": (result.best_there_is or {}).get("val_accuracy"),
            "wall_s": result.wall_s,
            "queries": result.num_queries,
        }


def all_searched(
    table: str, space: str, strategy: str, seeds: int, jobs: int, **search: Any
) -> list[dict[str, Any]]:
    """Run a search for each seed, and return what ``searched`` returns."""
    workers = search.pop("workers")
    settings = {
        "space": space,
        "evaluator": "table",
        "strategy": strategy,
        "search": search,
        "logger": [],
    }
    overrides = (f"evaluator.path={table}", f"evaluator.num_workers={workers}")
    tasks = [({**settings, "seed": seed}, overrides) for seed in range(seeds)]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        return list(pool.map(searched, tasks))


@app.command()
def utilization(
    table: Table = "digits101",
    space: Space = "nasbench101",
    strategies: Annotated[str, typer.Option(help="Strategies, with commas.")] = "seminas,evolution",
    workers: Annotated[str, typer.Option(help="Numbers of simulated workers.")] = "8,16,32",
    queries: Annotated[int, typer.Option(help="Evaluations.")] = 100,
    seeds: Seeds = 20,
    jobs: Jobs = 2,
    rounds: Annotated[bool, typer.Option(help="Also measure rounds.")] = True,
) -> None:
    """Measure the fraction of the workers' time in evaluations, to the end of the last evaluation."""
    for strategy in strategies.split(","):
        for number in map(int, workers.split(",")):
            for asynchronous in (True, False) if rounds else (True,):
                settings = {"max_queries": queries, "asynchronous": asynchronous}
                runs = all_searched(table, space, strategy, seeds, jobs, workers=number, **settings)
                values = [run["utilization"] for run in runs]
                best = [run["best"][-1] for run in runs]
                name = "asynchronous" if asynchronous else "rounds"
                known = median(_known_ends(run["seconds"], number) for run in runs)
                print(
                    f"{strategy}, {number} workers, {name}: utilization {median(values):.3f} (median; "
                    f"{min(values):.3f} to {max(values):.3f}), with known seconds {known:.3f}, "
                    f"makespan {median(r['makespan_s'] for r in runs):.1f} s, "
                    f"best {fmean(best):.4f} ± {stdev(best):.4f}, {seeds} seeds",
                    flush=True,
                )


def _known_ends(seconds: list[float], workers: int) -> float:
    """Return the utilization if the last evaluations, one for each worker, began in the order of their true seconds.

    The longest begins first (Graham, 1969). No search knows these seconds.
    """
    cut = len(seconds) - workers
    free_at = [0.0] * workers
    for spent in [*seconds[:cut], *sorted(seconds[cut:], reverse=True)]:
        heapq.heapreplace(free_at, free_at[0] + spent)
    return sum(seconds) / workers / max(free_at)


@app.command()
def speedup(
    table: Table,
    space: Space = "nasbench101",
    strategy: Annotated[str, typer.Option(help="Strategy.")] = "seminas",
    workers: Annotated[int, typer.Option(help="Simulated workers.")] = 8,
    queries: Annotated[int, typer.Option(help="Evaluations of one worker.")] = 100,
    seeds: Seeds = 20,
    jobs: Jobs = 2,
) -> None:
    """Measure the simulated time until several workers have the mean best accuracy that one worker ends with."""
    one = all_searched(table, space, strategy, seeds, jobs, workers=1, max_queries=queries)
    many = all_searched(table, space, strategy, seeds, jobs, workers=workers, max_queries=2 * queries)
    goal, end = fmean(run["best"][-1] for run in one), fmean(run["ends"][-1] for run in one)
    times = np.unique(np.concatenate([run["ends"] for run in many]))
    curve = np.mean([_best_at(run, times) for run in many], axis=0)
    reached = times[curve >= goal - 1e-9]  # Two ways to add the same numbers differ in the last digit.
    at = f"{reached[0] / 3600:.2f} h, {reached[0] / end:.3f} of it" if len(reached) else "never"
    print(f"{strategy}, one worker: mean best {goal:.5f} after {queries} evaluations, {end / 3600:.2f} h")
    print(f"{workers} workers have that mean best after {at} ({seeds} seeds)")


def _best_at(run: dict[str, Any], times: Any) -> Any:
    """Return the best accuracy at each time, 0 before the first evaluation."""
    position = np.searchsorted(run["ends"], times, side="right")
    return np.concatenate([[0.0], run["best"]])[position]


@app.command()
def found(
    table: Table,
    workers: Annotated[str, typer.Option(help="Numbers of simulated workers.")] = "1,8",
    space: Space = "nasbench201",
    jobs: Jobs = 2,
    seeds: Seeds = 50,
    queries: Annotated[int, typer.Option(help="Evaluations.")] = 100,
    strategy: Annotated[str, typer.Option(help="Strategy.")] = "seminas",
) -> None:
    """Measure how often a search finds the best architecture of a table."""
    for number in map(int, workers.split(",")):
        runs = all_searched(table, space, strategy, seeds, jobs, workers=number, max_queries=queries)
        hits = {
            n: fmean(run["best"][n - 1] >= run["there_is"] for run in runs)
            for n in range(10, queries + 1)
            if n in (25, 50, 75, queries)
        }
        text = ", ".join(f"{100 * share:.0f}% after {n}" for n, share in hits.items())
        print(f"{strategy}, {number} workers: found {text} ({seeds} seeds)", flush=True)


def write_synthetic(path: Path, number: int) -> None:
    """Write a table of so many cells of NAS-Bench-101, with a smooth accuracy and a time of 10 to 60 minutes."""
    from seminas.spaces.nasbench101 import NASBench101
    from seminas.tables.table import Table, accuracy_column, save_table, seconds_column

    space, rng = NASBench101(), np.random.default_rng(0)
    index = np.sort(rng.choice(space.size, number, replace=False))
    features = space.features(space.at(index)).astype(np.float64)
    value = features @ rng.normal(size=features.shape[1]) + rng.normal(0, 0.5, number)
    value = 0.9 + 0.05 * np.tanh((value - value.mean()) / value.std() / 2)
    columns = {
        "val": accuracy_column(value[:, None].round(4)),
        "cost": seconds_column(rng.uniform(600, 3600, (number, 1))),
    }
    roles = {"val": "val", "cost": "cost"}
    save_table(Table(space.name, space.fingerprint(), index, columns, roles, {}), path)


@app.command()
def scale(
    strategies: Annotated[str, typer.Option(help="Strategies, with commas.")] = "evolution,seminas",
    workers: Annotated[int, typer.Option(help="Simulated workers.")] = 1024,
    queries: Annotated[int, typer.Option(help="Evaluations.")] = 20_000,
    cells: Annotated[int, typer.Option(help="Cells of the synthetic table.")] = 40_000,
) -> None:
    """Measure the time of a proposal over the number of labels, in one search of many workers.

    The table is synthetic: random cells of NAS-Bench-101 with a smooth accuracy.
    """
    for strategy in strategies.split(","):
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder) / "table.npz"
            write_synthetic(table, cells)
            history = Path(folder) / "run" / "asked.jsonl"
            process = get_context("spawn").Process(
                target=_one_large, args=(str(table), strategy, workers, queries, f"{folder}/run")
            )
            start = time.perf_counter()
            process.start()
            goals = [n for n in (1000, 2000, 5000, 10_000, 15_000, 20_000) if n <= queries]
            last = (0, start)
            while process.is_alive() and goals:
                time.sleep(0.2)
                done = history.read_bytes().count(b"\n") if history.exists() else 0
                if done >= goals[0]:
                    now = time.perf_counter()
                    each = (now - last[1]) / (done - last[0])
                    print(
                        f"{strategy}: {done} questions after {now - start:.0f} s, "
                        f"{1000 * each:.1f} ms each since {last[0]}",
                        flush=True,
                    )
                    last, goals = (done, now), [n for n in goals if n > done]
            process.join()
            if process.exitcode:
                sys.exit(process.exitcode)
            result = json.loads((Path(folder) / "run" / "result.json").read_text())
            print(
                f"{strategy}: {result['num_queries']} evaluations, {workers} workers, {result['wall_s']:.0f} s, "
                f"{1000 * result['wall_s'] / result['num_queries']:.1f} ms for each, utilization "
                f"{result['utilization']:.3f}",
                flush=True,
            )


def _one_large(table: str, strategy: str, workers: int, queries: int, folder: str) -> None:
    overrides = [f"evaluator.path={table}", f"evaluator.num_workers={workers}"]
    seminas.search(
        overrides,
        folder=folder,
        quiet=True,
        space="nasbench101",
        evaluator="table",
        strategy=strategy,
        search={"max_queries": queries},
        logger=[],
    )


@app.command()
def trainings(
    minutes: Annotated[float, typer.Option(help="Minutes of each search.")] = 3.0,
    workers: Annotated[int, typer.Option(help="Worker processes.")] = 2,
    repeats: Annotated[int, typer.Option(help="Pairs of searches, with seeds from 0.")] = 3,
    strategy: Annotated[str, typer.Option(help="Strategy.")] = "seminas",
) -> None:
    """Count the real trainings on digits in the same time, asynchronous and in rounds, one after the other."""
    ratios = []
    for seed in range(repeats):
        counts = {}
        for asynchronous in (True, False) if seed % 2 else (False, True):
            with tempfile.TemporaryDirectory() as folder:
                result = seminas.search(
                    [f"evaluator.num_workers={workers}"],
                    folder=f"{folder}/run",
                    quiet=True,
                    seed=seed,
                    strategy=strategy,
                    search={
                        "max_hours": minutes / 60,
                        "max_queries": 2000,
                        "num_labeled": 25,
                        "asynchronous": asynchronous,
                    },
                    logger=[],
                )
                at = 60 * minutes
                counts[asynchronous] = sum((r.ended_s or 0) <= at for r in result.history)
                print(
                    f"seed {seed}, {'asynchronous' if asynchronous else 'rounds'}: {counts[asynchronous]} evaluations "
                    f"in {minutes:g} min, utilization {result.utilization:.3f}",
                    flush=True,
                )
        ratios.append(counts[True] / counts[False])
    print(f"asynchronous / rounds: {median(ratios):.2f} (median of {', '.join(f'{r:.2f}' for r in ratios)})")


if __name__ == "__main__":
    app()
