"""One training on several processes of this machine, one for each device."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seminas.execution.processes import is_first_rank
from seminas.execution.ranks import launch
from seminas.storage.files import write_json
from seminas.storage.typed import read_typed

Run = Callable[..., tuple[dict[str, float], float]]
"""A training. It returns its metrics by name, and the duration of the training in earlier processes, in seconds."""


def run_on_ranks(run: Run, arguments: tuple[Any, ...], num_devices: int) -> tuple[dict[str, float], float]:
    """Run a training on several ranks, and return what it returned on the first rank.

    Args:
        run: The training. It must be possible to pickle it.
        arguments: Arguments of the training.
        num_devices: Number of ranks.

    Raises:
        UserError: A rank failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder)
        launch(_run_on_rank, (run, arguments, logs / "outcome.json"), num_devices, logs)
        outcome = read_typed(logs / "outcome.json", _Outcome, "outcome of a training")
    assert outcome is not None
    return outcome.metrics, outcome.earlier_s


@dataclass(frozen=True)
class _Outcome:
    """What the first rank writes: the metrics, and the seconds in earlier processes."""

    metrics: dict[str, float]
    earlier_s: float


def _run_on_rank(run: Run, arguments: tuple[Any, ...], file: Path) -> None:
    """Train on this rank. The first rank writes the outcome."""
    metrics, earlier_s = run(*arguments)
    if is_first_rank():
        write_json(file, {"metrics": metrics, "earlier_s": earlier_s})
