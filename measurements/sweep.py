"""Measurement of the overhead of sweeps, reports and commands: python measurements/sweep.py --help."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)
BIN = Path(sys.executable).parent


@app.command()
def overhead(
    jobs: Annotated[int, typer.Option(help="Searches.")] = 200,
    queries: Annotated[int, typer.Option(help="Evaluations of each.")] = 50,
    strategy: Annotated[str, typer.Option(help="Of each.")] = "seminas",
    clusters: Annotated[str, typer.Option(help="Of conf/cluster, with commas.")] = "local",
    workers: Annotated[int, typer.Option(help="Jobs at once.")] = 2,
) -> None:
    """Measure the share of the workers' time outside the searches, in sweeps of short searches on digits101."""
    for cluster in clusters.split(","):
        at_once = {
            "local": f"hydra.launcher.n_jobs={workers}",
            "ray": f"+hydra.launcher.ray.init.num_cpus={workers}",
        }
        with tempfile.TemporaryDirectory() as work_dir:
            start = time.perf_counter()
            subprocess.run(
                [
                    str(BIN / "seminas-search"),
                    "-m",
                    "evaluator=table",
                    "evaluator.path=digits101",
                    f"cluster={cluster}",
                    at_once[cluster],
                    f"strategy={strategy}",
                    f"search.max_queries={queries}",
                    f"seed=range(0,{jobs})",
                    "hydra.sweep.dir=sweep",
                ],
                cwd=work_dir,
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            wall = time.perf_counter() - start
            times = [json.loads(f.read_text())["wall_s"] for f in Path(work_dir).glob("sweep/*/result.json")]
        spent = sum(times) / workers
        print(
            f"{cluster}: {len(times)} searches of {median(times):.2f} s, {workers} at once: {wall:.1f} s, of which "
            f"{spent:.1f} s in searches: {100 * (1 - spent / wall):.1f}% outside"
        )


@app.command()
def driver(jobs: Annotated[int, typer.Option(help="Of the sweep.")] = 10_000) -> None:
    """Measure seconds and memory of a sweep's own process, and of its status, when all jobs are done."""
    command = [
        str(BIN / "seminas-search"),
        "-m",
        "evaluator=table",
        "evaluator.path=digits101",
        "strategy=random",
    ]
    command += ["search.max_queries=100", "cluster=local", "hydra.sweep.dir=sweep"]
    with tempfile.TemporaryDirectory() as work_dir:
        sweep = Path(work_dir) / "sweep"
        subprocess.run([*command, "seed=0"], cwd=work_dir, check=True, capture_output=True)
        (first,) = (path for path in sweep.iterdir() if path.is_dir())
        files = [path for path in first.rglob("*") if path.is_file()]
        size = sum(file.stat().st_size for file in files)
        print(f"a job leaves {len(files)} files, {size / 1024:.0f} KiB")
        for i in range(1, jobs):
            folder = sweep / first.name.replace("seed=0", f"seed={i}")
            folder.mkdir()
            (folder / "result.json").write_bytes((first / "result.json").read_bytes())
        for name, run in (
            ("the sweep's process", [*command, f"seed=range(0,{jobs})"]),
            ("seminas sweep status", [str(BIN / "seminas"), "sweep", "status", "sweep"]),
        ):
            begin = time.perf_counter()
            process = subprocess.Popen(run, cwd=work_dir, stdout=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
            assert status == 0
            print(f"{name}: {time.perf_counter() - begin:.1f} s, {used.ru_maxrss / 1024:.0f} MiB at most")


@app.command()
def report(
    runs: Annotated[int, typer.Option(help="Searches in all.")] = 1000,
    queries: Annotated[int, typer.Option(help="Evaluations of each.")] = 100,
) -> None:
    """Measure the seconds of seminas report on a sweep of random search and evolution on digits101."""
    command = [str(BIN / "seminas-search"), "-m", "experiment=strategies", "strategy=random,evolution"]
    command += [f"seed=range(0,{runs // 2})", f"search.max_queries={queries}", "hydra.sweep.dir=sweep"]
    with tempfile.TemporaryDirectory() as work_dir:
        subprocess.run(command, cwd=work_dir, check=True, capture_output=True)
        begin = time.perf_counter()
        subprocess.run(
            [str(BIN / "seminas"), "report", "sweep"], cwd=work_dir, check=True, capture_output=True
        )
        spent = time.perf_counter() - begin
        number = len(list(Path(work_dir).glob("sweep/*/result.json")))
    print(f"a report on {number} searches of {queries} evaluations: {spent:.1f} s")


@app.command()
def compose(repeats: Annotated[int, typer.Option(help="Jobs; the median is printed.")] = 30) -> None:
    """Measure the time in which the sweep's process composes the config of a job of each kind."""
    import hydra

    from seminas.config.compose import CONFIG_DIR, VERSION_BASE, register

    register()
    for name in ("search", "train", "supernet", "predictor"):
        seconds = []
        with hydra.initialize_config_dir(str(CONFIG_DIR), version_base=VERSION_BASE):
            for seed in range(repeats):
                begin = time.perf_counter()
                hydra.compose(name, [f"seed={seed}"], return_hydra_config=True)
                seconds.append(time.perf_counter() - begin)
        print(f"seminas-{name}: {1000 * median(seconds):.0f} ms")


@app.command()
def start(repeats: Annotated[int, typer.Option(help="Of each command; medians are printed.")] = 5) -> None:
    """Measure the seconds of commands until their first evaluation, and of commands that only print."""
    first_line = ["search.max_queries=2", "evaluator=table", "evaluator.path=digits101", "strategy=random"]
    commands = {
        "import torch": [sys.executable, "-c", "import torch"],
        "seminas-search, a job": [str(BIN / "seminas-search"), *first_line],
        "seminas-search --help": [str(BIN / "seminas-search"), "--help"],
        "seminas-search --cfg job": [str(BIN / "seminas-search"), "--cfg", "job"],
        "seminas-train --help": [str(BIN / "seminas-train"), "--help"],
        "seminas --help": [str(BIN / "seminas"), "--help"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as work_dir:
        for _ in range(repeats):
            for name, command in commands.items():
                begin = time.perf_counter()
                process = subprocess.Popen(
                    command, cwd=work_dir, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
                )
                if name.endswith("a job"):
                    _wait_for_history(Path(work_dir), process)
                    times[name].append(time.perf_counter() - begin)
                    process.communicate()
                else:
                    process.communicate()
                    times[name].append(time.perf_counter() - begin)
    for name, seconds in times.items():
        print(f"{name}: {median(seconds):.2f} s")


def _wait_for_history(work_dir: Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a new run has stored its first evaluation, or the process has ended."""
    before = set(work_dir.glob("runs/*/*/history.jsonl"))
    while process.poll() is None:
        if any(file.stat().st_size for file in set(work_dir.glob("runs/*/*/history.jsonl")) - before):
            return
        time.sleep(0.01)


if __name__ == "__main__":
    app()
