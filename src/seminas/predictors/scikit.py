"""A regressor of scikit-learn as a predictor, on a space's features."""

from sklearn.base import RegressorMixin

from seminas.config.build import located
from seminas.config.predictors import ScikitPredictorSettings
from seminas.errors import UserError, first_line
from seminas.predictors.base import LabeledSet, Predict, Predictor
from seminas.spaces.base import A


class ScikitPredictor(Predictor[A]):
    """Fits a regressor of scikit-learn."""

    def __init__(self, settings: ScikitPredictorSettings) -> None:
        """Find the regressor's class, and check its arguments.

        Raises:
            UserError: There is no such regressor, or it does not take the arguments.
        """
        self._class = located(settings.regressor, "model.regressor", RegressorMixin)
        self._arguments = settings.arguments
        try:
            self._class(**self._arguments)._validate_params()
        except (TypeError, ValueError) as error:
            raise UserError(f"model.arguments: {settings.regressor}: {first_line(error)}") from error

    def fit(self, labels: LabeledSet[A], seed: int) -> Predict:
        """Fit the regressor; unlabeled architectures are not used."""
        space, regressor = labels.space, self._class(**self._arguments, random_state=seed)
        regressor.fit(space.features(labels.architectures), labels.accuracies)
        return lambda others: regressor.predict(space.features(others))
