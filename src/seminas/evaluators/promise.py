"""Choice of the checkpoints of shorter trainings that a search keeps on the disk."""

import bisect
from collections.abc import Collection

from seminas.training.kept_checkpoints import KeptCheckpoints

KEPT_AT_END = 0.5
"""Share of the architectures of a level that keep their checkpoints after the search. A scheduler promotes fewer."""


class Promise:
    """What the process of a search knows of the architectures with checkpoints, and the limit of their size.

    The promise of an architecture is its rank among all architectures that were measured at the highest level that it
    has reached: the share of them with a lower accuracy.
    """

    def __init__(self, kept: KeptCheckpoints, full: int, max_bytes: float) -> None:
        """Initialize an empty state.

        Args:
            kept: The checkpoints.
            full: Number of epochs of a full training.
            max_bytes: Largest size of all checkpoints together in bytes.
        """
        self._kept, self._full, self._max_bytes = kept, full, max_bytes
        self._scores: dict[int, list[float]] = {}
        """Scores of each level, sorted."""
        self._reached: dict[str, tuple[int, float]] = {}
        """Highest level and score of each architecture that has a checkpoint."""
        self._sizes: dict[str, int] = {}

    def add(self, key: str, epochs: int, score: float | None) -> None:
        """Include a finished evaluation. Remove the checkpoint of a full training and of a failed one.

        Args:
            key: Name of the architecture in its space.
            epochs: Number of epochs of the evaluation.
            score: Score of the architecture. None means that the evaluation failed. Schedulers do not promote it.
        """
        if score is not None:
            bisect.insort(self._scores.setdefault(epochs, []), score)
        if score is None or epochs == self._full:
            self._remove(key)
        else:
            self._reached[key] = (epochs, score)
            self._sizes[key] = self._kept.size(key)

    def limit(self, used: Collection[str]) -> None:
        """Remove checkpoints of the least promise until the others are within the limit.

        Args:
            used: Names of the architectures whose trainings run. Their checkpoints stay.
        """
        total = sum(self._sizes.values())
        if total <= self._max_bytes:
            return
        removable = self._sizes.keys() - set(used)
        for least in sorted(removable, key=lambda k: (self.of(k), self._reached[k], k)):
            total -= self._sizes[least]
            self._remove(least)
            if total <= self._max_bytes:
                break

    def of(self, key: str) -> float:
        """Return the promise of an architecture with a checkpoint, from 0 to 1."""
        epochs, score = self._reached[key]
        scores = self._scores[epochs]
        return bisect.bisect_left(scores, score) / len(scores)

    def end(self) -> None:
        """Remove the checkpoints of the lower half of each level, when the search has ended.

        A search that is extended promotes few of them. They begin again then.
        """
        for key in [key for key in self._sizes if self.of(key) < 1 - KEPT_AT_END]:
            self._remove(key)

    def _remove(self, key: str) -> None:
        self._kept.remove(key)
        self._sizes.pop(key, None)
        self._reached.pop(key, None)
