"""Evaluator that trains a user's own LightningModule."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seminas.config.own_training import LightningEvaluatorSettings
from seminas.errors import UserError, config_error, first_line
from seminas.evaluators.lightning_trial import OURS, LightningTrial
from seminas.evaluators.own_training import OwnTrainingEvaluator, Reported
from seminas.evaluators.training import TRAININGS
from seminas.evaluators.values import conditional_names, value_names
from seminas.spaces.base import A, SearchSpace
from seminas.spaces.cost import count_parameters


class LightningEvaluator(OwnTrainingEvaluator[A]):
    """Evaluator that trains a user's own LightningModule on a user's own LightningDataModule.

    The keyword arguments of the module are the positions of a chain of choices, or ``architecture``, the JSON form of
    the architecture. All trainings have the seed of the run. So data that are split at random are split alike.
    """

    def __init__(
        self,
        space: SearchSpace[A],
        seed: int,
        settings: LightningEvaluatorSettings,
        folder: Path | None = None,
    ) -> None:
        """Initialize the evaluator. The worker processes start with the first evaluations.

        Args:
            space: Search space.
            seed: Seed of the trainings.
            settings: Classes, their arguments, the metric, and settings of the engine.
            folder: Run folder, for checkpoints of unfinished trainings and for the files of Slurm jobs. None means no
                checkpoints. ``engine=slurm`` needs it.

        Raises:
            UserError: A class cannot be imported, is of another kind, or does not take the arguments. Or Lightning
                refuses the arguments of its Trainer. Or the engine cannot start.
        """
        from seminas.training.twins import lightning_of, users_class

        module = users_class("module", settings.module, "LightningModule")
        data = users_class("data", settings.data, "LightningDataModule")
        packages = [lightning_of(target).__name__ for target in (data, module)]
        if packages[0] != packages[1]:
            of_both = "derives from {}, and evaluator.module from {}".format(*packages)
            raise UserError(f"evaluator.data={settings.data}: {of_both}; import one of the packages in both")
        names, conditional = value_names(space), conditional_names(space)
        further = settings.module_arguments or {}
        for name in names:
            if name in further:
                value = further[name]
                raise config_error(
                    f"evaluator.module_arguments.{name}", value, "left out, it is a position of the space"
                )
        _check_arguments("module", settings.module, module, names, further, conditional)
        _check_arguments("data", settings.data, data, (), settings.data_arguments or {})
        metrics = Reported("monitor", settings.monitor, settings)
        checkpoints = None if folder is None else folder.absolute() / TRAININGS
        self._trial = LightningTrial(space, seed, settings, metrics, checkpoints)
        _check_trainer(self._trial, settings)
        super().__init__(self._trial, metrics, settings, folder)

    def num_parameters(self, architecture: A) -> int | None:
        """Return the number of trainable parameters of an architecture's module, or None if it cannot be built here."""
        try:
            return count_parameters(self._trial.module(architecture))
        except Exception:  # The user's class may raise anything. The report then has no number.
            return None


def _check_arguments(
    setting: str,
    class_name: str,
    target: type[Any],
    names: tuple[str, ...],
    further: Mapping[str, Any],
    conditional: tuple[str, ...] = (),
) -> None:
    """Check that a class takes its arguments.

    Args:
        setting: Name of the setting with the class, ``module`` or ``data``.
        class_name: Value of this setting.
        target: The class.
        names: Names of the values of an architecture.
        further: Arguments from the config.
        conditional: Those of ``names`` that are not always there.

    Raises:
        UserError: The class does not take an argument, or needs another one.
    """
    parameters = inspect.signature(target).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    by_name = {n: p for n, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    key, known = f"evaluator.{setting}={class_name}", ", ".join(by_name) or "no arguments"
    for name in names:
        if name not in by_name and not takes_any:
            raise UserError(f"{key}: does not take the argument {name} of the space, it takes {known}")
    for name in further:
        if name not in by_name and not takes_any:
            raise UserError(f"evaluator.{setting}_arguments.{name}: is unknown, {class_name} takes {known}")
    for name in conditional:
        if name in by_name and by_name[name].default is inspect.Parameter.empty:
            raise UserError(
                f"{key}: its argument {name} needs a default, because the position does not always count"
            )
    given = {*names, *further} & by_name.keys()
    for name, parameter in parameters.items():
        is_variable = parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        if parameter.default is inspect.Parameter.empty and not is_variable and name not in given:
            raise UserError(f"{key}: needs the argument {name}; evaluator.{setting}_arguments can give it")


def _check_trainer(trial: LightningTrial, settings: LightningEvaluatorSettings) -> None:
    """Check that Lightning's Trainer takes its arguments.

    Raises:
        UserError: It does not, or an argument is one that seminas sets.
    """
    known = inspect.signature(trial.package().Trainer).parameters
    for name, value in (settings.trainer_arguments or {}).items():
        if name in OURS:
            raise config_error(f"evaluator.trainer_arguments.{name}", value, "left out, seminas sets it")
        if name not in known:
            raise UserError(f"evaluator.trainer_arguments.{name}: is unknown to Lightning's Trainer")
    try:
        trial.check_trainer()
    except Exception as error:  # Lightning raises exceptions of many types.
        raise UserError(f"evaluator.trainer_arguments: {first_line(error)}") from error
