"""Predictors: models that learn accuracies from labeled architectures."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from seminas.spaces.base import A, SearchSpace

Predict = Callable[[Sequence[Any]], NDArray[np.float64]]
"""Architectures in, predictions out, ``[n]``. Higher is better; their scale need not be that of accuracies."""


@dataclass(frozen=True)
class LabeledSet(Generic[A]):
    """What a predictor learns from.

    Attributes:
        space: The space of the architectures.
        architectures: Labeled ones, n of them.
        accuracies: Theirs, fractions ``[n]``.
        unlabeled: Further architectures, as many as the predictor asked for.
    """

    space: SearchSpace[A]
    architectures: Sequence[A]
    accuracies: NDArray[np.float64]
    unlabeled: Sequence[A] = ()


class Predictor(ABC, Generic[A]):
    """Learns to predict accuracies.

    Attributes:
        pseudo_label_ratio: M / N, unlabeled architectures that it learns from for each labeled one.
    """

    pseudo_label_ratio: float = 0.0

    @abstractmethod
    def fit(self, labels: LabeledSet[A], seed: int) -> Predict:
        """Fit on labeled architectures, and on unlabeled ones where there are some."""
