"""Mapping from sections of the config to their settings classes, by key or by ``_target_``, and configs of commands."""

from dataclasses import dataclass, fields
from typing import Any

from seminas.config.controller import ControllerSettings
from seminas.config.data import Cifar10Settings, DigitsSettings, FolderSettings, ShardSettings
from seminas.config.evaluators import (
    EvaluatorSettings,
    LandscapeSettings,
    ProxyEvaluatorSettings,
    SupernetEvaluatorSettings,
    TableSettings,
)
from seminas.config.fidelities import ControllerFidelitySettings, HalvingSettings, HyperbandSettings
from seminas.config.fields import Settings, setting
from seminas.config.loggers import CSVSettings, MLflowSettings, TensorBoardSettings, WandBSettings
from seminas.config.own_training import CommandEvaluatorSettings, LightningEvaluatorSettings
from seminas.config.predictors import (
    ControllerPredictorSettings,
    NAOPredictorSettings,
    PredictorSettings,
    ScikitPredictorSettings,
)
from seminas.config.proxies import ProxySettings
from seminas.config.recipe import Recipe
from seminas.config.search import SearchSettings
from seminas.config.spaces import MobileNetSettings, SequenceSettings, TTSSettings
from seminas.config.speech import EspeakSettings, LJSpeechSettings
from seminas.config.strategies import (
    BananasSettings,
    EvolutionSettings,
    GaussianProcessSettings,
    LocalSearchSettings,
    NAOSettings,
    SemiNASEvolutionSettings,
    SemiNASSettings,
)
from seminas.config.trainer import TrainerSettings, check_sandwich
from seminas.config.training_evaluator import TrainingEvaluatorSettings

SECTIONS: dict[str, type[Settings]] = {
    "search": SearchSettings,
    "predictor": PredictorSettings,
    "controller": ControllerSettings,
    "proxies": ProxySettings,
    "data.recipe": Recipe,
    "recipe": Recipe,
    "trainer": TrainerSettings,
}
"""Settings class of each section without a ``_target_``, by the section's key."""

