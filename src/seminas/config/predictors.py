"""Settings of the predictor study and of predictors."""

from dataclasses import dataclass
from typing import Any, ClassVar

from omegaconf import MISSING

from seminas.config.fields import Settings, setting


@dataclass
class PredictorSettings(Settings):
    """Section ``predictor``.

    Attributes:
        num_labeled: N, number of labeled architectures, drawn at random from the table. The predictor ranks the other
            architectures of the table.
        pseudo_label_ratio: M / N, number of pseudo-labeled architectures for each labeled architecture. Null means the
            predictor's default: 80 for ``model=seminas``, 0 for ``model=nao``. Other predictors use no pseudo-labels.
        unlabeled: Source of the pseudo-labeled architectures: ``space``, the whole space, or ``table``, the table only.
        top_k: List of the values of K for top-K regret and top-K precision.
    """

    KEY: ClassVar[str] = "predictor"

    num_labeled: int = setting(100, at_least=2, unit="architectures")
    pseudo_label_ratio: float | None = setting(None, at_least=0)
    unlabeled: str = setting("space", choices=("space", "table"))
    top_k: list[int] = setting([1, 10, 100], at_least=1)


@dataclass
class ControllerPredictorSettings(Settings):
    """The SemiNAS controller with pseudo-labels. Its settings are in the section ``controller``."""

    KEY: ClassVar[str] = "model"
    PSEUDO_LABEL_RATIO: ClassVar[float] = 80.0

    _target_: str = "seminas.predictors.controller.ControllerPredictor"


@dataclass
class NAOPredictorSettings(ControllerPredictorSettings):
    """The SemiNAS controller without pseudo-labels."""

    _target_: str = "seminas.predictors.controller.NAOPredictor"
    PSEUDO_LABEL_RATIO: ClassVar[float] = 0.0


@dataclass
class ScikitPredictorSettings(Settings):
    """A scikit-learn regressor on the features of the space.

    Attributes:
        regressor: Full name of the class, such as ``sklearn.ensemble.RandomForestRegressor``.
        arguments: Keyword arguments of the class, without ``random_state``.
    """

    KEY: ClassVar[str] = "model"

    _target_: str = "seminas.predictors.scikit.ScikitPredictor"
    regressor: str = setting(MISSING)
    arguments: dict[str, Any] = setting({})
