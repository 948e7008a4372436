"""Measurement of Kendall's τ and fit seconds of several settings of the controller, in one run.

    python measurements/controller.py quality TABLE.npz -v paper,controller.student.epochs=40 -v ranking
    python measurements/controller.py space

``quality`` fits a controller for each variant and seed on N labeled rows of a table and M other architectures. Then it
ranks all other rows of the table. A variant is the name of a config in ``conf/controller/`` and overrides of the config
of seminas-predictor, such as ``predictor.pseudo_label_ratio=0`` (M / N), separated by commas. A fit uses one thread, so
two processes may run at once. The file of --out keeps the results, and the same command continues with this file.

``space`` measures the time of predictions for all cells of NAS-Bench-101, with random labels.
"""

import csv
import statistics
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy.stats import wilcoxon

from seminas.config.build import build_section, read_section
from seminas.config.check import checked
from seminas.config.compose import compose
from seminas.config.controller import ControllerSettings
from seminas.config.predictors import PredictorSettings
from seminas.controller.fit import fit_controller
from seminas.evaluators.base import Evaluator
from seminas.predictors.base import Predictor
from seminas.predictors.study import PredictorStudy
from seminas.spaces.base import EnumerableSpace
from seminas.spaces.nasbench101 import NASBench101

FIELDS = ["variant", "table", "num_labeled", "seed", "kendall_tau", "top_10_precision", "fit_s"]
NUM_KEYS = 4
app = typer.Typer(add_completion=False, no_args_is_help=True)


def composed(variant: str, *overrides: str) -> dict[str, Any]:
    """Return the checked config of a variant."""
    name, *changes = variant.split(",")
    return checked(compose("predictor", [f"controller={name}", *changes, *overrides]), "predictor")


@app.command()
def quality(
    table: Annotated[str, typer.Argument(help="A table packed by seminas data import, or digits101.")],
    variant: Annotated[list[str], typer.Option("--variant", "-v", help="The first is the baseline.")],
    space: Annotated[str, typer.Option(help="As of seminas-predictor.")] = "nasbench101",
    labels: Annotated[list[int] | None, typer.Option(help="N.")] = None,
    seeds: Annotated[int, typer.Option(help="0 up to it.")] = 10,
    out: Annotated[Path, typer.Option(help="CSV of all fits.")] = Path("controller.csv"),
) -> None:
    """Compare settings of the controller by Kendall's τ and seconds."""
    done: dict[tuple[str, ...], dict[str, str]] = {}
    if out.exists():
        with out.open(newline="") as file:
            done = {tuple(row[name] for name in FIELDS[:NUM_KEYS]): row for row in csv.DictReader(file)}
    else:
        with out.open("w", newline="") as file:
            csv.DictWriter(file, FIELDS).writeheader()
    console = Console()
    for n in labels or [100]:
        asked: list[dict[str, dict[str, str]]] = []
        for seed in range(seeds):
            asked.append({})
            for name in variant:
                key = (name, Path(table).stem, str(n), str(seed))
                if key not in done:
                    rows = [f"space={space}", f"evaluator.path={table}", f"predictor.num_labeled={n}"]
                    result = fit(composed(name, *rows, f"seed={seed}"))
                    done[key] = dict(zip(FIELDS, key, strict=False))
                    done[key] |= {field: f"{result[field]:.6g}" for field in FIELDS[NUM_KEYS:]}
                    with out.open("a", newline="") as file:
                        csv.DictWriter(file, FIELDS).writerow(done[key])
                asked[-1][name] = done[key]
        show(console, f"{Path(table).stem}, {n} labels, {seeds} seeds", variant, asked)


def fit(config: dict[str, Any]) -> dict[str, Any]:
    """Fit a controller, and return its ranking quality and the seconds of the fit."""
    settings = read_section(config, "predictor", PredictorSettings)
    space = build_section(config, "space", EnumerableSpace)
    evaluator: Any = build_section(config, "evaluator", Evaluator, space=space, seed=config["seed"])
    controller = read_section(config, "controller", ControllerSettings)
    ratio = settings.pseudo_label_ratio
    predictor = build_section(config, "model", Predictor, controller=controller, pseudo_label_ratio=ratio)
    measured = PredictorStudy(settings, space, evaluator, config["seed"]).measure(predictor)
    return {**measured, **measured["top_k"]}


def show(console: Console, title: str, variants: list[str], asked: list[dict[str, dict[str, str]]]) -> None:
    """Print means and deviations of the variants, and differences to the first variant, paired by seed."""
    table = Table(title=title)
    for header in (
        "variant",
        "Kendall τ",
        "less the first's",
        "p (Wilcoxon)",
        "seconds",
        "times the first's",
    ):
        table.add_column(header)
    values = {v: np.array([float(rows[v]["kendall_tau"]) for rows in asked]) for v in variants}
    seconds = {v: statistics.median(float(rows[v]["fit_s"]) for rows in asked) for v in variants}
    first = variants[0]
    for v in variants:
        gain = values[v] - values[first]
        p = f"{wilcoxon(gain).pvalue:.3f}" if len(gain) > 5 and gain.any() else ""
        spread = values[v].std(ddof=1) if len(gain) > 1 else 0.0
        table.add_row(
            v,
            f"{values[v].mean():.3f} ± {spread:.3f}",
            f"{gain.mean():+.4f}",
            p,
            f"{seconds[v]:.1f}",
            f"{seconds[v] / seconds[first]:.2f}",
        )
    console.print(table)


@app.command()
def space(repeats: Annotated[int, typer.Option(help="Timings; the median is printed.")] = 3) -> None:
    """Measure the seconds of predictions for all cells of NAS-Bench-101."""
    cells_of, rng = NASBench101(), np.random.default_rng(0)
    cells = cells_of.sample(2_100, rng)
    controller, _ = fit_controller(
        cells_of, ControllerSettings(), cells[:100], rng.random(100), (0, 0), cells[100:]
    )
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        scores = controller.score_space()
        seconds.append(time.perf_counter() - start)
    typer.echo(f"{scores.shape[1]} cells, {scores.shape[0]} members: {statistics.median(seconds):.1f} s")


if __name__ == "__main__":
    app()
