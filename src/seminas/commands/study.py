"""``seminas.Study``: ask and tell from Python, for people with a loop of their own."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from omegaconf import open_dict

from seminas.commands.api import PathLike, as_overrides, composed
from seminas.config.build import TARGET, build_section, plain, read, read_section
from seminas.config.check import checked
from seminas.config.controller import ControllerSettings
from seminas.config.fields import Settings
from seminas.config.schema import BY_TARGET
from seminas.errors import UserError, config_error
from seminas.loop.objectives import all_metrics, make_goals
from seminas.loop.study import AskTell
from seminas.runs.folder import RunFolder
from seminas.runs.metric import ACCURACY, Metric, check_metrics, metrics_section
from seminas.spaces.base import A, EnumerableSpace, SearchSpace
from seminas.spaces.dictionary import DictionarySpace
from seminas.spaces.exact import exact_costs
from seminas.spaces.sequence import SequenceSpace
from seminas.storage.values import Config, Json
from seminas.strategies.base import Strategy

NAME = "study"
"""Name of the evaluator in the config of a study."""


class Study(AskTell[A]):
    """A search that your own loop runs: ``ask`` gives architectures, and ``tell`` takes their values.

    With a folder, a study survives a kill. A new ``Study`` with the same arguments continues it. Without a folder, a
    study leaves nothing on disk. Use a study in one thread. A ``with`` statement closes it.
    """

    _section: ClassVar[str] = ""
    """Section of the arguments in errors. They are no settings of a section, unless a subclass says so."""

    def __init__(
        self,
        space: SearchSpace[A] | str | Mapping[str, Json],
        strategy: Strategy[A] | str = "seminas",
        seed: int = 0,
        folder: PathLike | None = None,
        metric: Metric | str = ACCURACY,
        direction: str | None = None,
        metrics: Sequence[Metric] = (),
        objectives: Sequence[str] | None = None,
        reference: Mapping[str, float] | None = None,
        settings: Mapping[str, Json] | None = None,
    ) -> None:
        """Begin a study, or continue the study in a folder.

        Args:
            space: A space, the name of a config in ``conf/space`` such as ``nasbench101``, or a dictionary. The
                dictionary maps the name of each position to its choices: ``{"kernel": [3, 5], "width": [16, 32]}``, or
                to a mapping, as in YAML: ``{"rate": {"low": 1e-4, "high": 0.1, "log": True}}``.
            strategy: The name of a config in ``conf/strategy``, or a new strategy for the space.
            seed: Seed of all random numbers. If ``strategy`` is an object, its own seed counts.
            folder: Folder of the study. ``seminas status`` and ``seminas report`` read it. None means memory only.
            metric: Metric that the study optimizes, or its name. The default is the validation accuracy, a fraction.
            direction: ``maximize`` or ``minimize``, if ``metric`` is a name.
            metrics: Further metrics that ``tell`` takes.
            objectives: Names of several objectives: ``metric``, and some of ``metrics`` and of the exact costs that the
                space states (``macs``, ``parameters``, ``latency_ms``). None means ``metric`` alone.
            reference: Values of the objectives at the reference point of the hypervolume, see ``search.reference``.
            settings: Settings of the strategy, if ``strategy`` is a name: ``{"pool": 1000}``, as ``strategy.pool=1000``
                of ``seminas-search``. Others have their defaults.

        Raises:
            UserError: An argument is not valid, the folder belongs to another space, strategy, seed or metric, another
                process holds the folder, or it cannot be written.
        """
        objective = _metric(metric, direction)
        check_metrics(objective, metrics)
        config = _config(space, strategy, seed, settings, f"{self._section}settings")
        candidates: SearchSpace[A] = _space(space, config)
        costs, key = exact_costs(candidates), f"{self._section}objectives"
        goals = make_goals(objectives, reference or {}, candidates, objective, metrics, costs, key)
        config |= metrics_section(objective, all_metrics(metrics, goals))
        if goals is not None:
            config["search"] |= {
                "objectives": list(goals.objectives.names),
                "reference": dict(reference or {}),
            }
        chosen: Strategy[A] = _strategy(strategy, candidates, config)
        if isinstance(candidates, DictionarySpace):
            config["space"] = candidates.section()
        elif folder is not None and not isinstance(space, str):
            config["space"] = _recorded_space(candidates)
        choices: Any = candidates.choices if isinstance(candidates, SequenceSpace) else lambda _: {}
        super().__init__(
            candidates,
            chosen,
            config,
            None if folder is None else RunFolder(Path(folder)),
            choices,
            objective,
            metrics,
            goals,
        )

    def __enter__(self) -> "Study[A]":
        return self


def _metric(metric: Metric | str, direction: str | None) -> Metric:
    """Return the metric that the user gave.

    Raises:
        UserError: The name or the direction is not valid or missing, or a metric has a second direction.
    """
    if not isinstance(metric, str):
        if direction is not None:
            raise config_error("direction", repr(direction), "None where the metric is no name")
        return metric
    if metric == ACCURACY.name and direction in (None, ACCURACY.direction):
        return ACCURACY
    return Metric(metric, direction)  # type: ignore[arg-type]  # None is an error of one line.


def strategy_maker(
    name: str, seed: int, settings: Mapping[str, Json] | None = None
) -> Callable[[SearchSpace[A]], Strategy[A]]:
    """Return a function that makes a strategy for a space. The function may be pickled.

    Args:
        name: Name of a config in ``conf/strategy``.
        seed: Seed of all random numbers.
        settings: Settings of the strategy. Others have their defaults.

    Raises:
        UserError: The name is unknown, or the seed or a setting is not valid.
    """
    return partial(_strategy, name, config=_config(None, name, seed, settings, "settings"))


def _config(
    space: object, strategy: object, seed: int, settings: Mapping[str, Json] | None, key: str
) -> Config:
    """Return the checked config of a study. Its sections ``space`` and ``strategy`` are those of the given names.

    Args:
        space: Name of a space. Others have no section.
        strategy: Name of a strategy, or a strategy.
        seed: Seed of all random numbers.
        settings: Settings of a named strategy, or None.
        key: Name of these settings, for errors.

    Raises:
        UserError: A name is unknown, or the seed or a setting is not valid.
    """
    if isinstance(strategy, Strategy):
        if settings is not None:
            raise config_error(key, dict(settings), "None with a strategy that is made already")
        if seed not in (0, strategy.seed):
            raise config_error("seed", seed, f"{strategy.seed}, the seed of the strategy")
        seed = strategy.seed
    named = {n: v for n, v in (("space", space), ("strategy", strategy)) if isinstance(v, str)}
    with composed("search", as_overrides({"seed": seed, **named}), None) as (config, _):
        with open_dict(config):
            config.evaluator, config.data, config.names.evaluator = None, None, NAME
            if settings is not None:
                config.strategy = _with_settings(config.strategy, str(strategy), settings, key)
        values = checked(config, "search")
    return {**values, "evaluator": {}}  # Reports need the section.


def _with_settings(section: Any, name: str, settings: object, key: str) -> Config:
    """Return the section of a named strategy with other values of some settings.

    Raises:
        UserError: The strategy has no such setting, or a value is not valid.
    """
    if not isinstance(settings, Mapping) or not all(isinstance(setting, str) for setting in settings):
        raise config_error(key, repr(settings), "a mapping from settings of the strategy to values")
    values = plain(section, "strategy")
    kind = BY_TARGET.get(str(values[TARGET]))
    for setting in settings:
        if kind is None or setting == TARGET:
            reason = f"strategy={name} has no settings" if kind is None else "name another strategy"
            raise UserError(f"{key}.{setting}: is unknown; {reason}")
    return values if kind is None else vars(read({**values, **settings}, key, kind))


def _space(space: object, config: Config) -> Any:
    """Return the space that the user gave, and write its name into the config.

    Raises:
        UserError: It is no space, or it cannot be made.
    """
    if isinstance(space, str):
        return build_section(config, "space", SearchSpace)
    if isinstance(space, Mapping):
        space = DictionarySpace(space)
    if not isinstance(space, SearchSpace):
        raise config_error("space", repr(space), "a SearchSpace, a name, or a dictionary of choices")
    config["names"]["space"] = space.name
    return space


def _recorded_space(space: SearchSpace[Any]) -> Config:
    """Return the section of a config that identifies a space, whose arguments are not known."""
    fingerprint = None
    if isinstance(space, EnumerableSpace):
        with suppress(UserError):  # It is too large to list.
            fingerprint = space.fingerprint()
    sizes: Config = {"name": space.name, "size": space.size, "max_length": space.max_length}
    return {"class": _name_of(space), **sizes, "num_tokens": space.num_tokens, "fingerprint": fingerprint}


def _strategy(strategy: object, space: SearchSpace[Any], config: Config) -> Any:
    """Return the strategy that the user gave, and write it into the config if it is an object.

    Raises:
        UserError: It is no strategy, cannot be made, has been used, or is not for this space.
    """
    if isinstance(strategy, str):
        ratio = config["search"]["pseudo_label_ratio"]
        context = {"space": space, "seed": config["seed"], "pseudo_label_ratio": ratio}
        context["controller"] = read_section(config, "controller", ControllerSettings)
        return build_section(config, "strategy", Strategy, **context)
    if not isinstance(strategy, Strategy):
        raise config_error("strategy", repr(strategy), "a Strategy or a name")
    if strategy.space is not space:
        raise UserError("strategy: its space must be the space of the study, the same object")
    if strategy.sizes is not None or strategy.told or strategy.recent:
        raise UserError("strategy: has been used; make a new one for each study")
    config["names"]["strategy"] = type(strategy).__name__
    config["strategy"] = {TARGET: _name_of(strategy), "attributes": _plain_attributes(strategy)}
    config["controller"] = config["search"]["pseudo_label_ratio"] = None
    return strategy


def _plain_attributes(strategy: Strategy[Any]) -> Config:
    """Return the public attributes of a new strategy that are settings, numbers, texts or truth values."""
    attributes: Config = {}
    for name, value in vars(strategy).items():
        if isinstance(value, Settings):
            attributes[name] = asdict(value)
        elif isinstance(value, str | int | float) and not name.startswith("_"):
            attributes[name] = value
    return attributes


def _name_of(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
