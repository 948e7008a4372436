"""Choice of the engine that runs evaluations: processes of this machine, a Ray cluster, or Slurm jobs."""

import os
from pathlib import Path
from typing import Any

from seminas.config.evaluators import RaySettings, SlurmSettings
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
) -> Engine:
    """Return an engine that calls methods of an object.

    Args:
        name: ``processes``, ``ray`` or ``slurm``.
        target: Object whose methods are called.
        num_workers: Number of processes. None means one process for each GPU, or for each CPU core without GPUs. Ray
            and Slurm ignore this argument.
        ray: Settings of Ray.
        accelerator: Lightning's name of an accelerator. Processes share its GPUs evenly. Ray and Slurm assign GPUs
            themselves.
        timeout_s: Largest duration of a call in seconds. None means no limit.
        slurm: Settings of Slurm. None means the defaults.
        folder: Run folder, for the files of Slurm jobs.

    Raises:
        UserError: Ray is not installed, its cluster does not answer, or its cluster is too small for a call. Or
            submitit or Slurm's commands are not installed, or ``slurm`` has no run folder.
    """
    if name == "slurm":
        return SlurmJobs(target, slurm or SlurmSettings(), folder, timeout_s)
    if name == "ray":
        return RayTasks(target, ray, timeout_s)
    return WorkerProcesses(target, num_workers, visible_gpus(accelerator), timeout_s)
