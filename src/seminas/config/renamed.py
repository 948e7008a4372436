"""Conversion of configs of version 0.1: new names of keys and targets."""

import copy
from collections.abc import Mapping
from typing import Any

from seminas.config.controller import ControllerSettings
from seminas.config.strategies import SOURCES
from seminas.storage.values import Config

RENAMED = {
    "controller.encoder": "controller.encoder.kind",
    "controller.hidden": "controller.encoder.hidden",
    "controller.layers": "controller.encoder.layers",
    "controller.dropout": "controller.encoder.dropout",
    "controller.predictor": "controller.head.widths",
    "controller.sigmoid": "controller.head.sigmoid",
    "controller.members": "controller.teachers.members",
    "controller.forest": "controller.teachers.forest",
    "controller.labeled_steps": "controller.teachers.steps",
    "controller.labeled_epochs": "controller.teachers.epochs",
    "controller.held_out": "controller.teachers.held_out",
    "controller.patience": "controller.teachers.patience",
    "controller.pseudo_steps": "controller.student.steps",
    "controller.pseudo_epochs": "controller.student.epochs",
    "controller.upsampling": "controller.student.upsampling",
    "controller.targets": "controller.targets.kind",
    "controller.tradeoff": "controller.targets.tradeoff",
    "controller.optimizer": "controller.optimisation.optimizer",
    "controller.schedule": "controller.optimisation.schedule",
    "controller.learning_rate": "controller.optimisation.learning_rate",
    "controller.weight_decay": "controller.optimisation.weight_decay",
    "controller.gradient_clip": "controller.optimisation.gradient_clip",
    "controller.batch_size": "controller.optimisation.batch_size",
    "controller.whole_batches": "controller.optimisation.whole_batches",
    "controller.decoder_batch_size": "controller.optimisation.decoder_batch_size",
    "evaluator.cost": "evaluator.seconds",
    "strategy.controller": "controller",
    "strategy.pseudo_label_ratio": "search.pseudo_label_ratio",
    "model.settings": "controller",
    "model.pseudo_label_ratio": "predictor.pseudo_label_ratio",
}
"""New key of each renamed key of version 0.1."""

TARGETS = {
    "seminas.training.data.digits": "seminas.training.data.memory.digits",
    "seminas.training.data.cifar10": "seminas.training.data.memory.cifar10",
    "seminas.training.folder.image_folder": "seminas.training.data.folder.image_folder",
    "seminas.training.shards.image_shards": "seminas.training.data.shards.image_shards",
    "seminas.loggers.WandB": "seminas.runs.wandb.WandB",
}
"""New name of each renamed target of version 0.1."""
_SETTINGS = (
    "seminas.controller.ControllerSettings",
    "seminas.training.classifier.Recipe",
    "seminas.evaluators.engines.RaySettings",
)
"""Targets of version 0.1 that are settings without a ``_target_`` now."""
_RECIPE: Config = {
    "per_batch": None,
    "schedule": "one_cycle",
    "gamma": 0.97,
    "decay_share": 0.2,
    "warmup_epochs": 0.0,
    "warmup_steps": 4000,
    "momentum": 0.9,
    "nesterov": True,
    "decay_norms": True,
    "label_smoothing": 0.0,
    "mixup": 0.0,
    "ema": 0.0,
    "gradient_clip": None,
    "augmentation": "paper",
    "channels_last": None,
    "compile": False,
}
"""Default recipe of version 0.1, which its configs left out."""
_NETWORKS: dict[str, Config] = {
    "nasbench101": {
        "stem_channels": 128,
        "num_stacks": 3,
        "cells_per_stack": 3,
        "batch_norm_momentum": 0.003,
    },
    "nasbench201": {"channels": 16, "cells_per_stage": 5, "num_stages": 3},
    "mobilenet": {"dropout": 0.0},
    "tts": {"dropout": 0.1, "prenet_dropout": 0.5},
}
"""Default skeletons of version 0.1, which its configs left out."""
_WITH_PSEUDO_LABELS = (
    "seminas.strategies.seminas.SemiNAS",
    "seminas.strategies.seminas_evolution.SemiNASEvolution",
)


_NEW_IN_CONTROLLER = ("device", "gpu_from")
"""Settings of the controller that version 0.1 did not have. Their defaults compute as it did."""
_NEW_IN_STRATEGIES: tuple[tuple[str, str, Any], ...] = (
    ("favorites", "improvement", 0.0),
    ("favorites", "sources", list(SOURCES)),
    ("max_candidates", "random_share", 1.0),
)
"""A setting by which a strategy is known, and a setting that it did not have in version 0.1, with its value then."""


