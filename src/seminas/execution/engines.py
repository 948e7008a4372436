"""Engines that run evaluations in parallel: on processes of this machine, or on a Ray cluster."""

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from seminas.config.evaluators import RaySettings
from seminas.errors import UserError
from seminas.execution.processes import end_ray, end_with_parent, spawning

ATTEMPTS = 2
"""Number of attempts for a call whose process dies."""


class LostError(Exception):
    """The process of a call died in each attempt."""


class Engine(ABC):
    """Base class of engines. An engine calls methods of an object on several processes.

    Each process has a copy of the object.

    Attributes:
        num_workers: Number of calls that run at once.
    """

    num_workers: int

    @abstractmethod
    def calls(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """Call a method once for each tuple of arguments. Yield the index and the result of each call when it ends.

        If the process of a call dies, the engine repeats the call. If the process dies in the last attempt, the result
        is a ``LostError``.

        Args:
            method: Name of the method of the engine's object.
            arguments: Positional arguments of each call.
        """

    @abstractmethod
    def close(self) -> None:
        """End the processes. Results of running calls are lost."""


class LocalProcesses(Engine):
    """Engine with processes of this machine. Each process has one thread. The processes start at the first call."""

    def __init__(self, target: Any, num_workers: int | None, gpus: Sequence[str] = ()) -> None:
        """Set up the engine.

        Args:
            target: Object whose methods are called.
            num_workers: Number of processes. None means one for each GPU, or one for each core without a GPU.
            gpus: Names of the GPUs in the form of ``CUDA_VISIBLE_DEVICES``. Each process gets one GPU, in turns.
        """
        self.num_workers = num_workers or len(gpus) or len(os.sched_getaffinity(0))
        self._target, self._gpus = target, list(gpus)
        self._pool: ProcessPoolExecutor | None = None

    def calls(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """See the base class."""
        waiting = dict(enumerate(arguments))
        deaths = dict.fromkeys(waiting, 0)
        suspects: list[int] = []
        while waiting:
            # When a process dies, the pool ends all its processes. The calls that may have killed the process are
            # repeated one by one, so that a repeated death cannot affect other calls.
            batch = [suspects.pop(0)] if suspects else list(waiting)
            pool = self._start()
            running = {pool.submit(_call, method, waiting[i]): i for i in batch}
            died: list[int] = []
            while running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in sorted(done, key=running.__getitem__):
                    i = running.pop(future)
                    try:
                        result = future.result()
                    except BrokenProcessPool:
                        died.append(i)
                        continue
                    del waiting[i]
                    yield i, result
            if died:
                self.close()
                # Calls start in order. The pool hands out one more call than it has processes.
                suspects = sorted(died)[: self.num_workers + 1] + suspects
                for i in suspects[: len(died)]:
                    deaths[i] += 1
                lost = [i for i in suspects if deaths[i] == ATTEMPTS]
                suspects = [i for i in suspects if i not in lost]
                for i in lost:
                    del waiting[i]
                    yield i, LostError(f"its process died {ATTEMPTS} times")

    def close(self) -> None:
        """See the base class."""
        if self._pool is not None:
            processes = list((self._pool._processes or {}).values())
            self._pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()
            self._pool = None

    def _start(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = spawning()
            number = context.Value("i", 0)
            arguments = (self._target, os.getpid(), self._gpus, number)
            self._pool = ProcessPoolExecutor(self.num_workers, context, _start_worker, arguments)
        return self._pool


class RayTasks(Engine):
    """Engine with tasks on a Ray cluster. Without a cluster address, Ray runs on this machine."""

    def __init__(self, target: Any, settings: RaySettings) -> None:
        """Connect to the cluster, or start Ray on this machine.

        Raises:
            UserError: Ray is not installed, the cluster does not answer, or it is too small for an evaluation.
        """
        try:
            import ray
        except ImportError as error:
            raise UserError("evaluator.engine=ray: needs Ray (pip install 'seminas[ray]')") from error
        if not ray.is_initialized():
            try:
                ray.init(
                    address=settings.address,
                    include_dashboard=None if settings.address else False,
                    log_to_driver=False,
                    logging_level=logging.WARNING,
                )
            except (ConnectionError, RuntimeError, ValueError) as error:
                reason = str(error).splitlines()[0]
                raise UserError(f"evaluator.ray.address={settings.address}: {reason}") from error
            self._own = True
        else:
            self._own = False  # The launcher of this job started Ray.
        self._ray = ray
        # Ray does not resolve a reference in a list. So a worker fetches the object once, and not for each call.
        self._reference = [ray.put(target)]
        cluster = ray.cluster_resources()
        cpus, gpus = cluster.get("CPU", 0.0), cluster.get("GPU", 0.0)
        shares = [(cpus, settings.num_cpus), (gpus, settings.num_gpus)]
        if any(wanted > available for available, wanted in shares):
            self.close()
            wanted = f"{settings.num_cpus:g} CPUs and {settings.num_gpus:g} GPUs"
            raise UserError(
                f"evaluator.ray: an evaluation wants {wanted}, the cluster has {cpus:g} and {gpus:g}"
            )
        self.num_workers = max(1, min(int(available // wanted) for available, wanted in shares if wanted))
        self._task = ray.remote(
            num_cpus=settings.num_cpus, num_gpus=settings.num_gpus, max_retries=ATTEMPTS - 1
        )(_call_on_ray)

    def calls(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """See the base class. Ray repeats a task on another node if its node dies."""
        running = {self._task.remote(self._reference, method, call): i for i, call in enumerate(arguments)}
        while running:
            (done, *_), _ = self._ray.wait(list(running))
            i = running.pop(done)
            try:
                yield i, self._ray.get(done)
            except self._ray.exceptions.RayTaskError as error:
                raise error.cause from error
            except self._ray.exceptions.RayError as error:
                yield i, LostError(str(error).splitlines()[0])

    def close(self) -> None:
        """See the base class."""
        if self._own:
            end_ray()


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
    name: str, target: Any, num_workers: int | None, ray: RaySettings, accelerator: str = "cpu"
) -> Engine:
    """Return an engine that calls methods of an object.

    Args:
        name: ``processes`` or ``ray``.
        target: Object whose methods are called.
        num_workers: Number of processes, None for the default. Ray ignores this argument.
        ray: Settings of Ray.
        accelerator: Lightning's name of an accelerator. Processes share its GPUs evenly. Ray assigns GPUs itself.

    Raises:
        UserError: Ray cannot be used.
    """
    if name == "ray":
        return RayTasks(target, ray)
    return LocalProcesses(target, num_workers, visible_gpus(accelerator))


_target: Any


def _start_worker(target: Any, parent: int, gpus: Sequence[str], started: Any) -> None:
    """Set up a worker process with one thread and at most one GPU. The process ends when its parent ends."""
    global _target
    _target = target
    with started:
        number, started.value = started.value, started.value + 1
    if gpus:  # CUDA reads this variable later.
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
    _calm()
    end_with_parent(parent)


def _calm() -> None:
    """Use one thread, and hide Lightning's messages."""
    import torch

    torch.set_num_threads(1)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


def _call(method: str, arguments: tuple[Any, ...]) -> Any:
    return getattr(_target, method)(*arguments)


_fetched: Any = None


def _call_on_ray(reference: list[Any], method: str, arguments: tuple[Any, ...]) -> Any:
    import ray

    global _target, _fetched
    if _fetched != reference[0]:
        _target, _fetched = ray.get(reference[0]), reference[0]
        _calm()
    return _call(method, arguments)
