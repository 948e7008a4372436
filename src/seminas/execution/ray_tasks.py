"""Engine with tasks on a Ray cluster."""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from seminas.config.evaluators import RaySettings
from seminas.errors import UserError
from seminas.execution.base import Call, Engine, LostError, Raised
from seminas.execution.deadline import call_in_thread
from seminas.execution.processes import become_quiet, end_ray

LOOK_EVERY_S = 5.0
"""Seconds between two looks at the nodes of the cluster, which may join and leave."""


class RayTasks(Engine):
    """Engine with tasks on a Ray cluster. Without a cluster address, Ray runs on this machine.

    Nodes may join and leave the cluster. A call whose node leaves is made again on another node, any number of times.
    """

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
        super().__init__()
        self._ray, self._timeout_s = ray, timeout_s
        self._running: dict[Any, Call] = {}
        self._wanted = {"CPU": settings.num_cpus, "GPU": settings.num_gpus}
        self._next_look, self._fitting = 0.0, 1
        # In a list, so that a worker fetches it once and not with every call.
        self._reference = [ray.put(target)]
        cluster = ray.cluster_resources()
        if not self._places(cluster):
            self.close()
            wanted = f"{settings.num_cpus:g} CPUs and {settings.num_gpus:g} GPUs"
            has = f"{cluster.get('CPU', 0):g} and {cluster.get('GPU', 0):g}"
            raise UserError(f"evaluator.ray: an evaluation wants {wanted}, the cluster has {has}")
        # This class makes lost calls again itself, because only it can tell a lost node from a call that kills.
        self._task = ray.remote(num_cpus=settings.num_cpus, num_gpus=settings.num_gpus, max_retries=0)(
            _call_on_ray
        )

    @property
    def num_workers(self) -> int:
        """Number of calls that fit on the nodes that the cluster has now, at least 1."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_EVERY_S
            self._fitting = max(1, self._places(self._ray.cluster_resources()))
        return self._fitting

    def _places(self, resources: dict[str, float]) -> int:
        """Return the number of calls that fit on resources, such as 8 CPUs and 2 GPUs."""
        shares = [(resources.get(name, 0.0), wanted) for name, wanted in self._wanted.items() if wanted]
        return min(int(available // wanted) for available, wanted in shares)

    def _begin_waiting(self) -> None:
        while self._waiting and len(self._running) < self.num_workers:
            call = self._waiting.popleft()
            reference = self._task.remote(self._reference, call.method, call.arguments, self._timeout_s)
            self._running[reference] = call

    def _num_running(self) -> int:
        return len(self._running)

    def _end_running(self) -> None:
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        self._running.clear()

    def _ended(self, timeout_s: float | None) -> list[tuple[Call, Any]]:
        # Nodes may have joined, so that more calls can begin.
        timeout_s = LOOK_EVERY_S if timeout_s is None else timeout_s
        done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=timeout_s)
        return [(call, outcome) for reference in done for call, outcome in self._outcome(reference)]

    def _outcome(self, reference: Any) -> list[tuple[Call, Any]]:
        """Return the call of an ended task and its outcome, or an empty list if the call is to be made again."""
        call = self._running.pop(reference)
        errors = self._ray.exceptions
        outcome: Any
        try:
            outcome = self._ray.get(reference)
        except errors.RayTaskError as error:
            outcome = Raised(error.cause if isinstance(error.cause, Exception) else error)
        except (errors.NodeDiedError, errors.ObjectLostError):  # Not the fault of the call.
            self._waiting.appendleft(call)
            return []
        except errors.RayError as error:
            lost = call.outcome_of_death()
            if lost is None:
                self._waiting.appendleft(call)
                return []
            outcome = LostError(f"{lost}, the last time by {type(error).__name__}")
        return [(call, outcome)]

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
    outcome = call_in_thread(timeout_s, call, arguments)
    if isinstance(outcome, LostError):
        # A call that Ray gives to this process before it ends is made again elsewhere.
        threading.Timer(1.0, os._exit, (1,)).start()
    return outcome
