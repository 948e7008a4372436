"""The loggers of a run: made from the config, and closed at its end."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seminas.config.build import build


def build_loggers(sections: Mapping[str, Any] | None, folder: Path) -> list[Any]:
    """Return the Lightning loggers of the ``logger`` section of the config, which write into the run folder."""
    # Metrics of an interrupted run are written again from its history.
    warnings.filterwarnings("ignore", "Experiment logs directory .* exists and is not empty")
    return [
        build(section, f"logger.{name}", save_dir=str(folder)) for name, section in (sections or {}).items()
    ]


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
