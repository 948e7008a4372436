"""Compare searches with and without fidelities at equal cost, on the sample of NAS-Bench-101.

    python measurements/fidelities.py --seeds 30 --costs 15 25 50 --folder runs/fidelities

Each search has the largest of the costs. The command prints the mean and the standard deviation of the best validation
accuracy after 108 epochs within each cost, and a paired test (Wilcoxon) of each search against the first one. A search
that is in the folder is not run again.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import wilcoxon

import seminas
from seminas.report.equal_cost import best_within
from seminas.report.runs import read_runs
from seminas.spaces.nasbench101 import NASBench101
from seminas.tables.csv_import import import_csv
from seminas.tables.table import save_table

SAMPLE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "nasbench101_sample.csv.gz"
LEVELS = (4, 12, 36, 108)
SEARCHES = {
    "seminas": ["strategy=seminas"],
    "seminas, controller": ["strategy=seminas", "fidelity=controller"],
    "seminas, controller 36": ["strategy=seminas", "fidelity=controller", "fidelity.epochs=[36,108]"],
    "seminas, controller 36, turns": [
        *("strategy=seminas", "fidelity=controller", "fidelity.epochs=[36,108]", "fidelity.improvement=0.5"),
    ],
    "random, controller 36": ["strategy=random", "fidelity=controller", "fidelity.epochs=[36,108]"],
    "seminas, halving 36": ["strategy=seminas", "fidelity=halving", "fidelity.epochs=[36,108]"],
    "seminas, hyperband": ["strategy=seminas", "fidelity=hyperband"],
    "random, halving 36": ["strategy=random", "fidelity=halving", "fidelity.epochs=[36,108]"],
    "random, hyperband": ["strategy=random", "fidelity=hyperband"],
    "evolution, hyperband": ["strategy=evolution", "fidelity=hyperband"],
}


def packed(folder: Path, sample: Path) -> Path:
    """Return the packed table of the sample, with its fidelities."""
    path = folder / "nasbench101_sample.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        columns = {epochs: [f"val_acc_{epochs}ep"] for epochs in LEVELS}
        table = import_csv(
            sample, NASBench101(), columns[LEVELS[-1]], cost=["training_time_s"], fidelities=columns
        )
        save_table(table, path)
    return path


def main() -> None:
    """Run the searches and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--costs", type=float, nargs="+", default=[15, 25, 50], metavar="COST")
    parser.add_argument("--searches", nargs="+", choices=list(SEARCHES), default=list(SEARCHES))
    parser.add_argument("--folder", type=Path, default=Path("runs/fidelities"))
    parser.add_argument("--sample", type=Path, default=SAMPLE)
    options = parser.parse_args()
    if not options.sample.exists():
        parser.exit(message=f"{options.sample}: is absent, so nothing is measured\n")
    table = packed(options.folder, options.sample)
    common = ["evaluator=table", f"evaluator.path={table}", f"search.max_cost={max(options.costs):g}"]
    best: dict[str, list[list[float]]] = {name: [] for name in options.searches}
    for seed in range(options.seeds):
        for name in options.searches:
            folder = options.folder / f"{name}-{max(options.costs):g}-{seed}".replace(", ", "-").replace(
                " ", "-"
            )
            seminas.search([*common, *SEARCHES[name], f"seed={seed}"], folder=folder, quiet=True)
            (run,) = read_runs([folder]).searches
            best[name].append([best_within(run, cost) for cost in options.costs])
    for column, cost in enumerate(options.costs):
        baseline = [values[column] for values in best[options.searches[0]]]
        for name in options.searches:
            values = [of_seed[column] for of_seed in best[name]]
            line = f"cost {cost:g}  {name:32} {np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"
            if values != baseline:
                line += f"  p = {wilcoxon(values, baseline).pvalue:.1g} against {options.searches[0]}"
            print(f"{line}  ({options.seeds} seeds)", flush=True)


if __name__ == "__main__":
    main()
