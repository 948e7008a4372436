"""Trains every cell of at most 5 vertices on the digits, three seeds each, and packs the table ``digits101``.

    python experiments/digits101/measure.py measure    # about 75 minutes on two cores; goes on where it was stopped
    python experiments/digits101/measure.py pack       # writes src/seminas/benchmarks/digits101.npz

Needs a checkout with ``make test`` run once. Each training is that of ``seminas-search`` with its defaults
(``evaluator=training data=digits``): the same seed gives the same accuracy there.
"""

import json
import os
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from hydra import compose, initialize_config_dir
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

from seminas.app import CONFIG_DIR, build
from seminas.spaces.nasbench101 import NASBench101
from seminas.spaces.nasbench101.enumeration import NUM_CELLS

MAX_VERTICES, SEEDS = 5, (0, 1, 2)
MEASURED = Path(__file__).parent / "measured.jsonl"
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)
File = Annotated[Path, typer.Option(help="Where the trainings are written, a line each.")]


def num_cells() -> int:
    """The cells are the first of the enumeration, which is ordered by vertices."""
    return sum(number for vertices, number in NUM_CELLS.items() if vertices <= MAX_VERTICES)


def read(file: Path) -> dict[tuple[int, int], dict[str, float]]:
    """Return the trainings so far by (seed, cell); a half-written last line is left out."""
    if not file.exists():
        return {}
    lines = file.read_text().split("\n")[:-1]
    rows = [json.loads(line) for line in lines]
    return {(row["seed"], row["cell"]): row for row in rows}


@app.command()
def measure(file: File = MEASURED) -> None:
    """Train what is not trained yet."""
    space = NASBench101()
    done = read(file)
    file.write_text("".join(json.dumps(row) + "\n" for row in done.values()))
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        config = compose("search", ["evaluator=training", "data=digits"])
    columns = (
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress, file.open("a") as out:
        for seed in SEEDS:
            todo = [cell for cell in range(num_cells()) if (seed, cell) not in done]
            task = progress.add_task(f"seed {seed}", total=num_cells(), completed=num_cells() - len(todo))
            if not todo:
                continue
            evaluator = build(config, "evaluator", space=space, seed=seed)
            for place, outcome in evaluator.measure(space.at(np.array(todo)), ("val", "test")):
                if outcome.error is not None:
                    raise RuntimeError(f"cell {todo[place]}: {outcome.error}")
                row = {"seed": seed, "cell": todo[place], **outcome.accuracies, "cpu_s": outcome.cpu_s}
                out.write(json.dumps(row) + "\n")
                out.flush()
                os.fsync(out.fileno())
                progress.advance(task)
            evaluator.close()


if __name__ == "__main__":
    app()
