"""Comparison of all strategies with other frameworks: the same table, the same seeds and the same rules, in one run.

    python measurements/peers.py space=nasbench201 evaluator.path=nasbench201.npz --out runs/peers-201
    python measurements/peers.py space=mobilenet evaluator=landscape evaluator.seed=null -m seminas,random,optuna_tpe

Each method evaluates the same number of distinct architectures, and sees validation accuracies only. Other frameworks
see a chain of choices as categorical parameters. A repeat costs no evaluation: the framework gets the same accuracy
again, and is asked again.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer
from peers_parts.frameworks import PEERS, Missing
from peers_parts.searches import Problem, Row
from peers_parts.summary import write_summary
from threadpoolctl import threadpool_limits

from seminas.commands.job import fail
from seminas.config.compose import CONFIG_DIR
from seminas.errors import UserError, first_line
from seminas.runs.records import append, read_lines
from seminas.storage.files import as_json
from seminas.storage.lock import held

STRATEGIES = sorted(path.stem for path in (CONFIG_DIR / "strategy").glob("*.yaml"))
METHODS = (*STRATEGIES, *PEERS)
Task = tuple[int, str, int]
"""Number of evaluations, method and seed of a search."""


def main(
    overrides: Annotated[
        list[str], typer.Argument(help="The problem, as settings of seminas-search.", metavar="KEY=VALUE…")
    ],
    methods: Annotated[
        str, typer.Option("--methods", "-m", help=f"Some of {', '.join(METHODS)}, with commas.")
    ] = ",".join(METHODS),
    queries: Annotated[
        str, typer.Option(help="Evaluations. Several numbers with commas, such as 25,50.")
    ] = "50",
    seeds: Annotated[int, typer.Option(help="Seeds, from 0.", min=1)] = 10,
    repeats: Annotated[
        int,
        typer.Option(help="Repeats in a row until a framework gets a random architecture.", min=1),
    ] = 200,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of results.jsonl, table.md and the figures.")
    ] = Path("runs/peers"),
) -> None:
    """Compare the strategies of seminas with other frameworks on a table or a landscape.

    The problem is given as for seminas-search: space=nasbench201 evaluator.path=nasbench201.npz. The same command
    continues with the results in the folder, also after a kill. Searches use one thread. The package's extra "peers"
    has the other frameworks.
    """
    try:
        if not any(override.startswith("evaluator=") for override in overrides):
            overrides = ["evaluator=table", *overrides]
        problem = Problem(overrides)
        names, numbers = _names(methods), _numbers(queries)
        with held(out, "is measuring into it"), threadpool_limits(1):
            _compare(problem, _available(names, problem), numbers, seeds, repeats, out)
    except UserError as error:
        fail(error)
    except KeyboardInterrupt:
        print(f"interrupted: the same command goes on with {out}", file=sys.stderr)
        sys.exit(130)


def _names(methods: str) -> list[str]:
    names = list(dict.fromkeys(methods.split(",")))
    for name in names:
        if name not in METHODS:
            raise UserError(f"--methods {name}: must be one of {', '.join(METHODS)}")
    return names


def _numbers(queries: str) -> list[int]:
    numbers = [int(text) if text.isdecimal() else 0 for text in queries.split(",")]
    if min(numbers) < 1:
        raise UserError(f"--queries {queries}: must be numbers from 1, with commas")
    return numbers


def _available(names: Sequence[str], problem: Problem) -> list[str]:
    """Return the methods that can take part. Say in one line why another one is left out."""
    available, no_product = [], []
    for name in names:
        if name in PEERS and not problem.is_product:
            no_product.append(name)
            continue
        try:
            if name in PEERS:
                PEERS[name].version()
            available.append(name)
        except Missing as error:
            print(f"{name} is left out: {error}", flush=True)
    if no_product:
        print(
            f"left out: {', '.join(no_product)}, because the candidates are no product of choices", flush=True
        )
    return available


def _compare(
    problem: Problem, methods: Sequence[str], numbers: Sequence[int], seeds: int, repeats: int, out: Path
) -> None:
    """Run the searches that are missing, and write the summary of all searches."""
    path = out / "results.jsonl"
    rows = read_rows(path, problem.name)
    done = {(row.queries, row.method, row.seed) for row in rows}
    wanted = [(n, method, seed) for n in numbers for seed in range(seeds) for method in methods]
    missing = [task for task in wanted if task not in done]
    if len(missing) < len(wanted):
        print(f"{len(wanted) - len(missing)} of {len(wanted)} searches are in {path}", flush=True)
    start, failed = time.perf_counter(), set[str]()
    with path.open("ab") as file:
        for i, (number, method, seed) in enumerate(missing):
            if method in failed:
                continue
            try:
                row = problem.search(method, seed, number, repeats)
            except Exception as error:
                if method not in PEERS:
                    raise
                failed.add(method)
                print(f"{method} is left out: {type(error).__name__}: {first_line(error)}", flush=True)
                continue
            append(file, path, as_json(vars(row)))
            rows.append(row)
            left = [task for task in missing[i + 1 :] if task[1] not in failed]
            print(
                f"{i + 1}/{len(missing)}  {method}, seed {seed}, {number} evaluations: best "
                f"{row.incumbents[-1]['val_accuracy']:.4f}, {row.wall_s:.1f} s; "
                f"{_duration(time.perf_counter() - start)} so far, {_duration(_seconds(left, rows))} left",
                flush=True,
            )
    if rows:
        print(f"\n{write_summary(rows, out)}\n{out}: table.md and the figures are written")


def read_rows(path: Path, problem: str) -> list[Row]:
    """Return the results in a file. Remove a last line that a killed process has not completed.

    Raises:
        UserError: The file belongs to another problem, or a line is no result.
    """
    rows = read_lines(path, Row)
    for row in rows:
        if row.problem != problem:
            raise UserError(f"{path}: has results of {row.problem}, not of {problem}; choose another --out")
    return rows


def _seconds(tasks: Sequence[Task], rows: Sequence[Row]) -> float:
    """Return an estimate of the seconds of searches: a mean of each method, in proportion to the evaluations."""
    paces = {
        method: fmean(row.wall_s / row.queries for row in rows if row.method == method)
        for method in {row.method for row in rows}
    }
    other = fmean(paces.values())
    return sum(number * paces.get(method, other) for number, method, _ in tasks)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min"


if __name__ == "__main__":
    typer.run(main)
