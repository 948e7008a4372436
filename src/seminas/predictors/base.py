"""Predictors: models that learn accuracies from labeled architectures."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from seminas.spaces.base import A, SearchSpace

Predict = Callable[[Sequence[Any]], NDArray[np.float64]]
"""Architectures in, predictions out, ``[n]``. Higher is better; their scale need not be that of accuracies."""


class Predictor(ABC, Generic[A]):
    """Learns to predict accuracies.

    Attributes:
        pseudo_label_ratio: M / N, unlabeled architectures that it learns from for each labeled one.
    """

    pseudo_label_ratio: float = 0.0

    @abstractmethod
    def fit(
        self,
        space: SearchSpace[A],
        architectures: Sequence[A],
        accuracies: NDArray[np.float64],
        unlabeled: Sequence[A],
        seed: int,
    ) -> Predict:
        """Fit on architectures with their accuracies, fractions ``[n]``, and on unlabeled architectures."""
