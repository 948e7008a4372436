"""Settings of Lightning's trainer and its devices."""

from dataclasses import dataclass
from typing import Any, ClassVar

from seminas.config.fields import Settings, setting
from seminas.errors import config_error

PRECISIONS = (
    "auto",
    "32-true",
    "16-mixed",
    "bf16-mixed",
    "16-true",
    "bf16-true",
    "64-true",
    "transformer-engine",
    "transformer-engine-float16",
)


SANDWICH = 3
"""Batches of an optimizer step by the sandwich rule: the largest network, the smallest, and a drawn one."""


@dataclass
class TrainerSettings(Settings):
    """Section ``trainer``. The settings have the names of the arguments of Lightning's Trainer.

    Attributes:
        accelerator: Lightning's accelerator: ``auto``, ``cpu``, ``gpu``, ``cuda`` or ``mps``.
        devices: Devices on this machine: a number of processes with one device each, a list of GPUs, or ``auto``.
            ``auto`` means one process for each GPU, or a single process without a GPU.
        num_nodes: Number of machines.
        strategy: Lightning's strategy, such as ``auto``, ``ddp`` or ``fsdp``.
        precision: Lightning's precision, such as ``32-true`` or ``bf16-mixed``. ``auto`` means ``bf16-mixed`` on a GPU
            that has it, and ``32-true`` elsewhere.
        max_epochs: Number of epochs, in place of ``recipe.epochs``. Null means ``recipe.epochs``. A finished training
            can continue under a larger number if its schedule does not depend on this number.
        max_steps: Largest number of optimizer steps. -1 means no limit.
        accumulate_grad_batches: Number of batches of each process in an optimizer step.
        sync_batchnorm: Whether BatchNorm computes its statistics over all processes. Needs GPUs.
        deterministic: Whether PyTorch refuses algorithms whose results vary from run to run.
        log_every_n_steps: Number of optimizer steps between two rows of the loggers. On a GPU, each row waits for the
            GPU.
        checkpoint_every: Number of optimizer steps between two checkpoints. SIGTERM, SIGHUP and Ctrl-C also
            trigger a checkpoint.
        check_val_every_n_epoch: Number of epochs between two validations.
        profiler: Lightning's profiler: ``simple``, ``advanced`` or ``pytorch``. Null means no profiler.
    """

    KEY: ClassVar[str] = "trainer"

    accelerator: str = setting("auto", choices=("auto", "cpu", "gpu", "cuda", "mps"))
    devices: Any = setting("auto")
    num_nodes: int = setting(1, at_least=1)
    strategy: str = setting("auto")
    precision: str = setting("32-true", choices=PRECISIONS)
    max_epochs: int | None = setting(
        None, at_least=1, extends=True, in_place_of="recipe.epochs", unit="epochs"
    )
    max_steps: int = setting(-1, at_least=-1, extends=True, endless=-1, unit="steps")
    accumulate_grad_batches: int = setting(1, at_least=1, unit="batches")
    sync_batchnorm: bool = False
    deterministic: bool = False
    log_every_n_steps: int = setting(10, at_least=1, may_change=True, unit="steps")
    checkpoint_every: int = setting(500, at_least=1, may_change=True, unit="steps")
    check_val_every_n_epoch: int = setting(1, at_least=1, unit="epochs")
    profiler: str | None = setting(None, choices=("simple", "advanced", "pytorch"), may_change=True)

    def check_together(self, key: str) -> None:
        """Refuse wrong devices, and a training without steps."""
        devices = self.devices
        listed = isinstance(devices, list | tuple) and all(type(d) is int and d >= 0 for d in devices)
        counted = str(devices).isdigit() and int(devices) >= 1 and not isinstance(devices, bool)
        if devices != "auto" and not (listed and devices) and not counted:
            raise config_error(f"{key}.devices", devices, "auto, a number from 1, or a list of GPUs")
        if listed and self.accelerator == "cpu":
            raise config_error(f"{key}.devices", devices, f"auto or a number with {key}.accelerator=cpu")
        if self.max_steps == 0:
            raise config_error(f"{key}.max_steps", 0, "at least 1, or -1")


def check_sandwich(sandwich: bool, trainer: TrainerSettings, key: str) -> None:
    """Refuse too few batches in an optimizer step for the sandwich rule.

    Raises:
        UserError: No architecture would be trained but the largest and the smallest one.
    """
    batches = trainer.accumulate_grad_batches
    if sandwich and batches < SANDWICH:
        raise config_error(
            f"{key}.accumulate_grad_batches", batches, f"at least {SANDWICH} with sandwich=true"
        )
