"""Choice of the engine that runs evaluations: processes of this machine, a Ray cluster, or Slurm jobs."""

import os
from pathlib import Path
from typing import Any

from seminas.config.evaluators import EngineSettings
from seminas.errors import config_error
from seminas.execution.base import Engine
from seminas.execution.ray_tasks import RayTasks
from seminas.execution.slurm import SlurmJobs
from seminas.execution.workers import WorkerProcesses


def visible_gpus(accelerator: str) -> list[str]:
    """Return the names of this machine's visible GPUs in the form of ``CUDA_VISIBLE_DEVICES``.

    Args:
        accelerator: Lightning's name of an accelerator. For an accelerator without CUDA the list is empty.
    """
    import torch

    if accelerator not in ("auto", "gpu", "cuda") or not torch.cuda.is_available():
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    num_gpus = torch.cuda.device_count()
    return visible.split(",")[:num_gpus] if visible else [str(i) for i in range(num_gpus)]


def make_engine(settings: EngineSettings, target: Any, folder: Path | None = None) -> Engine:
    """Return an engine that calls methods of an object.

    Without ``num_workers``, ``engine=processes`` has one process for each ``num_devices`` GPUs, or CPU cores without
    GPUs. Processes share the GPUs evenly. Ray and Slurm assign GPUs themselves.

    Args:
        settings: Settings of the engine.
        target: Object whose methods are called.
        folder: Run folder, for the files of Slurm jobs.

    Raises:
        UserError: This machine has fewer GPUs than a call uses. Or Ray is not installed, its cluster does not answer,
            or its cluster is too small for a call. Or submitit or Slurm's commands are not installed, or ``slurm`` has
            no run folder.
    """
    if settings.engine == "slurm":
        return SlurmJobs(target, settings.slurm, folder, settings.timeout_s)
    if settings.engine == "ray":
        return RayTasks(target, settings.ray, settings.timeout_s)
    num_devices, gpus = settings.num_devices, visible_gpus(settings.accelerator)
    if gpus and len(gpus) < num_devices:
        raise config_error(
            "evaluator.num_devices", num_devices, f"at most the {len(gpus)} GPUs of this machine"
        )
    shares = [",".join(gpus[i : i + num_devices]) for i in range(0, len(gpus) - num_devices + 1, num_devices)]
    number = settings.num_workers or len(shares) or max(1, len(os.sched_getaffinity(0)) // num_devices)
    return WorkerProcesses(target, number, shares, settings.timeout_s)
