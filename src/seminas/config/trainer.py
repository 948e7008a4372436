"""Settings of Lightning's trainer."""

from dataclasses import dataclass
from typing import Any, ClassVar

from seminas.config.fields import Settings, setting
from seminas.errors import config_error

PRECISIONS = (
    "32-true",
    "16-mixed",
    "bf16-mixed",
    "16-true",
    "bf16-true",
    "64-true",
    "transformer-engine",
    "transformer-engine-float16",
)


@dataclass
class TrainerSettings(Settings):
    """The ``trainer`` section. The names are those of Lightning's Trainer.

    Attributes:
        accelerator: ``auto``, ``cpu``, ``gpu``, ``cuda`` or ``mps``.
        devices: Processes of this machine, each with a device: a number, a list of GPUs, or ``auto``, every GPU, or one
            process without.
        num_nodes: Machines.
        strategy: ``auto``, ``ddp``, ``fsdp`` and others of Lightning's.
        precision: Such as ``32-true`` or ``bf16-mixed``.
        max_epochs: In place of the recipe's. A finished training goes on under a larger number where the schedule does
            not depend on it.
        max_steps: Ends training early; -1: never.
        accumulate_grad_batches: Batches to an optimizer step.
        sync_batchnorm: Whether BatchNorm's statistics are those of all processes (GPUs only).
        deterministic: Whether algorithms that differ from run to run are refused.
        checkpoint_every: Steps between checkpoints. One is written at SIGTERM too.
        check_val_every_n_epoch: Epochs between validations.
        profiler: Lightning's: null, ``simple``, ``advanced`` or ``pytorch``.
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
    checkpoint_every: int = setting(500, at_least=1, may_change=True, unit="steps")
    check_val_every_n_epoch: int = setting(1, at_least=1, unit="epochs")
    profiler: str | None = setting(None, choices=("simple", "advanced", "pytorch"), may_change=True)

    def check_together(self, key: str) -> None:
        """Refuse devices that are no devices, and a training of no steps."""
        devices = self.devices
        listed = isinstance(devices, list | tuple) and all(type(d) is int and d >= 0 for d in devices)
        counted = str(devices).isdigit() and int(devices) >= 1 and not isinstance(devices, bool)
        if devices != "auto" and not (listed and devices) and not counted:
            raise config_error(f"{key}.devices", devices, "auto, a number from 1, or a list of GPUs")
        if listed and self.accelerator == "cpu":
            raise config_error(f"{key}.devices", devices, f"auto or a number with {key}.accelerator=cpu")
        if self.max_steps == 0:
            raise config_error(f"{key}.max_steps", 0, "at least 1, or -1")
