"""Progress of a search on the screen and in the loggers, and the table at its end."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from seminas.app import close_loggers
from seminas.archive import Archive, Record
from seminas.spaces.base import SearchSpace

MOST_LINES = 20
"""Rounds that are each shown in a line."""


class Watcher:
    """Shows a search: rounds, evaluations, the best so far and the time left."""

    def __init__(
        self,
        loggers: Sequence[Any],
        config: dict[str, Any],
        archive: Archive,
        sizes: Sequence[int],
        quiet: bool = False,
    ) -> None:
        """Prepare the display.

        Args:
            loggers: Lightning loggers.
            config: For the loggers' hyper-parameters.
            archive: What it holds already is shown and logged first.
            sizes: Architectures of each round.
            quiet: Show nothing but failed evaluations.
        """
        self._loggers, self._config, self._archive, self._sizes = loggers, config, archive, sizes
        self._quiet = quiet
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("best {task.fields[best]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            disable=quiet,
        )
        self._task = self._progress.add_task("starting", total=sum(sizes), best="-")
        self._best: float | None = None
        self._said = 0

    def __enter__(self) -> "Watcher":
        """Show the progress bar, and what the archive holds already."""
        self._progress.start()
        for logger in self._loggers:
            logger.log_hyperparams(self._config)
        if len(self._archive) and not self._quiet:
            self._console.print(f"going on after {len(self._archive)} evaluations")
        self.evaluated(self._archive.records)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the progress bar away and close the loggers."""
        self._progress.stop()
        close_loggers(self._loggers, failed=error is not None)

    def note(self, text: str) -> None:
        """Say what is being done."""
        self._progress.update(self._task, description=text)

    def asking(self, number: int) -> None:
        """Say that a round's architectures are being chosen."""
        self.note(f"round {number}/{len(self._sizes) - 1} choosing")

    def evaluated(self, records: Sequence[Record]) -> None:
        """Show and log evaluations."""
        for record in records:
            if record.val_accuracy is None:
                self._console.print(f"evaluation {record.index} failed: {record.error}", markup=False)
            elif self._best is None or record.val_accuracy > self._best:
                self._best = record.val_accuracy
            metrics = {
                "round": record.round,
                "val_accuracy": record.val_accuracy,
                "prediction": record.prediction,
                "best_val_accuracy": self._best,
                "cost_s": record.cost_s,
            }
            self._log({name: value for name, value in metrics.items() if value is not None}, record.index)
            self.note(f"round {record.round}/{len(self._sizes) - 1} evaluating")
        best = "-" if self._best is None else f"{self._best:.4f}"
        self._progress.update(self._task, advance=len(records), best=best)

    def round_done(self, number: int, metrics: dict[str, float]) -> None:
        """Show and log a round; of very many rounds, about ten are shown."""
        records = self._archive.round(number)
        if metrics:
            self._log({f"round/{name}": value for name, value in metrics.items()}, records[-1].index)
        if self._quiet:
            return
        total, done = sum(self._sizes), records[-1].index + 1
        if len(self._sizes) > MOST_LINES and done < total and done - self._said < total / 10:
            return
        self._said = done
        best = self._archive.best  # What was measured again may be worth something else by now.
        self._best = None if best is None else best.val_accuracy
        values = [r.val_accuracy for r in records if r.val_accuracy is not None]
        text = f"round {number}/{len(self._sizes) - 1}: {len(records)} evaluated"
        if values:
            text += f", mean {sum(values) / len(values):.4f}, best {max(values):.4f}"
            text += f", best so far {self._best:.4f}"
        for name, value in metrics.items():
            text += f", {name} {value:.3g}"
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def finish(self, result: dict[str, Any], space: SearchSpace[Any]) -> None:
        """Log the result, and to W&B the architectures and the figures."""
        self._progress.stop()
        final = {"best_val_accuracy", "test_accuracy", "num_queries", "wall_s"}
        self._log(
            {f"final/{name}": result[name] for name in final if result[name] is not None}, len(self._archive)
        )
        for logger in self._loggers:
            from pytorch_lightning.loggers import WandbLogger  # Slow, and not needed without loggers.

            if isinstance(logger, WandbLogger):
                from seminas.report.wandb_media import log_media

                log_media(logger.experiment, self._archive.folder, space, self._archive)
            logger.save()

    def _log(self, metrics: dict[str, float], step: int) -> None:
        for logger in self._loggers:
            logger.log_metrics(metrics, step=step)


def print_result(result: dict[str, Any], folder: Path) -> None:
    """Print a search's result, and name the files of its folder."""
    table = Table(show_header=False, title=f"{result['strategy']} on {result['space']}")
    table.add_row("best architecture", _written(result["best_architecture"]))
    table.add_row("validation accuracy", f"{result['best_val_accuracy']:.4f}")
    test = result["test_accuracy"]
    table.add_row("test accuracy", "not known" if test is None else f"{test:.4f}")
    if result["parameters"] is not None:
        table.add_row("parameters", f"{result['parameters']:,}")
    failed = f" ({result['num_failures']} failed)" if result["num_failures"] else ""
    table.add_row("evaluations", f"{result['num_queries']}{failed}")
    table.add_row("time", f"{result['wall_s']:.0f} s")
    console = Console()
    console.print(table)
    console.print(f"in {folder}:", soft_wrap=True, markup=False, highlight=False)
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            console.print(f"  {path.name}", markup=False, highlight=False)


def _written(architecture: Any) -> str:
    """An architecture for people: a matrix by rows, the rest as it is."""
    if isinstance(architecture, dict):
        return "\n".join(f"{name}: {_written(value)}" for name, value in architecture.items())
    if isinstance(architecture, list) and architecture and isinstance(architecture[0], list):
        return "\n" + "\n".join(" ".join(map(str, row)) for row in architecture)
    return " ".join(map(str, architecture)) if isinstance(architecture, list) else str(architecture)
