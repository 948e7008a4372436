"""Checks of a whole config that need neither the space nor the data.

They run before a command creates a folder or computes anything.
"""

import copy
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from seminas.config.build import TARGET, bound, read, split_evaluator
from seminas.config.evaluators import EvaluatorSettings
from seminas.config.fields import Rule, Settings, nested_values, rule_of
from seminas.config.networks import NETWORKS
from seminas.config.recipe import Recipe
from seminas.config.schema import BY_TARGET, COMMANDS, SECTIONS, option_of
from seminas.config.training_evaluator import TrainingEvaluatorSettings
from seminas.errors import UserError, config_error
from seminas.storage.values import Config

_TARGETS = ("space", "strategy", "fidelity", "evaluator", "model", "data.images", "data.speech")
"""Keys of sections with a ``_target_``."""
_RATIOS = {"search": "strategy", "predictor": "model"}
"""Section with the setting ``pseudo_label_ratio``, and section whose target uses this setting."""


def checked(config: DictConfig, command: str) -> Config:
    """Return a command's config as resolved plain values with all defaults.

    Args:
        config: Composed config without the section ``hydra``.
        command: ``search``, ``predictor``, ``train`` or ``supernet``.

    Raises:
        UserError: A value has the wrong type, is out of bounds, is missing, or contradicts another value.
    """
    root = read(config, "", COMMANDS[command])
    values: Config = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # type: ignore[assignment]
    for name, value in vars(root).items():
        if not isinstance(value, Settings):
            values[name] = value  # Converted to its type; None for a group that the user did not choose.
    for key, section in _sections(values):
        target = section.get(TARGET) if isinstance(section, dict) else None
        kind = SECTIONS.get(key) or BY_TARGET.get(str(target))
        if kind is not None:
            settings = read(section, key, kind)
            _check_networks(settings, key)
        elif target is not None:
            if not str(target).startswith(
                "seminas."
            ):  # A class of the user's; ours are imported when they are needed.
                bound(split_evaluator(section)[1] if key == "evaluator" else section, key)
        elif key in _TARGETS:
            raise config_error(key, section, f"a group of keys with {TARGET}")
    for study, user in _RATIOS.items():
        if isinstance(values.get(study), dict) and isinstance(values.get(user), dict):
            _fill_ratio(values, study, user)
    _check_together(values)
    return values


def _check_networks(settings: Settings, key: str) -> None:
    """Check the network skeletons of each recipe in a section."""
    for name, nested in [("", settings), *nested_values(settings)]:
        if isinstance(nested, Recipe):
            for space, skeleton in nested.networks.items():
                if space in NETWORKS:
                    path = ".".join(filter(None, (key, name, "networks", space)))
                    read(skeleton, path, NETWORKS[space])


def _sections(values: Config) -> Iterator[tuple[str, Any]]:
    """Yield the key and the value of each section in the config."""
    for key in (*SECTIONS, *_TARGETS):
        section: Any = values
        for part in key.split("."):
            section = section.get(part) if isinstance(section, dict) else None
        if section is not None:
            yield key, section
    loggers = values.get("logger") or {}
    if not isinstance(loggers, dict):
        raise config_error("logger", loggers, "a list of loggers, such as [csv]")
    for name, section in loggers.items():
        if not isinstance(section, dict) or TARGET not in section:
            raise config_error(f"logger.{name}", section, f"a group of keys with {TARGET}")
        yield f"logger.{name}", section


def _fill_ratio(values: Config, study: str, user: str) -> None:
    """Replace a null ratio of pseudo-labels by the default of the strategy or the predictor."""
    own = getattr(BY_TARGET.get(values[user].get(TARGET, "")), "PSEUDO_LABEL_RATIO", None)
    ratio = values[study]["pseudo_label_ratio"]
    if own == 0 and ratio:
        name = values.get("names", {}).get(user, user)
        raise config_error(f"{study}.pseudo_label_ratio", ratio, f"0 or null with {user}={name}")
    if ratio is None:
        values[study]["pseudo_label_ratio"] = own


