"""Measurement of what a GPU gives: all parts in one run, as JSON and as a table.

    python measurements/gpu.py -o measurements/reports/DATE-DEVICE.json

Each part compares in turns, by medians, and states ratios of numbers of the same run. Without a GPU all parts run in
tiny sizes on the CPU, and the report says so. Its numbers then say nothing about a GPU.
"""

import json
import time
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from gpu_parts.clock import FULL, TINY, device, machine
from rich.console import Console
from rich.table import Table

from seminas.config.check import flat

PARTS = {
    "steps": "standalone training",
    "reading": "images from the disk",
    "paths": "paths of a supernet",
    "packing": "small trainings at a time",
    "fits": "the controller",
}
TARGETS = {
    ("steps", "eager.ours_to_plain"): (">=", 0.97),
    ("steps", "eager.busy_plain"): (">=", 0.95),
    ("paths", "side_by_side_to_one_after_another"): (">=", 3.0),
    ("packing", "best_to_one"): (">=", 2.5),
    ("fits", "10000_labels_gpu_speedup"): (">=", 5.0),
}
"""What is to be reached on a GPU."""


def main(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File of the report, JSON.")] = None,
    parts: Annotated[str, typer.Option(help="Some of the parts, separated by commas.")] = ",".join(PARTS),
    tiny: Annotated[bool, typer.Option(help="Tiny sizes, also on a GPU.")] = False,
) -> None:
    """Measure steps, loaders, paths, packing and the controller on this machine."""
    on_gpu = device().type == "cuda"
    sizes = FULL if on_gpu and not tiny else TINY
    report: dict[str, Any] = {"machine": machine(), "sizes": "full" if sizes is FULL else "tiny", "parts": {}}
    console = Console()
    if not on_gpu:
        console.print("no GPU is here: all parts run in tiny sizes on the CPU, and say nothing about a GPU")
    for name in parts.split(","):
        if name not in PARTS:
            raise typer.BadParameter(f"{name}: must be one of {', '.join(PARTS)}")
        start = time.perf_counter()
        numbers = import_module(f"gpu_parts.{name}").measure(sizes)
        numbers["seconds"] = round(time.perf_counter() - start, 1)
        report["parts"][name] = numbers
        if out is not None:  # Written after each part, so that a part that fails loses no earlier one.
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n")
        table = Table("number", "value", "to reach on a GPU", title=f"{PARTS[name]} ({numbers['seconds']} s)")
        for key, value in flat(numbers).items():
            sign, target = TARGETS.get((name, key), ("", None))
            table.add_row(
                key, "not measured" if value is None else f"{value}", f"{sign} {target}" if sign else ""
            )
        console.print(table)


if __name__ == "__main__":
    typer.run(main)
