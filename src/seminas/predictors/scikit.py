"""A scikit-learn regressor as a predictor. It reads the features of a space."""

from sklearn.base import RegressorMixin

from seminas.config.build import located
from seminas.config.predictors import ScikitPredictorSettings
from seminas.errors import UserError, first_line
from seminas.predictors.base import LabeledSet, Predict, Predictor
from seminas.spaces.base import A


class ScikitPredictor(Predictor[A]):
    """A scikit-learn regressor on the features of a space."""

    def __init__(self, settings: ScikitPredictorSettings) -> None:
        """Find the regressor's class and check its arguments.

        Raises:
            UserError: The regressor does not exist, or it does not accept the arguments.
        """
        self._class = located(settings.regressor, "model.regressor", RegressorMixin)
        self._arguments = settings.arguments
        try:
            self._class(**self._arguments)._validate_params()
        except (TypeError, ValueError) as error:
            raise UserError(f"model.arguments: {settings.regressor}: {first_line(error)}") from error

    def fit(self, labels: LabeledSet[A], seed: int) -> Predict:
        """Fit the regressor on the labeled architectures, and return its prediction function."""
        space, regressor = labels.space, self._class(**self._arguments, random_state=seed)
        regressor.fit(space.described_features(labels.architectures), labels.accuracies)
        return lambda others: regressor.predict(space.described_features(others))