def _check_together(values: Config) -> None:
    """Refuse sections that contradict each other."""
    evaluator = str((values.get("evaluator") or {}).get(TARGET, ""))
    warm = (values.get("controller") or {}).get("warm_start")
    if warm and "strategy" in values and evaluator.endswith("supernet.SupernetEvaluator"):
        raise config_error("controller.warm_start", True, "false with an evaluator that measures again")
    if evaluator.endswith("training.TrainingEvaluator") and not values.get("data"):
        raise UserError("data: must be set with evaluator=training, such as data=digits")
    data = values.get("data") or {}
    if isinstance(data, dict) and {"images", "speech"} <= set(data):
        raise UserError("data.speech: data.images is set as well, one of them will do")
    kind = BY_TARGET.get(evaluator)
    if repeats := (values.get("search") or {}).get("repeats"):
        key, name = "search.repeats", option_of("evaluator", evaluator)
        if isinstance(kind, type) and issubclass(kind, EvaluatorSettings) and not kind.TRAINS_AGAIN:
            allowed = f"0 with evaluator={name}, which does not train an architecture again"
            raise config_error(key, repeats, allowed)
        if values.get("fidelity"):
            chosen = option_of("fidelity", dict(values["fidelity"]).get(TARGET))
            raise config_error(key, repeats, f"0 with fidelity={chosen}")
    if kind is TrainingEvaluatorSettings and isinstance(data, dict) and isinstance(data.get("recipe"), dict):
        settings = read(values["evaluator"], "evaluator", TrainingEvaluatorSettings)
        levels = settings.levels(read(data["recipe"], "data.recipe", Recipe))
        if values.get("fidelity") and len(levels) < 2:
            chosen = option_of("fidelity", dict(values["fidelity"]).get(TARGET))
            if settings.fidelities is None:
                raise config_error("data.recipe.epochs", levels[-1], f"at least 2 with fidelity={chosen}")
            raise config_error("evaluator.fidelities", list(levels), f"two or more with fidelity={chosen}")


def changed_keys(old: Config, new: Config) -> list[str]:
    """Return the sorted dotted keys whose values differ between two configs. Keys with ``may_change`` are left out."""
    before, after = flat(old), flat(new)
    keys = sorted({*before, *after})
    return [k for k in keys if before.get(k) != after.get(k) and not rule_at(new, k).may_change]


def with_kept(old: Config, new: Config) -> Config:
    """Return a new config in which settings with ``stays`` have their old value in place of null."""
    kept = copy.deepcopy(new)
    before = flat(old)
    for key, value in flat(new).items():
        if value is None and before.get(key) is not None and rule_at(new, key).stays:
            *sections, name = key.split(".")
            section = kept
            for part in sections:
                section = section[part]
            section[name] = before[key]
    return kept


def rule_at(config: Config, key: str) -> Rule:
    """Return the rule of the setting at a dotted key. For an unknown setting, return a rule without bounds."""
    kind: type[Settings] | None = None
    rule = Rule()
    section: Any = config
    parts = key.split(".")
    root = {name: f for c in COMMANDS.values() for name, f in c.__dataclass_fields__.items()}
    for depth, part in enumerate(parts):
        fields = root if depth == 0 else {} if kind is None else kind.__dataclass_fields__
        if part in fields:
            rule = rule_of(fields[part])
            if rule.may_change:
                return rule
        section = section.get(part) if isinstance(section, dict) else None
        path = ".".join(parts[: depth + 1])
        nested = fields[part].default_factory if part in fields else None
        target = section.get(TARGET) if isinstance(section, dict) else None
        if path in SECTIONS:
            kind = SECTIONS[path]
        elif isinstance(target, str):
            kind = BY_TARGET.get(target, EvaluatorSettings if path == "evaluator" else None)
        elif isinstance(nested, type) and issubclass(nested, Settings):
            kind = nested
        elif isinstance(section, dict):
            kind = None
    return rule


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Return the values of nested dictionaries by dotted key. Empty dictionaries are left out."""
    if not isinstance(node, dict):
        return {prefix.removesuffix("."): node}
    return {k: v for key, value in node.items() for k, v in flat(value, f"{prefix}{key}.").items()}


def without_hydra(config: DictConfig) -> DictConfig:
    """Return a copy of a composed config without the section ``hydra``."""
    config = config.copy()
    with open_dict(config):
        config.pop("hydra", None)
    return config
