"""Show a search on the screen: a progress bar, a line for each round, and the result as a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import progress as bars
from rich.console import Console
from rich.table import Table

from seminas.loop.objectives import FrontSoFar
from seminas.loop.observers import Observer
from seminas.runs.archive import Archive
from seminas.runs.metric import ACCURACY
from seminas.runs.records import Record
from seminas.runs.repeats import Repeat
from seminas.runs.results import SearchResult

MOST_LINES = 20
"""Maximum number of rounds that all get a line. A search with more rounds prints about ten lines."""


class Screen(Observer):
    """An observer that draws a progress bar, and prints a line for each round and for each failed evaluation."""

    def __init__(self, *, quiet: bool) -> None:
        """Prepare the display. With ``quiet`` it prints only failed evaluations."""
        self._quiet = quiet
        self._console = Console(stderr=True)
        self._progress = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TextColumn("best {task.fields[best]}"),
            bars.TimeElapsedColumn(),
            bars.TextColumn("left"),
            bars.TimeRemainingColumn(),
            console=self._console,
            disable=quiet,
        )
        self._task = self._progress.add_task("starting", total=None, best="-")
        self._sizes: Sequence[int] = ()
        self._metric = ACCURACY
        self._best: float | None = None
        self._printed = 0
        self._running = ""
        self._front: FrontSoFar | None = None

    def start(self, archive: Archive, sizes: Sequence[int]) -> None:
        """Draw the bar, including the evaluations of earlier processes."""
        self._sizes, self._metric = sizes, archive.metric
        if archive.objectives is not None:
            self._front = FrontSoFar(archive)
            self._front.add(archive.imported)
        self._progress.update(self._task, total=sum(sizes))
        self._progress.start()
        if len(archive) and not self._quiet:
            self._console.print(f"going on after {len(archive)} evaluations")
        self.evaluated(archive.records)

    def note(self, text: str) -> None:
        """Write a text beside the bar."""
        self._progress.update(self._task, description=text)

    def interrupted(self) -> None:
        """Print what happens now."""
        text = "interrupted: the search ends after its running evaluations; Ctrl-C again stops them at once"
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def ending(self, reason: str) -> None:
        """Print the limit that ends the search."""
        if not self._quiet:
            self._console.print(f"the search ends: {reason}", markup=False, highlight=False, soft_wrap=True)

    def asking(self, round_number: int) -> None:
        """Write that the strategy is choosing the architectures of a round."""
        self.note(f"round {round_number}/{len(self._sizes) - 1} choosing")

    def running(self, number: int) -> None:
        """Keep the number of running evaluations for the text beside the bar."""
        self._running = f" {number}"

    def evaluated(self, records: Sequence[Record]) -> None:
        """Advance the bar, and print failed evaluations."""
        for record in records:
            if record.value is None:
                self._console.print(f"evaluation {record.index} failed: {record.error}", markup=False)
            elif record.final is not None and self._metric.better(record.final, self._best):
                self._best = record.final
            self.note(f"round {record.round}/{len(self._sizes) - 1} evaluating{self._running}")
        best = "-" if self._best is None else self._metric.text(self._best)
        if self._front is not None:
            self._front.add(records)
            best += f", {self._front.text}"
        self._progress.update(self._task, advance=len(records), best=best)

    def round_done(self, round_number: int, archive: Archive, metrics: Mapping[str, float]) -> None:
        """Print a line for the round. In a search of many rounds, print it only after each tenth of the evaluations."""
        records = archive.round(round_number)
        total, done = sum(self._sizes), records[-1].index + 1
        best = archive.best  # If the evaluator measured again, the best value may be worse now.
        self._best = None if best is None else best.value
        if self._front is not None and archive.revised == round_number:
            self._front.renew()
        few = len(self._sizes) <= MOST_LINES or done == total
        if self._quiet or not (few or done - self._printed >= total / 10):
            return
        self._printed = done
        values = [r.final for r in records if r.final is not None]
        written = self._metric.text
        text = f"round {round_number}/{len(self._sizes) - 1}: {len(records)} evaluated"
        if values and self._best is not None:
            text += f", mean {written(sum(values) / len(values))}, best {written(self._metric.best(values))}"
            text += f", best so far {written(self._best)}"
        if self._front is not None:
            text += f", {self._front.text}"
        for name, value in metrics.items():
            text += f", {name} {value:.3g}"
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def repeating(self, num_done: int, total: int) -> None:
        """Write how many of the second trainings have ended."""
        self.note(f"{num_done} of {total} second trainings")

    def repeated(self, repeat: Repeat) -> None:
        """Print a failed second training."""
        if repeat.value is None:
            text = f"second training of evaluation {repeat.index} failed: {repeat.error}"
            self._console.print(text, markup=False)

    def close(self, *, failed: bool) -> None:
        """Stop the bar."""
        self._progress.stop()


def print_result(result: SearchResult, folder: Path) -> None:
    """Print a search's result as a table, and list the files of its folder."""
    table = Table(show_header=False, title=f"{result.strategy} on {result.space}")
    metric, test = result.metric, result.test_value
    if result.best_value is None:
        table.add_row("best architecture", "none is within search.constraints")
    else:
        table.add_row("best architecture", _written(result.best_architecture))
        mean = f", mean of {result.num_trainings} trainings" if result.num_trainings > 1 else ""
        table.add_row(metric.title, metric.text(result.best_value) + mean)
        table.add_row(metric.test_title, "not known" if test is None else metric.text(test))
    if result.parameters is not None:
        table.add_row("parameters", f"{result.parameters:,}")
    if result.pareto is not None and result.hypervolume is not None:
        table.add_row("front", f"{len(result.pareto)} architectures, hypervolume {result.hypervolume:.4g}")
    if result.num_feasible is not None:
        table.add_row("feasible", f"{result.num_feasible} of {result.num_queries} evaluations")
    failures = f" ({result.num_failures} failed)" if result.num_failures else ""
    repeats = f", {result.num_repeats} of them second trainings" if result.num_repeats else ""
    table.add_row("evaluations", f"{result.num_queries}{repeats}{failures}")
    if result.proxies_s:
        table.add_row("proxies", f"{result.proxies_s:.0f} s")
    table.add_row("time", f"{result.wall_s:.0f} s")
    console = Console()
    console.print(table)
    console.print(f"in {folder}:", soft_wrap=True, markup=False, highlight=False)
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            console.print(f"  {path.name}", markup=False, highlight=False)


def _written(architecture: Any) -> str:
    """Return an architecture as readable text. Each row of a matrix and each entry of a dictionary has its own line."""
    if isinstance(architecture, dict):
        return "\n".join(f"{name}: {_written(value)}" for name, value in architecture.items())
    if isinstance(architecture, list) and architecture and isinstance(architecture[0], list):
        return "\n" + "\n".join(" ".join(map(str, row)) for row in architecture)
    return " ".join(map(str, architecture)) if isinstance(architecture, list) else str(architecture)
