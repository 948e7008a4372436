"""Comparison of searches with two objectives: the hypervolume of their front as a part of the true front's.

    python measurements/objectives.py space=nasbench101 evaluator.path=digits101 --cost parameters
    python measurements/objectives.py space=nasbench201 evaluator.path=nasbench201.npz --cost macs --seeds 30

A method sees the validation accuracies of the architectures that it has evaluated, and all exact costs. Each method
takes its reference point from its own random architectures and the exact costs. The hypervolume in the result has
another one, which no method knows: the worst values of the true front, moved by a tenth of the front's range. The
numbers in brackets have the worst values of all candidates as the reference point. The same command continues with
the results in the folder, also after a kill.
"""

import importlib.util
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated

import typer
from comparison import chosen
from objectives_parts.frameworks import FRAMEWORKS, PACKAGES
from objectives_parts.problem import OTHER_TRAININGS, FrontProblem, Row
from scipy.stats import wilcoxon
from threadpoolctl import threadpool_limits

from seminas.commands.job import fail
from seminas.errors import UserError
from seminas.runs.records import append, read_lines
from seminas.storage.files import as_json
from seminas.storage.lock import held

STRATEGIES = ("seminas", "gaussian_process", "seminas_evolution", "evolution", "random")
METHODS = (*STRATEGIES, *FRAMEWORKS, OTHER_TRAININGS)
DEFAULT = ",".join((*STRATEGIES, *FRAMEWORKS))


def main(
    overrides: Annotated[
        list[str], typer.Argument(help="The problem, as settings of seminas-search.", metavar="KEY=VALUE…")
    ],
    cost: Annotated[str, typer.Option(help="Exact cost: macs or parameters.")],
    methods: Annotated[
        str, typer.Option("--methods", "-m", help=f"Some of {', '.join(METHODS)}, with commas.")
    ] = DEFAULT,
    queries: Annotated[int, typer.Option(help="Evaluations.", min=2)] = 100,
    seeds: Annotated[int, typer.Option(help="Seeds, from 0.", min=2)] = 30,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of results.jsonl.")] = Path(
        "runs/objectives"
    ),
) -> None:
    """Compare searches with the objectives val_accuracy and an exact cost on a table. Searches use one thread."""
    try:
        names = _available(chosen(methods, METHODS))
        with held(out, "is measuring into it"), threadpool_limits(1):
            rows = _compare(["evaluator=table", *overrides], cost, names, queries, seeds, out)
        _summarize(rows, names, queries, seeds)
    except UserError as error:
        fail(error)
    except KeyboardInterrupt:
        print(f"interrupted: the same command goes on with {out}", file=sys.stderr)
        sys.exit(130)


def _available(names: Sequence[str]) -> list[str]:
    """Return the methods that can take part. Say in one line why another one is left out."""
    missing = {name for name in names if name in PACKAGES and not importlib.util.find_spec(PACKAGES[name])}
    for name in sorted(missing):
        print(f"{name} is left out: {PACKAGES[name]} is not installed", flush=True)
    return [name for name in names if name not in missing]


def _compare(
    overrides: Sequence[str], cost: str, methods: Sequence[str], queries: int, seeds: int, out: Path
) -> list[Row]:
    """Run the searches that are missing in the folder. Return all results of the problem."""
    path, name = out / "results.jsonl", " ".join([*sorted(overrides), cost])
    rows = [row for row in read_lines(path, Row) if (row.problem, row.queries) == (name, queries)]
    done = {(row.method, row.seed) for row in rows}
    with path.open("ab") as file:
        for seed in range(seeds):
            missing = [method for method in methods if (method, seed) not in done]
            problem = FrontProblem(overrides, cost, seed) if missing else None
            for method in missing:
                assert problem is not None
                row = problem.search(name, method, queries)
                append(file, path, as_json(vars(row)))
                rows.append(row)
                print(f"{method}, seed {seed}: {row.parts[-1]:.4f}, {row.wall_s:.1f} s", flush=True)
    return rows


def _summarize(rows: Sequence[Row], methods: Sequence[str], queries: int, seeds: int) -> None:
    """Print the mean and the standard deviation of each method, and a paired test for each pair of methods."""
    last = {
        method: {row.seed: row.parts[-1] for row in rows if row.method == method and row.seed < seeds}
        for method in methods
    }
    for method, parts in last.items():
        values = list(parts.values())
        seconds = fmean(row.wall_s for row in rows if row.method == method and row.seed < seeds)
        wide = [row.wide_parts[-1] for row in rows if row.method == method and row.seed < seeds]
        print(
            f"{method}: {fmean(values):.4f} ± {stdev(values):.4f} of the true front's hypervolume after {queries} "
            f"evaluations ({fmean(wide):.4f} ± {stdev(wide):.4f} with the worst values as the reference point), "
            f"{seconds:.1f} s a search, {len(values)} seeds"
        )
    for one, other in combinations(methods, 2):
        gains = [last[one][seed] - last[other][seed] for seed in sorted({*last[one]} & {*last[other]})]
        p = wilcoxon(gains).pvalue if any(gains) else 1.0
        better = sum(gain > 0 for gain in gains)
        print(
            f"{one} - {other}: {fmean(gains):+.4f}, better with {better} of {len(gains)} seeds, p = {p:.3g}"
        )


if __name__ == "__main__":
    typer.run(main)
