"""Choice of the engine that runs evaluations: processes of this machine, a Ray cluster, or Slurm jobs."""

import os
from pathlib import Path
from typing import Any

from seminas.config.evaluators import RaySettings, SlurmSettings
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


def make_engine(
    name: str,
    target: Any,
    num_workers: int | None,
    ray: RaySettings,
    accelerator: str = "cpu",
    timeout_s: float | None = None,
    slurm: SlurmSettings | None = None,
    folder: Path | None = None,
    num_devices: int = 1,
) -> Engine:
    """Return an engine that calls methods of an object.

    Args:
        name: ``processes``, ``ray`` or ``slurm``.
        target: Object whose methods are called.
        num_workers: Number of processes. None means one process for each ``num_devices`` GPUs, or CPU cores without
            GPUs. Ray and Slurm ignore this argument.
        ray: Settings of Ray.
        accelerator: Lightning's name of an accelerator. Processes share its GPUs evenly. Ray and Slurm assign GPUs
            themselves.
        timeout_s: Largest duration of a call in seconds. None means no limit.
        slurm: Settings of Slurm. None means the defaults.
        folder: Run folder, for the files of Slurm jobs.
        num_devices: Number of GPUs or cores that a call uses.

    Raises:
        UserError: This machine has fewer GPUs than a call uses. Or Ray is not installed, its cluster does not answer,
            or its cluster is too small for a call. Or submitit or Slurm's commands are not installed, or ``slurm`` has
            no run folder.
    """
    if name == "slurm":
        return SlurmJobs(target, slurm or SlurmSettings(), folder, timeout_s)
    if name == "ray":
        return RayTasks(target, ray, timeout_s)
    gpus = visible_gpus(accelerator)
    if gpus and len(gpus) < num_devices:
        raise config_error(
            "evaluator.num_devices", num_devices, f"at most the {len(gpus)} GPUs of this machine"
        )
    shares = [",".join(gpus[i : i + num_devices]) for i in range(0, len(gpus) - num_devices + 1, num_devices)]
    number = num_workers or len(shares) or max(1, len(os.sched_getaffinity(0)) // num_devices)
    return WorkerProcesses(target, number, shares, timeout_s)
