"""Settings of the predictor study: which predictor, fitted on how many labels."""

from dataclasses import dataclass
from typing import Any, ClassVar

from omegaconf import MISSING

from seminas.config.fields import Settings, setting


@dataclass
class PredictorSettings(Settings):
    """The ``predictor`` section.

    Attributes:
        num_labeled: N, labeled architectures, drawn at random from the table. Those left over are ranked.
        pseudo_label_ratio: M / N, pseudo-labeled architectures for each labeled one, for a predictor that uses them.
            Null: the predictor's own, 80 for ``model=seminas`` and 0 for others.
        unlabeled: Where pseudo-labeled architectures are drawn from: the whole ``space``, or the ``table``.
        top_k: The K of top-K regret and precision.
    """

    KEY: ClassVar[str] = "predictor"

    num_labeled: int = setting(100, at_least=2, unit="architectures")
    pseudo_label_ratio: float | None = setting(None, at_least=0)
    unlabeled: str = setting("space", choices=("space", "table"))
    top_k: list[int] = setting([1, 10, 100], at_least=1)


@dataclass
class ControllerPredictorSettings(Settings):
    """The SemiNAS controller (``controller``) with pseudo-labels."""

    KEY: ClassVar[str] = "model"
    PSEUDO_LABEL_RATIO: ClassVar[float] = 80.0

    _target_: str = "seminas.predictors.controller.ControllerPredictor"


@dataclass
class NAOPredictorSettings(ControllerPredictorSettings):
    """The same controller without pseudo-labels."""

    PSEUDO_LABEL_RATIO: ClassVar[float] = 0.0

    _target_: str = "seminas.predictors.controller.NAOPredictor"


@dataclass
class ScikitPredictorSettings(Settings):
    """A regressor of scikit-learn on a space's features.

    Attributes:
        regressor: Its class, such as ``sklearn.ensemble.RandomForestRegressor``.
        arguments: Of the class, without ``random_state``.
    """

    KEY: ClassVar[str] = "model"

    _target_: str = "seminas.predictors.scikit.ScikitPredictor"
    regressor: str = setting(MISSING)
    arguments: dict[str, Any] = setting({})
