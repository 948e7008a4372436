"""Engine with tasks on a Ray cluster."""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from seminas.config.evaluators import RaySettings
from seminas.errors import UserError
from seminas.execution.base import ATTEMPTS, Engine, LostError, took_too_long
from seminas.execution.processes import become_quiet, end_ray


class RayTasks(Engine):
    """Engine with tasks on a Ray cluster. Without a cluster address, Ray runs on this machine."""

    def __init__(self, target: Any, settings: RaySettings, timeout_s: float | None = None) -> None:
        """Connect, or start Ray.

        Args:
            target: The object.
            settings: Address of the cluster, and what an evaluation needs.
            timeout_s: Seconds that a call may take; None: any.

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
            self._own = False  # That of the launcher, whose job this is.
        self._ray, self._timeout_s = ray, timeout_s
        # In a list, so that a worker fetches it once and not with every call.
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
        """See the base class; a task whose node is lost is made again on another."""
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
    """Return the result of a call, or a ``LostError`` after so many seconds; the process ends soon after that."""
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
        if ended.done():  # The call itself raised it.
            raise
        # A call that Ray gives to this process before it ends is made again elsewhere.
        threading.Timer(1.0, os._exit, (1,)).start()
        return LostError(took_too_long(timeout_s))
