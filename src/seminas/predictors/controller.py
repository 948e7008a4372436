"""The SemiNAS controller as a predictor (Luo et al., NeurIPS 2020)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seminas.config.controller import ControllerSettings
from seminas.controller.fit import fit_controller
from seminas.predictors.base import Predict, Predictor
from seminas.spaces.base import A, SearchSpace


class ControllerPredictor(Predictor[A]):
    """The controller with pseudo-labels."""

    def __init__(self, controller: ControllerSettings, pseudo_label_ratio: float) -> None:
        self.controller = controller
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
        controller, _ = fit_controller(
            space, self.controller, architectures, accuracies, (seed, 0), unlabeled
        )
        return controller.predict


class NAOPredictor(ControllerPredictor[A]):
    """The controller without pseudo-labels (Luo et al., NeurIPS 2018)."""

    def __init__(self, controller: ControllerSettings) -> None:
        super().__init__(controller, pseudo_label_ratio=0.0)
