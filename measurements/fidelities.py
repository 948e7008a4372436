"""Compare searches with and without fidelities at equal cost, on the sample of NAS-Bench-101.

    python measurements/fidelities.py --seeds 30 --costs 15 25 50 --folder runs/fidelities

It prints the mean and the standard deviation of the best validation accuracy after 108 epochs for each search and each
cost, and a paired test (Wilcoxon) of each search against ``strategy=seminas`` on full trainings. A search that is in
the folder is not run again.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import wilcoxon

import seminas
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
    parser.add_argument("--costs", type=float, nargs="+", default=[15, 25, 50])
    parser.add_argument("--searches", nargs="+", choices=list(SEARCHES), default=list(SEARCHES))
    parser.add_argument("--folder", type=Path, default=Path("runs/fidelities"))
    parser.add_argument("--sample", type=Path, default=SAMPLE)
    options = parser.parse_args()
    if not options.sample.exists():
        parser.exit(message=f"{options.sample}: is absent, so nothing is measured\n")
    table = packed(options.folder, options.sample)
    common = ["evaluator=table", f"evaluator.path={table}"]
    for cost in options.costs:
        best: dict[str, list[float]] = {name: [] for name in options.searches}
        for seed in range(options.seeds):
            for name in options.searches:
                overrides = [*common, *SEARCHES[name], f"search.max_cost={cost:g}", f"seed={seed}"]
                folder = options.folder / f"{name}-{cost:g}-{seed}".replace(", ", "-").replace(" ", "-")
                best[name].append(seminas.search(overrides, folder=folder, quiet=True).best_value)
        baseline = best.get("seminas")
        for name, values in best.items():
            line = f"cost {cost:g}  {name:22} {np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"
            if baseline is not None and values is not baseline and values != baseline:
                line += f"  p = {wilcoxon(values, baseline).pvalue:.3f}"
            print(f"{line}  ({options.seeds} seeds)", flush=True)


if __name__ == "__main__":
    main()
