"""Measurement of transfer from other tasks: python measurements/transfer.py --help.

Tables give all accuracies, so the figures do not depend on the machine. Each finished search is a line of a file beside
the table of results, so an interrupted measurement goes on.
"""

import json
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import numpy as np
import torch
import typer
from scipy.stats import ttest_rel

import seminas
from seminas.commands.api import composed
from seminas.config.build import build_section
from seminas.tables import find_table
from seminas.tables.table import accuracy_column, load_table, save_table

app = typer.Typer(no_args_is_help=True)
Table = Annotated[str, typer.Option(help="digits101, or a table that seminas data import wrote.")]
Seeds = Annotated[int, typer.Option(help="Seeds, from 0.")]
Jobs = Annotated[int, typer.Option(help="Processes.")]
Work = Annotated[Path, typer.Option(help="Folder of source searches and finished lines.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="Further overrides of the search.")]


def measured(task: tuple[str, list[str], str | None, list[str]]) -> tuple[float, float, bool]:
    """Run a search. Return its best validation accuracy, its test accuracy, and whether it found the best.

    The task has the folder of the search of the source (or a table of it), the overrides, the folder where the line is
    kept, and the overrides that make the source first if its folder is missing.
    """
    source, overrides, line, makes = task
    torch.set_num_threads(1)
    if line is not None and Path(line).exists():
        kept: tuple[float, float, bool] = tuple(json.loads(Path(line).read_text()))
        return kept
    if makes and not (Path(source) / "result.json").exists():
        seminas.search(makes, folder=source, quiet=True, logger=[])
    with tempfile.TemporaryDirectory() as folder:
        result = seminas.search(overrides, folder=f"{folder}/run", quiet=True, logger=[])
    there_is = (result.best_there_is or {})["val_accuracy"]
    test = float("nan") if result.test_accuracy is None else result.test_accuracy
    values = result.best_value, test, result.best_value >= there_is
    if line is not None:
        Path(line).parent.mkdir(parents=True, exist_ok=True)
        partial = Path(f"{line}.partial")
        partial.write_text(json.dumps(values))
        partial.replace(line)
    return values


def shown(name: str, rows: list[tuple[float, float, bool]]) -> list[float]:
    """Print a line of results. Return the test accuracies, or the validation accuracies if there are none."""
    best, test, hits = zip(*rows, strict=True)
    val, of_test = (f"{100 * np.mean(v):.2f} ± {100 * np.std(v, ddof=1):.2f}" for v in (best, test))
    print(
        f"{name}: val {val}, test {of_test}, found {100 * fmean(hits):.0f}% ({len(rows)} seeds)", flush=True
    )
    return list(best if np.isnan(test[0]) else test)


@app.command()
def cifar(
    table: Table,
    work: Work,
    source_queries: Annotated[int, typer.Option(help="Evaluations of the CIFAR-10 search.")] = 50,
    queries: Annotated[int, typer.Option(help="Evaluations of the CIFAR-100 search.")] = 10,
    alone: Annotated[int, typer.Option(help="Evaluations of the search without a source.")] = 50,
    strategy: str = "gaussian_process",
    source_strategy: str = "gaussian_process",
    seeds: Seeds = 10,
    jobs: Jobs = 1,
    overrides: Overrides = None,
) -> None:
    """Compare searches on NAS-Bench-201 with CIFAR-100: from a CIFAR-10 search, its best alone, and without one."""
    common = ["space=nasbench201", "evaluator=table", f"evaluator.path={table}"]
    target = [*common, "evaluator.val=c100_val", "evaluator.test=c100_test"]
    ways: dict[str, list[tuple[str, list[str], str | None, list[str]]]] = {}
    for seed in range(seeds):
        source = str(work / f"source-{Path(table).stem}-{source_strategy}-{source_queries}-{seed}")
        makes = [
            *common,
            f"strategy={source_strategy}",
            f"search.max_queries={source_queries}",
            f"seed={seed}",
        ]
        given = f"strategy.transfer_from=[{source}]"
        here = [*target, f"strategy={strategy}", f"seed={seed}"]
        best = [f"strategy.transfer_first={queries}", f"search.num_labeled={queries}", "search.num_rounds=0"]
        for way, further in {
            f"source's best {queries}": [given, *best],
            f"{queries} with the source": [given, f"search.max_queries={queries}", *(overrides or [])],
            f"{alone} without": [f"search.max_queries={alone}"],
        }.items():
            name = f"{Path(table).stem}-{strategy}-{source_strategy}-{source_queries}-{way}-{'-'.join(overrides or [])}"
            line = work / "lines" / f"{name.replace(' ', '_').replace('/', '_')}-{seed}.json"
            ways.setdefault(way, []).append((source, [*here, *further], str(line), makes))
    compared(ways, jobs)


@app.command()
def pair(
    table: Table,
    source: Annotated[str, typer.Option(help="Table of the source, or shuffled or negated (of the target).")],
    work: Work,
    space: str = "nasbench101",
    val: Annotated[str, typer.Option(help="Column of validation accuracies. Empty means the default.")] = "",
    test: Annotated[str, typer.Option(help="Column of test accuracies. Empty means the default.")] = "",
    queries: Annotated[int, typer.Option(help="Evaluations with the source.")] = 25,
    alone: Annotated[int, typer.Option(help="Evaluations without a source.")] = 50,
    strategy: str = "gaussian_process",
    seeds: Seeds = 10,
    jobs: Jobs = 1,
    overrides: Overrides = None,
) -> None:
    """Compare searches with a table as the source, also with misleading ones, and without a source."""
    common = [f"space={space}", "evaluator=table", f"evaluator.path={table}", f"strategy={strategy}"]
    common += [f"evaluator.{role}={column}" for role, column in (("val", val), ("test", test)) if column]
    work.mkdir(parents=True, exist_ok=True)
    ways: dict[str, list[tuple[str, list[str], str | None, list[str]]]] = {}
    for seed in range(seeds):
        path = source
        if source in ("shuffled", "negated"):
            path = str(work / f"{source}-{Path(table).stem}-{space}-{val}-{seed}.npz")
            if not Path(path).exists():
                mislead(table, space, val, source, seed, path)
        given = [f"strategy.transfer_from=[{path}]", f"search.max_queries={queries}", *(overrides or [])]
        for way, further in {
            f"{queries} with the source": given,
            f"{alone} without": [f"search.max_queries={alone}"],
        }.items():
            name = f"{Path(table).stem}-{strategy}-{space}-{val}-{Path(source).stem}-{way}-{'-'.join(overrides or [])}"
            line = work / "lines" / f"{name.replace(' ', '_').replace('/', '_')}-{seed}.json"
            ways.setdefault(way, []).append((path, [*common, f"seed={seed}", *further], str(line), []))
    compared(ways, jobs)


def mislead(table: str, space_name: str, val: str, how: str, seed: int, path: str) -> None:
    """Write a table whose accuracies are those of another one in random order, or subtracted from 1."""
    from dataclasses import replace

    with composed("search", [f"space={space_name}"], None) as (config, _):
        space: Any = build_section(config, "space", seminas.SearchSpace)
    loaded = load_table(find_table(table), space)
    column = loaded.column("val", val or None)
    assert column is not None
    values = column.at().mean(axis=1, keepdims=True)
    wrong = 1 - values if how == "negated" else np.random.default_rng(seed).permutation(values)
    part = replace(loaded, columns={"val": accuracy_column(wrong)}, defaults={"val": "val"})
    partial = Path(path).with_suffix(".partial.npz")
    save_table(part, partial)
    shutil.move(partial, path)


def compared(ways: dict[str, list[tuple[str, list[str], str | None, list[str]]]], jobs: int) -> None:
    """Run and print the searches of each way, and paired t-tests of the way with the source against the others."""
    results = {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for way, tasks in ways.items():
            results[way] = shown(way, list(pool.map(measured, tasks)))
    (ours,) = (way for way in results if way.endswith("with the source"))
    for way, values in results.items():
        if way != ours:
            p = ttest_rel(results[ours], values).pvalue
            print(f"paired t-test of '{ours}' against '{way}': p {p:.2g}", flush=True)


if __name__ == "__main__":
    app()
