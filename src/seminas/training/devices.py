"""Choice of the processes and devices of a training."""

import atexit
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from seminas.config.recipe import Recipe
from seminas.config.trainer import TrainerSettings
from seminas.errors import UserError, config_error, first_line
from seminas.execution.processes import number_of_ranks, ranks_are_started
from seminas.storage.files import cache_dir

_OTHERS = ("spawn", "fork", "notebook", "xla", "tpu", "single")
"""Parts of the names of Lightning's strategies that a user cannot choose."""


def check_devices(settings: TrainerSettings, key: str = "trainer") -> None:
    """Check that this machine has the accelerator and the devices, and that Lightning has the strategy.

    Args:
        settings: Settings to check.
        key: Place of the settings in the config, for errors.

    Raises:
        UserError: A setting does not fit this machine or Lightning. The message names key, value and allowed values.
    """
    import pytorch_lightning as pl
    from pytorch_lightning.strategies import StrategyRegistry

    accelerator = settings.accelerator
    mps = torch.backends.mps.is_available() and accelerator == "gpu"
    if accelerator in ("gpu", "cuda") and not torch.cuda.is_available() and not mps:
        raise config_error(f"{key}.accelerator", accelerator, "auto or cpu on a machine without a GPU")
    if accelerator == "mps" and not torch.backends.mps.is_available():
        raise config_error(f"{key}.accelerator", accelerator, "auto or cpu on a machine without MPS")
    devices, num_gpus = settings.devices, torch.cuda.device_count()
    if isinstance(devices, list | tuple) and max(devices) >= num_gpus:
        allowed = (
            f"of the GPUs 0 to {num_gpus - 1}" if num_gpus else "auto or a number on a machine without a GPU"
        )
        raise config_error(f"{key}.devices", list(devices), allowed)
    known = StrategyRegistry.available_strategies()
    strategies = ["auto", *(name for name in known if not any(part in name for part in _OTHERS))]
    if settings.strategy not in strategies:
        raise config_error(f"{key}.strategy", settings.strategy, f"one of {', '.join(strategies)}")
    on_cpu = accelerator == "cpu" or not torch.cuda.is_available()
    if settings.sync_batchnorm and on_cpu and (num_local_processes(settings) > 1 or number_of_ranks() > 1):
        raise config_error(f"{key}.sync_batchnorm", True, "false for several processes without GPUs")
    try:
        pl.Trainer(
            accelerator=accelerator,
            strategy=settings.strategy,
            precision=lightning_precision(settings),  # type: ignore[arg-type]
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    except (
        ValueError,
        RuntimeError,
        ImportError,
        TypeError,
        pl.utilities.exceptions.MisconfigurationException,
    ) as error:
        raise UserError(f"{key}: {first_line(error)}") from error


def num_local_processes(settings: TrainerSettings) -> int:
    """Return the number of ranks that this process must start: 1 if Slurm, torchrun or a launcher starts the ranks."""
    if ranks_are_started():
        return 1
    devices = settings.devices
    if devices == "auto":
        cpu = settings.accelerator == "cpu" or not torch.cuda.is_available()
        return 1 if cpu else torch.cuda.device_count()
    if isinstance(devices, Sequence) and not isinstance(devices, str):
        return len(devices)
    return int(devices)


def lightning_devices(settings: TrainerSettings) -> Any:
    """Return the value of ``devices`` for Lightning's Trainer: a number, or a list of GPUs."""
    if "LOCAL_RANK" in os.environ and "WORLD_SIZE" in os.environ:
        return int(os.environ["WORLD_SIZE"]) // settings.num_nodes
    return 1 if settings.devices == "auto" and not torch.cuda.is_available() else settings.devices


def lightning_precision(settings: TrainerSettings) -> str:
    """Return the value of ``precision`` for Lightning's Trainer. ``auto`` is bf16-mixed on GPUs that have it."""
    if settings.precision != "auto":
        return settings.precision
    on_gpu = settings.accelerator != "cpu" and torch.cuda.is_available()
    return "bf16-mixed" if on_gpu and torch.cuda.is_bf16_supported() else "32-true"


def mixed_precision(settings: TrainerSettings, device: torch.device) -> AbstractContextManager[Any]:
    """Return a context in which a network computes in the precision of the settings on a GPU, and in 32 bits else."""
    precision = lightning_precision(settings)
    if device.type != "cuda" or not precision.endswith("-mixed"):
        return nullcontext()
    return torch.autocast("cuda", torch.bfloat16 if precision.startswith("bf16") else torch.float16)


def uses_channels_last(recipe: Recipe, device: torch.device) -> bool:
    """Return whether images and weights use the memory format ``channels_last``. By default they do on a GPU."""
    return device.type == "cuda" if recipe.channels_last is None else recipe.channels_last


def keep_compiled() -> None:
    """Let ``torch.compile`` keep its kernels in the cache folder, where the jobs of a sweep find them."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_dir() / "inductor"))


def share_cores() -> None:
    """Limit the threads of this process to its share of the machine's cores."""
    processes = int(os.environ.get("WORLD_SIZE", 1))
    if processes > 1:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // processes))


def leave_group_at_exit() -> None:
    """Let this rank leave the group of ranks before the interpreter ends.

    The threads of Gloo hold tensors. A thread that frees its tensors while the interpreter ends aborts the process
    (PyTorch, pull request 179291). Lightning leaves only groups of NCCL.
    """
    atexit.unregister(_leave_group)
    atexit.register(_leave_group)


def _leave_group() -> None:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
