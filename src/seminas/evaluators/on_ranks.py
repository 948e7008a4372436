"""One training on several processes of this machine, one for each device."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from seminas.execution.processes import is_first_rank
from seminas.execution.ranks import launch
from seminas.storage.files import write_json
from seminas.storage.typed import read_typed


class Trained(NamedTuple):
    """What a training returns.

    Attributes:
        metrics: Metrics by name.
        earlier_s: Duration of the training in earlier processes, in seconds.
        epochs: Number of epochs that an evaluation at a fidelity has trained. Otherwise None.
    """

    metrics: dict[str, float]
    earlier_s: float
    epochs: int | None = None


Run = Callable[..., tuple[Any, ...]]
"""A training. It returns the values of a ``Trained``."""


def run_on_ranks(run: Run, arguments: tuple[Any, ...], num_devices: int) -> Trained:
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
    return Trained(outcome.metrics, outcome.earlier_s, outcome.epochs)


@dataclass(frozen=True)
class _Outcome:
    """What the first rank writes, see ``Trained``."""

    metrics: dict[str, float]
    earlier_s: float
    epochs: int | None = None


def _run_on_rank(run: Run, arguments: tuple[Any, ...], file: Path) -> None:
    """Train on this rank. The first rank writes the outcome."""
    trained = Trained(*run(*arguments))
    if is_first_rank():
        write_json(file, trained._asdict())
