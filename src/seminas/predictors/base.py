"""Base classes of predictors. A predictor learns accuracies from labeled architectures."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from seminas.spaces.base import A, SearchSpace

Predict = Callable[[Sequence[Any]], NDArray[np.float64]]
"""Function from architectures to predictions, ``[n]``. Higher predictions are better. Their scale is arbitrary."""


@dataclass(frozen=True)
class LabeledSet(Generic[A]):
    """Data that a predictor learns from.

    Attributes:
        space: Space of the architectures.
        architectures: Labeled architectures, n of them.
        accuracies: Accuracies of the labeled architectures, fractions ``[n]``.
        unlabeled: Unlabeled architectures. Their number follows from the predictor's ``pseudo_label_ratio``.
    """

    space: SearchSpace[A]
    architectures: Sequence[A]
    accuracies: NDArray[np.float64]
    unlabeled: Sequence[A] = ()


class Predictor(ABC, Generic[A]):
    """A model that learns to predict accuracies.

    Attributes:
        pseudo_label_ratio: M / N, number of unlabeled architectures for each labeled architecture.
    """

    pseudo_label_ratio: float = 0.0

    @abstractmethod
    def fit(self, labels: LabeledSet[A], seed: int) -> Predict:
        """Fit on the labeled and the unlabeled architectures. Return the prediction function."""
