"""Where evaluations are computed: processes of this machine, or a Ray cluster's."""

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
"""How often a call is made whose process dies."""


class LostError(Exception):
    """The process of a call died, as often as it was tried."""


class Engine(ABC):
    """Calls methods of one object on several processes at once. Each process holds a copy of the object."""

    num_workers: int

    @abstractmethod
    def calls(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """Call a method once for each tuple of arguments; yields the position and the result of each call as it ends.

        A call whose process dies is made once more. If that process dies too, the result is a ``LostError``.
        """

    @abstractmethod
    def close(self) -> None:
        """End the processes; what they were doing is lost."""


class LocalProcesses(Engine):
    """Processes of this machine, of one thread each; they start with the first call."""

    def __init__(self, target: Any, num_workers: int | None, gpus: Sequence[str] = ()) -> None:
        """Set up the engine.

        Args:
            target: The object.
            num_workers: Processes; by default one for each GPU, or for each core without.
            gpus: What ``CUDA_VISIBLE_DEVICES`` calls the GPUs; each process sees one, in turn.
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
            # A process that dies takes the others of its pool with it. The calls that may have killed it are made again
            # one by one, so that no other call is lost.
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
                # Calls begin in their order, and one more than there are processes is handed out.
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
    """Tasks on a Ray cluster, or on this machine where there is none."""

    def __init__(self, target: Any, settings: RaySettings) -> None:
        """Connect, or start Ray.

        Raises:
            UserError: Ray is not installed, or the cluster does not answer.
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
        self._ray = ray
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
    """Return what ``CUDA_VISIBLE_DEVICES`` calls the GPUs that an accelerator of Lightning's stands for, if any."""
    import torch

    if accelerator not in ("auto", "gpu", "cuda") or not torch.cuda.is_available():
        return []
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    number = torch.cuda.device_count()
    return chosen.split(",")[:number] if chosen else [str(i) for i in range(number)]


def make_engine(
    name: str, target: Any, num_workers: int | None, ray: RaySettings, accelerator: str = "cpu"
) -> Engine:
    """Return the engine of a name, ``processes`` or ``ray``, for methods of an object.

    Processes share the GPUs of the accelerator, Lightning's name of it, evenly; Ray gives out its own.

    Raises:
        UserError: It is another name, or the engine cannot be had.
    """
    if name == "ray":
        return RayTasks(target, ray)
    return LocalProcesses(target, num_workers, visible_gpus(accelerator))


_target: Any


def _start_worker(target: Any, parent: int, gpus: Sequence[str], started: Any) -> None:
    """Set up a worker process: one thread, at most one GPU, quiet, gone when its parent is."""
    global _target
    _target = target
    with started:
        number, started.value = started.value, started.value + 1
    if gpus:  # Before CUDA looks.
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
    _calm()
    end_with_parent(parent)


def _calm() -> None:
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