GROUPS: dict[str, dict[str, type[Settings]]] = {
    "space": {
        "sequence": SequenceSettings,
        "mobilenet": MobileNetSettings,
        "tts": TTSSettings,
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
    "fidelity": {
        "controller": ControllerFidelitySettings,
        "halving": HalvingSettings,
        "hyperband": HyperbandSettings,
    },
    "evaluator": {
        "table": TableSettings,
        "landscape": LandscapeSettings,
        "proxy": ProxyEvaluatorSettings,
        "training": TrainingEvaluatorSettings,
        "supernet": SupernetEvaluatorSettings,
        "lightning": LightningEvaluatorSettings,
        "command": CommandEvaluatorSettings,
    },
    "images": {
        "digits": DigitsSettings,
        "cifar10": Cifar10Settings,
        "folder": FolderSettings,
        "shards": ShardSettings,
    },
    "speech": {
        "ljspeech": LJSpeechSettings,
        "espeak": EspeakSettings,
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
"""Settings classes of sections with a ``_target_``, by group and name.

A YAML file refers to a class as ``/settings/GROUP/NAME``.
"""

EVERY_EVALUATOR = {f.name: f.default for f in fields(EvaluatorSettings)}
"""Defaults of the settings that every evaluator has."""

BY_TARGET: dict[str, type[Settings]] = {
    str(kind.__dataclass_fields__["_target_"].default): kind
    for group in GROUPS.values()
    for kind in group.values()
}
"""Settings class of each ``_target_``."""


def option_of(group: str, target: object) -> str:
    """Return the name of the option of a group with a ``_target_``. A class of the user's has its own name."""
    kind = BY_TARGET.get(str(target))
    names = (name for name, of_option in GROUPS[group].items() if of_option is kind)
    return next(names, str(target).rpartition(".")[2])


@dataclass
class CommandSettings(Settings):
    """Top-level settings of all commands.

    Attributes:
        seed: Seed of all random numbers.
        names: Name of the chosen option of each config group, for reports.
        space: Search space.
        logger: Loggers of metrics, by name. Null means no logger.
    """

    seed: int = setting(0, at_least=0)
    names: dict[str, str] = setting({}, may_change=True)
    space: Any = setting(None)
    logger: Any = setting(None, may_change=True)


@dataclass
class ControllerCommand(CommandSettings):
    """Top-level settings of the commands with a controller.

    Attributes:
        evaluator: Evaluator that returns the accuracies of architectures.
        controller: Settings of the controller.
        proxies: Zero-cost proxies that models read beside the features of a space. Null means no proxies.
    """

    evaluator: Any = setting(None)
    controller: ControllerSettings = setting(ControllerSettings)
    proxies: Any = setting(None)


@dataclass
class SearchCommand(ControllerCommand):
    """Config of ``seminas-search``.

    The strategy proposes architectures, and the evaluator measures them.

    Attributes:
        strategy: Search strategy that proposes architectures.
        fidelity: Scheduler of short trainings, of which the best go on. Null means that all trainings are full.
        data: Images or speech, and the recipe, for evaluators that train networks. Null means no data.
        search: Numbers of evaluations and rounds.
    """

    strategy: Any = setting(None)
    fidelity: Any = setting(None)
    data: Any = setting(None)
    search: SearchSettings = setting(SearchSettings)


@dataclass
class PredictorCommand(ControllerCommand):
    """Config of ``seminas-predictor``.

    The predictor ranks the architectures of a table.

    Attributes:
        model: Predictor to measure.
        predictor: Numbers of labels and pseudo-labels.
    """

    model: Any = setting(None)
    predictor: PredictorSettings = setting(PredictorSettings)


@dataclass
class TrainingCommand(CommandSettings):
    """Top-level settings of the commands that train networks.

    Attributes:
        trainer: Settings of Lightning's trainer and its devices.
        recipe: Settings of the optimizer, the schedule and the augmentation.
        data: Images or speech, and their default recipe.
    """

    trainer: TrainerSettings = setting(TrainerSettings)
    recipe: Recipe = setting(Recipe)
    data: Any = setting(None)


@dataclass
class TrainCommand(TrainingCommand):
    """Config of ``seminas-train``.

    Attributes:
        architecture: Architecture to train, in a form that ``seminas arch show`` reads. Null means the architecture of
            ``architecture_from``. If both are null, the seed draws a random architecture.
        architecture_from: Run folder of a search, whose best architecture is trained, or file with an architecture.
        export: Formats of the exported network in addition to ``network.json``: ``safetensors``, ``onnx``.
    """

    architecture: Any = setting(None)
    architecture_from: str | None = setting(None)
    export: list[str] = setting(
        ["safetensors"], choices=("safetensors", "onnx"), distinct=True, may_change=True
    )


@dataclass
class SupernetCommand(TrainingCommand):
    """Config of ``seminas-supernet``.

    Attributes:
        num_measured: Number of random architectures that are measured after the training.
        sandwich: Whether the first batch of each optimizer step trains the largest network, and the second batch the
            smallest one. Other architectures are trained only with ``trainer.accumulate_grad_batches`` of at least 3.
        calibrate: Whether BatchNorm statistics are estimated for each architecture before it is measured.
    """

    num_measured: int = setting(20, at_least=1, unit="architectures")
    sandwich: bool = False
    calibrate: bool = True

    def check_together(self, key: str) -> None:
        """Refuse too few batches in a step for the sandwich rule."""
        check_sandwich(self.sandwich, self.trainer, "trainer")


COMMANDS: dict[str, type[CommandSettings]] = {
    "search": SearchCommand,
    "predictor": PredictorCommand,
    "train": TrainCommand,
    "supernet": SupernetCommand,
}
"""Config of each command, by the name of its primary config file."""

__all__ = ["BY_TARGET", "COMMANDS", "EVERY_EVALUATOR", "GROUPS", "SECTIONS", "CommandSettings", "option_of"]
