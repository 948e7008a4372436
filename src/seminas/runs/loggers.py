"""The loggers of a run: made from the config, and closed at its end."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from seminas.config.build import build
from seminas.runs.points import KeptSteps, no_steps


@runtime_checkable
class LogsFigures(Protocol):
    """A logger that takes pictures."""

    def log_figures(self, files: Sequence[Path], step: int) -> None:
        """Log PNG files by their names."""


@runtime_checkable
class LogsRows(Protocol):
    """A logger that takes W&B's tables and images."""

    def log_row(self, row: Mapping[str, Any]) -> None:
        """Log a row."""


def build_loggers(
    sections: Mapping[str, Any] | None, folder: Path, kept_steps: KeptSteps = no_steps
) -> list[Any]:
    """Return the Lightning loggers of the ``logger`` section of the config, which write into the run folder.

    Nothing is written before the first use, so that each rank may have a copy.
    """
    context: dict[str, Any] = {"save_dir": str(folder), "kept_steps": kept_steps}
    return [build(section, f"logger.{name}", **context) for name, section in (sections or {}).items()]


def log_config(loggers: Sequence[Any], config: Mapping[str, Any]) -> None:
    """Log a run's config as its hyper-parameters."""
    for logger in loggers:
        logger.log_hyperparams(dict(config))


def log_numbers(loggers: Sequence[Any], numbers: Mapping[str, float | None], step: int) -> None:
    """Log numbers of a step; the ones that are None are left out."""
    known = {name: number for name, number in numbers.items() if number is not None}
    for logger in loggers:
        logger.log_metrics(known, step=step)


@contextmanager
def closing_loggers(loggers: Sequence[Any]) -> Iterator[None]:
    """Close loggers at the end; an exception marks their runs as failed."""
    try:
        yield
    except BaseException:
        close_loggers(loggers, failed=True)
        raise
    close_loggers(loggers, failed=False)


def close_loggers(loggers: Sequence[Any], *, failed: bool) -> None:
    """Let loggers write the rest; the next job of this process has its own."""
    for logger in loggers:
        logger.finalize("failed" if failed else "success")
        if hasattr(logger, "close"):
            logger.close(int(failed))
