"""Measurement of a report on Pareto fronts: python measurements/fronts.py.

The searches are made up: random cells of NAS-Bench-201 with made-up accuracies and costs. They need no table.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from moocore import is_nondominated

from seminas.runs.folder import RunFolder
from seminas.runs.metric import ACCURACY, Metric
from seminas.runs.records import Record, line_of
from seminas.runs.results import FrontMember, Incumbent, SearchResult
from seminas.spaces.nasbench201 import NASBench201

MACS = Metric("macs", "minimize", "MACs")
STRATEGIES = ("random", "evolution", "gaussian_process", "seminas")


def write_search(folder: Path, strategy: str, seed: int, queries: int) -> None:
    """Write the run folder of a made-up search for accuracy and MACs."""
    space, rng = NASBench201(), np.random.default_rng([seed, STRATEGIES.index(strategy)])
    macs = rng.uniform(10e6, 200e6, queries)
    accuracies = 0.6 + 0.3 * (macs / 200e6) ** 0.3 - rng.exponential(0.03, queries)
    accuracies += 0.005 * STRATEGIES.index(strategy)
    records = [
        Record(
            i, 0, space.to_json(cell), space.key(cell), float(accuracies[i]), 60.0, metrics={"macs": macs[i]}
        )
        for i, cell in enumerate(space.sample(queries, rng))
    ]
    values = np.column_stack([accuracies, macs])
    front = [
        FrontMember(
            index=r.index,
            architecture=r.architecture,
            key=r.key,
            values={ACCURACY.name: accuracies[r.index], MACS.name: macs[r.index]},
            test_values={ACCURACY.test_name: accuracies[r.index] - 0.01},
        )
        for r, kept in zip(records, is_nondominated(values, maximise=[True, False]), strict=True)
        if kept
    ]
    best = np.maximum.accumulate(accuracies)
    new = np.flatnonzero(accuracies == best)
    last = records[new[-1]]
    config: dict[str, Any] = {
        "seed": seed,
        "space": {"_target_": "seminas.spaces.nasbench201.NASBench201"},
        "evaluator": {"_target_": "seminas.evaluators.table.TableEvaluator", "path": "made-up.npz"},
        "strategy": {"_target_": strategy},
    }
    result = SearchResult(
        space=space.name,
        seed=seed,
        wall_s=1.0,
        config=config,
        strategy=strategy,
        evaluator="table",
        num_queries=queries,
        num_failures=0,
        best_architecture=last.architecture,
        best_key=last.key,
        best_value=best[-1],
        test_value=best[-1] - 0.01,
        parameters=None,
        incumbents=[
            Incumbent(index=int(i), value=accuracies[i], test_value=accuracies[i] - 0.01) for i in new
        ],
        best_there_is=None,
        cost_s=60.0 * queries,
        objectives=[ACCURACY, MACS],
        pareto=front,
        hypervolume=0.0,
        reference={ACCURACY.name: 0.4, MACS.name: 220e6},
    )
    folder.mkdir(parents=True)
    (folder / "history.jsonl").write_bytes(b"".join(map(line_of, records)))
    (folder / "config.yaml").write_text(json.dumps(config))
    RunFolder(folder).write_result(result)


def main(
    runs: Annotated[int, typer.Option(help="Searches in all, of four strategies.")] = 200,
    queries: Annotated[int, typer.Option(help="Evaluations of each.")] = 100,
) -> None:
    """Measure the seconds of seminas report on searches for accuracy and MACs, and the size of the page."""
    with tempfile.TemporaryDirectory() as work_dir:
        study = Path(work_dir) / "study"
        for i in range(runs):
            strategy = STRATEGIES[i % len(STRATEGIES)]
            write_search(study / f"{strategy}{i}", strategy, i // len(STRATEGIES), queries)
        begin = time.perf_counter()
        command = [str(Path(sys.executable).parent / "seminas"), "report", str(study)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        assert status == 0
        spent, size = time.perf_counter() - begin, (study / "report" / "report.html").stat().st_size
    processor = used.ru_utime + used.ru_stime
    print(
        f"a report on the fronts of {runs} searches of {queries} evaluations: {spent:.1f} s ({processor:.1f} s of the "
        f"processor), a page of {size / 1e6:.1f} MB"
    )


if __name__ == "__main__":
    typer.run(main)
