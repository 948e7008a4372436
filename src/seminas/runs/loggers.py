"""Building and closing of a run's loggers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from seminas.config.build import build
from seminas.runs.points import KeptSteps, no_steps


@runtime_checkable
class LogsFigures(Protocol):
    """A logger of pictures."""

    def log_figures(self, files: Sequence[Path], step: int) -> None:
        """Log PNG files under their names."""


@runtime_checkable
class LogsRows(Protocol):
    """A logger of W&B's tables and images."""

    def log_row(self, row: Mapping[str, Any]) -> None:
        """Log a row."""


def build_loggers(
    sections: Mapping[str, Any] | None, folder: Path, kept_steps: KeptSteps = no_steps
) -> list[Any]:
    """Return the Lightning loggers of the config's section ``logger``. They write into the run folder.

    A logger writes nothing before its first use. So each rank may have a copy of it.
    """
    context: dict[str, Any] = {"save_dir": str(folder), "kept_steps": kept_steps}
    return [build(section, f"logger.{name}", **context) for name, section in (sections or {}).items()]


def log_config(loggers: Sequence[Any], config: Mapping[str, Any]) -> None:
    """Log a run's config as its hyper-parameters."""
    for logger in loggers:
        logger.log_hyperparams(dict(config))


def log_numbers(loggers: Sequence[Any], numbers: Mapping[str, float | None], step: int) -> None:
    """Log the numbers of a step that are not None."""
    known = {name: number for name, number in numbers.items() if number is not None}
    for logger in loggers:
        logger.log_metrics(known, step=step)


@contextmanager
def closing_loggers(loggers: Sequence[Any]) -> Iterator[None]:
    """Close loggers at the end of the block. An exception marks their runs as failed."""
    try:
        yield
    except BaseException:
        close_loggers(loggers, failed=True)
        raise
    close_loggers(loggers, failed=False)


def close_loggers(loggers: Sequence[Any], *, failed: bool) -> None:
    """Let loggers write their remaining data. The next job of this process has its own loggers."""
    for logger in loggers:
        logger.finalize("failed" if failed else "success")
        if hasattr(logger, "close"):
            logger.close(int(failed))
