"""The SemiNAS controller as a predictor (Luo et al., NeurIPS 2020)."""

from seminas.config.controller import ControllerSettings
from seminas.controller.device import check_device
from seminas.controller.fit import fit_controller
from seminas.predictors.base import LabeledSet, Predict, Predictor
from seminas.spaces.base import A


class ControllerPredictor(Predictor[A]):
    """The controller. It learns from labels and pseudo-labels."""

    def __init__(self, controller: ControllerSettings, pseudo_label_ratio: float) -> None:
        check_device(controller)
        self.controller = controller
        self.pseudo_label_ratio = pseudo_label_ratio

    def fit(self, labels: LabeledSet[A], seed: int) -> Predict:
        """Fit a controller, and return its prediction function."""
        controller, _ = fit_controller(
            labels.space,
            self.controller,
            labels.architectures,
            labels.accuracies,
            (seed, 0),
            labels.unlabeled,
        )
        return controller.predict


class NAOPredictor(ControllerPredictor[A]):
    """The SemiNAS controller without pseudo-labels, as in NAO (Luo et al., NeurIPS 2018)."""

    def __init__(self, controller: ControllerSettings) -> None:
        super().__init__(controller, pseudo_label_ratio=0.0)
