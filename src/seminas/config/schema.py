"""Which settings class describes which section: by the section's key, or by the ``_target_`` that it names."""

from dataclasses import dataclass
from typing import Any

from seminas.config.controller import ControllerSettings
from seminas.config.data import Cifar10Settings, DigitsSettings, FolderSettings, ShardSettings
from seminas.config.evaluators import SupernetEvaluatorSettings, TableSettings, TrainingEvaluatorSettings
from seminas.config.fields import Settings, setting
from seminas.config.loggers import CSVSettings, MLflowSettings, TensorBoardSettings, WandBSettings
from seminas.config.predictors import (
    ControllerPredictorSettings,
    NAOPredictorSettings,
    PredictorSettings,
    ScikitPredictorSettings,
)
from seminas.config.recipe import Recipe
from seminas.config.search import SearchSettings
from seminas.config.spaces import MobileNetSettings, SequenceSettings
from seminas.config.strategies import (
    BananasSettings,
    EvolutionSettings,
    GaussianProcessSettings,
    LocalSearchSettings,
    NAOSettings,
    SemiNASEvolutionSettings,
    SemiNASSettings,
)
from seminas.config.trainer import TrainerSettings

SECTIONS: dict[str, type[Settings]] = {
    "search": SearchSettings,
    "predictor": PredictorSettings,
    "controller": ControllerSettings,
    "data.recipe": Recipe,
    "recipe": Recipe,
    "trainer": TrainerSettings,
}
"""Sections without a ``_target_``, by their key."""

GROUPS: dict[str, dict[str, type[Settings]]] = {
    "space": {
        "sequence": SequenceSettings,
        "mobilenet": MobileNetSettings,
    },
    "strategy": {
        "evolution": EvolutionSettings,
        "local_search": LocalSearchSettings,
        "bananas": BananasSettings,
        "gaussian_process": GaussianProcessSettings,
        "seminas": SemiNASSettings,
        "nao": NAOSettings,
        "seminas_evolution": SemiNASEvolutionSettings,
    },
    "evaluator": {
        "table": TableSettings,
        "training": TrainingEvaluatorSettings,
        "supernet": SupernetEvaluatorSettings,
    },
    "images": {
        "digits": DigitsSettings,
        "cifar10": Cifar10Settings,
        "folder": FolderSettings,
        "shards": ShardSettings,
    },
    "model": {
        "controller": ControllerPredictorSettings,
        "nao": NAOPredictorSettings,
        "scikit": ScikitPredictorSettings,
    },
    "logger": {
        "csv": CSVSettings,
        "wandb": WandBSettings,
        "tensorboard": TensorBoardSettings,
        "mlflow": MLflowSettings,
    },
}
"""Sections with a ``_target_`` and settings. YAML files name them as ``/settings/GROUP/NAME``."""

BY_TARGET: dict[str, type[Settings]] = {
    str(kind.__dataclass_fields__["_target_"].default): kind
    for group in GROUPS.values()
    for kind in group.values()
}


@dataclass
class CommandSettings(Settings):
    """What all commands share at the top of their config.

    Attributes:
        seed: Of all randomness.
        names: Of the options that were chosen, by group.
        space: What is searched.
        logger: Where metrics go, by name.
    """

    seed: int = setting(0, at_least=0)
    names: dict[str, str] = setting({}, may_change=True)
    space: Any = setting(None)
    logger: Any = setting(None, may_change=True)


@dataclass
class ControllerCommand(CommandSettings):
    """What the commands with a controller share.

    Attributes:
        controller: The controller.
        evaluator: Says the accuracies of architectures.
    """

    controller: ControllerSettings = setting(ControllerSettings)
    evaluator: Any = setting(None)


@dataclass
class SearchCommand(ControllerCommand):
    """The config of ``seminas-search``."""

    search: SearchSettings = setting(SearchSettings)
    strategy: Any = setting(None)
    data: Any = setting(None)


@dataclass
class PredictorCommand(ControllerCommand):
    """The config of ``seminas-predictor``."""

    predictor: PredictorSettings = setting(PredictorSettings)
    model: Any = setting(None)


@dataclass
class TrainingCommand(CommandSettings):
    """What the commands that train on images share.

    Attributes:
        data: Images.
        recipe: How networks are trained.
        trainer: Where.
    """

    data: Any = setting(None)
    recipe: Recipe = setting(Recipe)
    trainer: TrainerSettings = setting(TrainerSettings)


@dataclass
class TrainCommand(TrainingCommand):
    """The config of ``seminas-train``.

    Attributes:
        architecture: What to train, as ``seminas arch show`` reads it; null: from ``architecture_from``, and else one
            drawn by the seed.
        architecture_from: Run folder of a search, whose best architecture is trained, or a file of an architecture.
        export: What is written beside ``network.json``: ``safetensors``, ``onnx``.
    """

    architecture: Any = setting(None)
    architecture_from: str | None = setting(None)
    export: list[str] = setting(
        ["safetensors"], choices=("safetensors", "onnx"), distinct=True, may_change=True
    )


@dataclass
class SupernetCommand(TrainingCommand):
    """The config of ``seminas-supernet``.

    Attributes:
        num_measured: Architectures, drawn by the seed, that are measured at the end.
        sandwich, calibrate: As of ``evaluator=supernet``.
    """

    num_measured: int = setting(20, at_least=1, unit="architectures")
    sandwich: bool = False
    calibrate: bool = True


COMMANDS: dict[str, type[CommandSettings]] = {
    "search": SearchCommand,
    "predictor": PredictorCommand,
    "train": TrainCommand,
    "supernet": SupernetCommand,
}
"""By the name of the primary config."""

__all__ = ["BY_TARGET", "COMMANDS", "GROUPS", "SECTIONS", "CommandSettings"]
