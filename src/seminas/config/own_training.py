"""Settings of evaluators that run a user's own training."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from omegaconf import MISSING

from seminas.config.evaluators import EngineSettings
from seminas.config.fields import check_group, setting
from seminas.errors import UserError, config_error

MODES = ("max", "min")
"""Directions of a metric."""


@dataclass
class OwnTrainingSettings(EngineSettings):
    """The settings of evaluators that run a user's own training.

    Attributes:
        mode: ``max`` if higher values of the metric are better, or ``min``.
        unit: Unit of the metric, such as ``nats``. ``fraction`` means numbers from 0 to 1. Null means no unit.
        metrics: Further metrics to record, each with ``max`` or ``min``, such as ``{val_loss: min}``, or with a mode
            and a unit, such as ``{latency: {mode: min, unit: ms}}``. Null means none.
    """

    mode: str = setting(MISSING, choices=MODES)
    unit: str | None = setting(None)
    metrics: Any = setting(None)

    def check_together(self, key: str) -> None:
        """Refuse further metrics that are no names with modes."""
        super().check_together(key)
        check_group(f"{key}.metrics", self.metrics)
        for name, declared in (self.metrics or {}).items():
            _mode_and_unit(declared, f"{key}.metrics.{name}")

    def further(self) -> dict[str, tuple[str, str | None]]:
        """Return the mode and the unit of each further metric."""
        return {name: _mode_and_unit(declared, name) for name, declared in (self.metrics or {}).items()}


def _mode_and_unit(declared: object, key: str) -> tuple[str, str | None]:
    """Return the mode and the unit of a further metric.

    Args:
        declared: The mode, or a mapping with ``mode`` and perhaps ``unit``.
        key: Dotted key of the metric, for errors.

    Raises:
        UserError: The mode or the unit is not valid, or there is another key.
    """
    has_keys = isinstance(declared, Mapping)
    values: Mapping[Any, Any] = declared if isinstance(declared, Mapping) else {"mode": declared}
    for name in values:
        if name not in ("mode", "unit"):
            raise UserError(f"{key}.{name}: is unknown, a metric has mode and unit")
    mode, unit = values.get("mode"), values.get("unit")
    if mode not in MODES:
        raise config_error(f"{key}.mode" if has_keys else key, mode, f"one of {', '.join(MODES)}")
    if unit is not None and not (isinstance(unit, str) and unit.strip()):
        raise config_error(f"{key}.unit", unit, "a text, or null")
    return str(mode), unit


@dataclass
class LightningEvaluatorSettings(OwnTrainingSettings):
    """Training of a user's own LightningModule on the data of a user's own LightningDataModule.

    Attributes:
        module: Full name of the LightningModule, such as ``my_package.MyModule``. It is imported from the working
            folder or an installed package. Its keyword arguments are the positions of a chain of choices. For other
            spaces it has one keyword argument, ``architecture``: the JSON form of the architecture.
        module_arguments: Further keyword arguments of the module, such as ``{hidden: 64}``.
        data: Full name of the LightningDataModule.
        data_arguments: Keyword arguments of the data module, such as ``{batch_size: 64}``.
        monitor: Metric that the module logs, such as ``val_acc``. The evaluation is its best value at the end of an
            epoch.
        max_epochs: Number of epochs.
        trainer_arguments: Further arguments of Lightning's Trainer, such as ``{gradient_clip_val: 1.0}``.
        patience: Number of epochs without a better value of ``monitor`` after which a training ends. Null means that
            each training has all epochs.
        checkpoint_every_s: Smallest time between two checkpoints of a training, in seconds. They are written at the end
            of an epoch. A training that was killed or preempted continues from its checkpoint.
    """

    KEY: ClassVar[str] = "evaluator"

    _target_: str = "seminas.evaluators.lightning.LightningEvaluator"
    module: str = setting(MISSING)
    module_arguments: Any = setting(None)
    data: str = setting(MISSING)
    data_arguments: Any = setting(None)
    monitor: str = setting(MISSING)
    max_epochs: int = setting(MISSING, at_least=1, unit="epochs")
    trainer_arguments: Any = setting(None)
    patience: int | None = setting(None, at_least=1, unit="epochs")
    checkpoint_every_s: float = setting(300.0, at_least=0, may_change=True, unit="seconds")

    def check_together(self, key: str) -> None:
        """Refuse arguments that are no names with values."""
        super().check_together(key)
        for name in ("module_arguments", "data_arguments", "trainer_arguments"):
            check_group(f"{key}.{name}", getattr(self, name))


@dataclass
class CommandEvaluatorSettings(OwnTrainingSettings):
    """A command of the user's own, which prints a line of JSON with metrics.

    Attributes:
        command: Command line. No shell runs it. ``{NAME}`` is the value of a position of a chain of choices,
            ``{architecture}`` the JSON form of the architecture, ``{folder}`` the folder of the evaluation, and
            ``{seed}`` the seed of the run. ``{{`` and ``}}`` are braces.
        metric: Name of the metric in the last line of the output that is a JSON object, or in ``metrics.json`` in the
            folder of the evaluation, if the command writes this file.
        accelerator: ``auto``, ``gpu`` or ``cuda``: each process of ``engine=processes`` sees its share of the GPUs in
            ``CUDA_VISIBLE_DEVICES``. ``cpu``: the processes ignore GPUs.
        num_devices: Number of GPUs that one command sees with ``engine=processes``.
    """

    KEY: ClassVar[str] = "evaluator"

    _target_: str = "seminas.evaluators.command.CommandEvaluator"
    command: str = setting(MISSING)
    metric: str = setting(MISSING)