def todays(config: Mapping[str, Any]) -> Config:
    """Return a resolved config in the current form. A config in the current form stays the same."""
    result: Config = _targets(copy.deepcopy(dict(config)))
    controller = result.get("controller")
    if isinstance(controller, dict) and not isinstance(controller.get("encoder"), Mapping):
        result["controller"] = {}
        for name, value in controller.items():
            _set(result, RENAMED.get(f"controller.{name}", f"controller.{name}"), value)
    if isinstance(result.get("controller"), dict):
        for name in _NEW_IN_CONTROLLER:
            result["controller"].setdefault(name, getattr(ControllerSettings(), name))
        if isinstance(teachers := result["controller"].get("teachers"), dict):
            teachers.setdefault("gaussian_process", 0.0)
    if isinstance(result.get("search"), dict):
        result["search"].setdefault("repeats", 0)
    strategy, model = result.get("strategy"), result.get("model")
    for section, settings, study in ((strategy, "controller", "search"), (model, "settings", "predictor")):
        if isinstance(section, dict) and "pseudo_label_ratio" in section:
            ratio = section.pop("pseudo_label_ratio")
            section.pop(settings, None)
            result[study]["pseudo_label_ratio"] = ratio
            if not ratio:
                section["_target_"] = {
                    "seminas.strategies.seminas.SemiNAS": "seminas.strategies.seminas.NAO",
                    "seminas.regressors.ControllerRegressor": "seminas.predictors.controller.NAOPredictor",
                }.get(section["_target_"], section["_target_"])
    if isinstance(strategy, dict) and not _uses_pseudo_labels(strategy) and "search" in result:
        result["search"]["pseudo_label_ratio"] = None
    if isinstance(strategy, dict):
        for known, name, value in _NEW_IN_STRATEGIES:
            if known in strategy:
                strategy.setdefault(name, value)
    if isinstance(model, dict):
        _predictor(result, model)
    evaluator = result.get("evaluator")
    if isinstance(evaluator, dict) and str(evaluator.get("_target_", "")).startswith("seminas.evaluators."):
        mirrored = ("data", "images") if "round_steps" in evaluator else ("data", "recipe", "images")
        for name in mirrored:
            if not isinstance(evaluator.get(name), str):  # Today evaluator.data is the name of a class.
                evaluator.pop(name, None)
        if "repeat" in evaluator:  # A table.
            evaluator.setdefault("seconds", evaluator.pop("cost", None))
            evaluator.setdefault("num_workers", 1)
    images = result.get("data", {}).get("images") if isinstance(result.get("data"), dict) else None
    if isinstance(images, dict):
        images.pop("_partial_", None)
        if images.get("_target_") == "seminas.training.data.folder.image_folder":
            images.setdefault("stratify", False)
    return result


def _predictor(config: Config, model: Config) -> None:
    """Convert the section ``model`` of a predictor study in place."""
    if model.get("_target_") == "seminas.regressors.ControllerRegressor":
        model["_target_"] = "seminas.predictors.controller.ControllerPredictor"
    if model.get("_target_") == "seminas.regressors.ScikitRegressor":
        regressor = dict(model.get("estimator", {}))
        name = regressor.pop("_target_", None)
        regressor.pop("_partial_", None)
        config["model"] = {
            "_target_": "seminas.predictors.scikit.ScikitPredictor",
            "regressor": name,
            "arguments": regressor,
        }
        config["predictor"]["pseudo_label_ratio"] = None


def _uses_pseudo_labels(strategy: Mapping[str, Any]) -> bool:
    return strategy.get("_target_") in (*_WITH_PSEUDO_LABELS, "seminas.strategies.seminas.NAO")


def _targets(node: Any) -> Any:
    """Return a node with the current names of targets. Settings lose their ``_target_``."""
    if isinstance(node, list):
        return [_targets(item) for item in node]
    if not isinstance(node, dict):
        return node
    result = {name: _targets(value) for name, value in node.items()}
    target = result.get("_target_")
    if target in _SETTINGS:
        del result["_target_"]
        if target == "seminas.training.classifier.Recipe":
            result = {**_RECIPE, **result}
            skeletons = result.get("networks") or {}
            result["networks"] = {
                **skeletons,
                **{n: {**v, **skeletons.get(n, {})} for n, v in _NETWORKS.items()},
            }
    elif target in TARGETS:
        result["_target_"] = TARGETS[target]
    return result


def _set(config: Config, key: str, value: Any) -> None:
    """Set the value at a dotted key, and create missing sections."""
    *sections, name = key.split(".")
    for section in sections:
        config = config.setdefault(section, {})
    config[name] = value
