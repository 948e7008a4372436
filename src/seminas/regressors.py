"""What predicts accuracies from labeled architectures: the controller, and what it is compared with."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from seminas.controller.fit import ControllerSettings, fit_controller
from seminas.errors import config_error
from seminas.spaces.base import A, SearchSpace

Predict = Callable[[Sequence[Any]], NDArray[np.float64]]
"""Architectures in, predicted accuracies out, ``[n]``: higher is better, their scale need not be that of accuracies."""


class Regressor(ABC, Generic[A]):
    """Learns to predict accuracies.

    Attributes:
        pseudo_label_ratio: M / N, unlabeled architectures that it wants for each labeled one.
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
        """Fit on architectures with their accuracies, fractions ``[n]``, and on unlabeled ones where there are any."""


class ControllerRegressor(Regressor[A]):
    """The SemiNAS controller (Luo et al., NeurIPS 2020); without pseudo-labels that of NAO."""

    def __init__(self, settings: ControllerSettings, pseudo_label_ratio: float) -> None:
        if not pseudo_label_ratio >= 0:
            raise config_error("predictor.pseudo_label_ratio", pseudo_label_ratio, "at least 0")
        self.settings = settings
        self.pseudo_label_ratio = pseudo_label_ratio

    def fit(
        self,
        space: SearchSpace[A],
        architectures: Sequence[A],
        accuracies: NDArray[np.float64],
        unlabeled: Sequence[A],
        seed: int,
    ) -> Predict:
        """Fit a controller."""
        return fit_controller(space, self.settings, architectures, accuracies, (seed, 0), unlabeled)[
            0
        ].predict


class ScikitRegressor(Regressor[A]):
    """An estimator of scikit-learn on a space's features."""

    def __init__(self, estimator: Callable[..., Any]) -> None:
        """Take a class with all its arguments but ``random_state``."""
        self.estimator = estimator

    def fit(
        self,
        space: SearchSpace[A],
        architectures: Sequence[A],
        accuracies: NDArray[np.float64],
        unlabeled: Sequence[A],
        seed: int,
    ) -> Predict:
        """Fit the estimator."""
        model = self.estimator(random_state=seed).fit(space.features(architectures), accuracies)
        return lambda others: model.predict(space.features(others))
