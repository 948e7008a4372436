"""Measurement of the costs of a table of all cells of NAS-Bench-101: file size, loading, memory, look-ups, import.

    python measurements/tables.py SAMPLE.csv.gz [--records 100000]

The official file is not needed. Each cell gets three simulated trainings. Their means are drawn from a sample of the
benchmark (columns ``val_acc_108ep``, ``training_time_s``, ``trainable_parameters``). Noise makes the three trainings
differ. Accuracies are multiples of 1 / 9,984, as in the benchmark.
"""

import csv
import gzip
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from seminas.spaces.nasbench101 import NASBench101
from seminas.tables.nasbench101 import make_record
from seminas.tables.table import (
    Table,
    accuracy_column,
    count_column,
    load_table,
    save_table,
    seconds_column,
)
from seminas.tables.tfrecord import write_records

IMAGES = 9_984
"""Number of images behind each accuracy of the benchmark."""
LOAD = """
import re, sys, time
from pathlib import Path
import numpy as np
from seminas.tables.table import load_table
from seminas.spaces.nasbench101 import NASBench101
def own_mb():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1000
space = NASBench101()
space.size
before, start = own_mb(), time.perf_counter()
table = load_table(Path(sys.argv[1]), space)
seconds = time.perf_counter() - start
rows = np.random.default_rng(0).integers(len(table), size=1_000_000)
start = time.perf_counter()
found = table.columns["val_108ep"].at(table.rows(table.index[rows]))
print(seconds, own_mb() - before, time.perf_counter() - start, found.mean())
"""
READ = """
import re, sys, threading, time
from pathlib import Path
from seminas.tables.nasbench101 import import_tfrecord
from seminas.spaces.nasbench101 import NASBench101
peak = 0
def watch():
    global peak
    while True:
        own = int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1000
        peak = max(peak, own)
        time.sleep(0.05)
threading.Thread(target=watch, daemon=True).start()
space = NASBench101()
space.size
start = time.perf_counter()
table = import_tfrecord(Path(sys.argv[1]), space)
print(3 * len(table) / (time.perf_counter() - start), peak)
"""


def made_up(space: NASBench101, sample: Path, rng: np.random.Generator) -> Table:
    """Return a table with three simulated trainings of each cell."""
    with gzip.open(sample, "rt") as file:
        rows = list(csv.DictReader(file))
    drawn = rng.integers(len(rows), size=space.size)
    val = np.array([float(row["val_acc_108ep"]) for row in rows])[drawn]
    seconds = np.array([float(row["training_time_s"]) for row in rows])[drawn]
    parameters = np.array([int(row["trainable_parameters"]) for row in rows])[drawn]

    def runs(mean: np.ndarray, deviation: float) -> np.ndarray:
        noisy = mean[:, None] + rng.normal(0, deviation, (space.size, 3))
        return np.round(noisy.clip(0, 1) * IMAGES) / IMAGES

    columns = {
        "train_108ep": accuracy_column(runs(np.minimum(val + 0.06, 1), 0.001)),
        "val_108ep": accuracy_column(runs(val, 0.004)),
        "test_108ep": accuracy_column(runs(val - 0.006, 0.004)),
        "seconds_108ep": seconds_column(seconds[:, None] * rng.normal(1, 0.01, (space.size, 3))),
        "parameters": count_column(parameters[:, None]),
    }
    defaults = {"val": "val_108ep", "test": "test_108ep", "cost": "seconds_108ep"}
    index = np.arange(space.size)
    return Table(space.name, space.fingerprint(), index, columns, defaults, {"file": "made up"})


def records(space: NASBench101, table: Table, count: int):  # type: ignore[no-untyped-def]
    """Yield records in the form of the official file, at least ``count`` of them."""
    rows = np.arange(-(-count // 3))
    values = {name.split("_")[0]: column.at(rows) for name, column in table.columns.items()}
    for i, cell in enumerate(space.at(table.index[rows])):
        key, matrix, labels = space.key(cell), cell.matrix, cell.labels
        for repeat in range(3):
            runs = {name: float(values[name][i, repeat]) for name in ("train", "val", "test", "seconds")}
            yield make_record(key, 108, matrix, labels, runs, int(values["parameters"][i, 0]))


def main(
    sample: Annotated[Path, typer.Argument(help="nasbench101_sample.csv.gz")],
    num_records: Annotated[
        int, typer.Option("--records", help="Of the TFRecord file that is read.")
    ] = 100_000,
    repeats: Annotated[int, typer.Option(help="Of each timing; the median is given.")] = 5,
) -> None:
    """Measure and print the costs of a table of NAS-Bench-101."""
    space, rng = NASBench101(), np.random.default_rng(0)
    table = made_up(space, sample, rng)
    with tempfile.TemporaryDirectory() as folder:
        packed, official = Path(folder, "all.npz"), Path(folder, "part.tfrecord")
        save_table(table, packed)
        again = load_table(packed, space)
        assert all(np.array_equal(again.columns[n].stored, c.stored) for n, c in table.columns.items())
        print(
            f"packed file       {packed.stat().st_size / 1e6:.1f} MB for {len(table):,} cells of three trainings"
        )
        lines = [
            subprocess.run(
                [sys.executable, "-c", LOAD, str(packed)], capture_output=True, text=True, check=True
            ).stdout
            for _ in range(repeats)
        ]
        load, memory, lookups, _ = (
            statistics.median(v) for v in zip(*(map(float, line.split()) for line in lines), strict=True)
        )
        print(f"load              {load:.2f} s, {memory:.0f} MB")
        print(f"million look-ups  {lookups:.2f} s")
        write_records(records(space, table, num_records), official)
        lines = [
            subprocess.run(
                [sys.executable, "-c", READ, str(official)], capture_output=True, text=True, check=True
            ).stdout
            for _ in range(repeats)
        ]
        rate, memory = (
            statistics.median(v) for v in zip(*(map(float, line.split()) for line in lines), strict=True)
        )
        print(
            f"TFRecord          {rate:,.0f} records a second on one core, {memory:.0f} MB of own memory at most"
        )


if __name__ == "__main__":
    typer.run(main)
