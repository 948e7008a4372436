"""A user's module for the commands of the campaign: an evaluator that keeps a ledger, and few images."""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from seminas.config.data import DigitsSettings
from seminas.config.evaluators import TableSettings
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation
from seminas.evaluators.table import TableEvaluator
from seminas.spaces.base import SearchSpace
from seminas.training.classifier import Classifier
from seminas.training.data.memory import digits


class Paid(TableEvaluator):
    """A table. Each evaluation takes some time, and adds its architecture to the ledger of the run folder."""

    def __init__(self, space: SearchSpace, seed: int, folder: Path, **settings: Any) -> None:
        """Open the table. ``$LEDGERS`` is the folder of the ledgers, where no fault strikes."""
        super().__init__(space, seed, TableSettings(**settings))
        self._keys = space
        self._ledger = Path(os.environ["LEDGERS"], folder.name)

    def evaluate(self, architectures: Sequence[Any]) -> Iterator[tuple[int, Evaluation]]:
        """Look up one architecture after the other."""
        for position, architecture in enumerate(architectures):
            time.sleep(0.02)
            ((_, evaluation),) = super().evaluate([architecture])
            note(self._ledger, self._keys.key(architecture))
            yield position, evaluation


class Slow(Evaluator[Any]):
    """An evaluator of one architecture at a time, for worker processes. The accuracy is made from the key."""

    def __init__(self, space: SearchSpace, folder: Path) -> None:
        """Take the space and the run folder."""
        self._space, self._ledger = space, Path(os.environ["LEDGERS"], folder.name)

    def evaluate_one(self, architecture: Any) -> float:
        """Return the accuracy of an architecture, a fraction."""
        key = self._space.key(architecture)
        time.sleep(0.1)
        note(self._ledger, key)
        return sum(key.encode()) % 997 / 997


def note(ledger: Path, key: str) -> None:
    """Add a line to a ledger. Several processes may do so at the same time."""
    with ledger.open("a") as file:
        file.write(f"{key}\n")


def few_digits(batch_size: int) -> Any:
    """Return a few of scikit-learn's digits."""
    data = digits(DigitsSettings(batch_size=batch_size))
    data.splits = {name: (images[:256], labels[:256]) for name, (images, labels) in data.splits.items()}
    return data


def noted_digits(batch_size: int) -> Any:
    """Return a few digits. Each epoch of a training in this process takes some time, and adds a line to a ledger."""

    def begin_epoch(module: Classifier) -> None:
        note(Path(os.environ["LEDGERS"], "epochs"), str(module.current_epoch))
        time.sleep(0.2)

    Classifier.on_train_epoch_start = begin_epoch  # type: ignore[method-assign]
    return few_digits(batch_size)
