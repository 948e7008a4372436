"""Engines that run calls in parallel, in processes of this machine or on a Ray cluster."""

import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from seminas.config.evaluators import RaySettings
from seminas.errors import UserError
from seminas.execution.processes import become_quiet, end_ray

ATTEMPTS = 2
"""Largest number of attempts for a call whose process dies."""


class LostError(Exception):
    """Error of a call whose process died in every attempt, or of a call that took longer than the time limit."""


def took_too_long(timeout_s: float) -> str:
    """Return the error message for a call that took longer than the time limit."""
    return f"it took longer than evaluator.timeout_s={timeout_s:g}"


class Engine(ABC):
    """Base class of engines. An engine calls methods of an object in several processes.

    Each process has a copy of the object.

    Attributes:
        num_workers: Number of calls that run at once.
    """

    num_workers: int

    @abstractmethod
    def calls(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """Call a method once for each tuple of arguments. Yield the index and the result of each call when it ends.

        If the process of a call dies, the engine repeats the call once. If the second process also dies, the result is
        a ``LostError``. If a call takes longer than the engine's time limit, the result is a ``LostError`` at once.

        Raises:
            Exception: A call raised an exception. The engine raises the same exception.
        """

    @abstractmethod
    def close(self) -> None:
        """End the processes. Results of running calls are lost."""


class RayTasks(Engine):
    """Engine with tasks on a Ray cluster. Without a cluster address, Ray runs on this machine."""

    def __init__(self, target: Any, settings: RaySettings, timeout_s: float | None = None) -> None:
        """Connect to a Ray cluster, or start Ray on this machine.

        Args:
            target: Object whose methods are called. Each worker gets a copy.
            settings: Address of the cluster, and number of CPUs and GPUs for each call.
            timeout_s: Largest duration of a call in seconds. None means no limit.

        Raises:
            UserError: Ray is not installed, the cluster does not answer, or the cluster is too small for a call.
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
            self._own = False  # A launcher started Ray, and this process is its job.
        self._ray, self._timeout_s = ray, timeout_s
        # Ray would fetch a bare reference for each call. A worker fetches the reference in this list only once.
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
        """See the base class. If a node is lost, Ray repeats its calls on another node."""
        running = {
            self._task.remote(self._reference, method, call, self._timeout_s): i
            for i, call in enumerate(arguments)
        }
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
    name: str,
    target: Any,
    num_workers: int | None,
    ray: RaySettings,
    accelerator: str = "cpu",
    timeout_s: float | None = None,
) -> Engine:
    """Return an engine that calls methods of an object.

    Args:
        name: ``processes`` or ``ray``.
        target: Object whose methods are called.
        num_workers: Number of processes. None means one process for each GPU, or for each CPU core without GPUs. Ray
            ignores this argument.
        ray: Settings of Ray.
        accelerator: Lightning's name of an accelerator. Processes share its GPUs evenly. Ray assigns GPUs itself.
        timeout_s: Largest duration of a call in seconds. None means no limit.

    Raises:
        UserError: Ray is not installed, its cluster does not answer, or its cluster is too small for a call.
    """
    if name == "ray":
        return RayTasks(target, ray, timeout_s)
    from seminas.execution.workers import WorkerProcesses

    return WorkerProcesses(target, num_workers, visible_gpus(accelerator), timeout_s)


_target: Any


_fetched: Any = None


def _call_on_ray(
    reference: list[Any], method: str, arguments: tuple[Any, ...], timeout_s: float | None
) -> Any:
    import ray

    global _target, _fetched
    if _fetched != reference[0]:
        _target, _fetched = ray.get(reference[0]), reference[0]
        become_quiet()
    return _within(timeout_s, getattr(_target, method), arguments)


def _within(timeout_s: float | None, call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Return the result of a call, or a ``LostError`` if the call takes longer than ``timeout_s`` seconds.

    After a ``LostError``, this process ends soon, because a thread cannot be stopped.
    """
    if timeout_s is None:
        return call(*arguments)
    ended: Future[Any] = Future()

    def run() -> None:
        try:
            ended.set_result(call(*arguments))
        except BaseException as error:
            ended.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return ended.result(timeout_s)
    except FutureTimeout:
        if ended.done():  # The call itself raised this exception.
            raise
        # If Ray sends another call to this process before its end, Ray repeats that call elsewhere.
        threading.Timer(1.0, os._exit, (1,)).start()
        return LostError(took_too_long(timeout_s))
