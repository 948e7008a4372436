"""Worker processes of this machine: a process for each slot, so that a process that dies takes one call with it."""

import os
import pickle
import signal
import time
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from seminas.errors import first_line
from seminas.execution.base import ATTEMPTS, Engine, LostError, took_too_long
from seminas.execution.processes import become_quiet, end_with_parent, spawning

GRACE_S = 5.0
"""Seconds that a process has to end before it is killed."""
_FOREVER = float("inf")


@dataclass
class _Slot:
    """A process, and the call that it works on.

    Attributes:
        gpu: Name of its GPU for ``CUDA_VISIBLE_DEVICES``; None without GPUs.
        process, pipe: None until the slot's first call.
        call: Position of its call; None while it is idle.
        until: When the call has taken too long, by ``time.monotonic``.
    """

    gpu: str | None
    process: BaseProcess | None = None
    pipe: Any = None
    call: int | None = None
    until: float = _FOREVER


class _Message(NamedTuple):
    """A worker's word on its call: it has ``begun``, is ``done`` with a value, or has ``raised`` one.

    The engine itself adds ``died`` and ``late``.
    """

    kind: str
    value: Any = None


class WorkerProcesses(Engine):
    """Processes of this machine, of one thread each. A slot's process starts with the slot's first call."""

    def __init__(
        self,
        target: Any,
        num_workers: int | None,
        gpus: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> None:
        """Set up the engine.

        Args:
            target: The object. Each process gets a pickled copy.
            num_workers: Number of processes; None: one for each GPU, or for each core without GPUs.
            gpus: Names of the GPUs for ``CUDA_VISIBLE_DEVICES``; the slots take them in turn.
            timeout_s: Seconds that a call may take, without the start of its process; None: any number.
        """
        self.num_workers = num_workers or len(gpus) or len(os.sched_getaffinity(0))
        self._target, self._timeout_s = target, timeout_s
        self._slots = [_Slot(gpus[i % len(gpus)] if gpus else None) for i in range(self.num_workers)]
        # Python waits for processes at its end, so they are told to end before.
        self._at_exit = weakref.finalize(self, _end_all, self._slots)

    def calls(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """See the base class."""
        waiting = deque(range(len(arguments)))
        deaths = [0] * len(arguments)
        try:
            while waiting or self._busy():
                for slot in self._slots:
                    if slot.call is None and waiting:
                        slot.call = waiting.popleft()
                        self._send(slot, method, arguments[slot.call])
                for slot, message in self._messages():
                    i, slot.call = slot.call, None
                    assert i is not None
                    if message.kind == "raised":
                        raise message.value
                    if message.kind == "done":
                        yield i, message.value
                        continue
                    _end(slot)
                    deaths[i] += 1
                    if message.kind == "late":
                        assert self._timeout_s is not None
                        yield i, LostError(took_too_long(self._timeout_s))
                    elif deaths[i] < ATTEMPTS:
                        waiting.appendleft(i)
                    else:
                        yield i, LostError(f"its process died {ATTEMPTS} times")
        finally:  # A caller that wants no further results leaves calls behind.
            for slot in self._busy():
                _end(slot)

    def close(self) -> None:
        """See the base class."""
        _end_all(self._slots)

    def _busy(self) -> list[_Slot]:
        return [slot for slot in self._slots if slot.call is not None]

    def _send(self, slot: _Slot, method: str, arguments: tuple[Any, ...]) -> None:
        """Send a call to a slot's process, which starts if there is none."""
        if slot.process is None or not slot.process.is_alive():
            _end(slot, keep_call=True)
            context = spawning()
            slot.pipe, theirs = context.Pipe()
            slot.process = context.Process(target=_work, args=(theirs, self._target, os.getpid(), slot.gpu))
            slot.process.start()
            theirs.close()
        slot.until = _FOREVER
        try:
            slot.pipe.send((method, arguments))
        except OSError:
            return  # The process has died, which the next look at it tells.

    def _messages(self) -> list[tuple[_Slot, _Message]]:
        """Return the words of busy slots that end a call; waits for one at least."""
        busy = self._busy()
        while True:
            ends = min(slot.until for slot in busy)
            signs = {slot.pipe: slot for slot in busy}
            signs |= {slot.process.sentinel: slot for slot in busy if slot.process is not None}
            ready = connection.wait(
                list(signs), None if ends == _FOREVER else max(0.0, ends - time.monotonic())
            )
            spoken = {id(signs[sign]): signs[sign] for sign in ready}  # A process that dies gives two signs.
            words = [(slot, word) for slot in spoken.values() if (word := self._word(slot)) is not None]
            late = [slot for slot in busy if id(slot) not in spoken and slot.until <= time.monotonic()]
            words += [(slot, _Message("late")) for slot in late]
            if words:
                return sorted(words, key=lambda pair: pair[0].call or 0)

    def _word(self, slot: _Slot) -> _Message | None:
        """Return a slot's word that ends its call, None where the call has only begun."""
        try:
            while slot.pipe.poll():
                message: _Message = slot.pipe.recv()
                if message.kind != "begun":
                    return message
                slot.until = time.monotonic() + (_FOREVER if self._timeout_s is None else self._timeout_s)
        except (EOFError, OSError):
            return _Message("died")
        assert slot.process is not None
        return None if slot.process.is_alive() else _Message("died")


def _end(slot: _Slot, keep_call: bool = False) -> None:
    """End a slot's process, if it has one."""
    process, pipe = slot.process, slot.pipe
    slot.process = slot.pipe = None
    if not keep_call:
        slot.call = None
    if process is None:
        return
    process.terminate()
    process.join(GRACE_S)
    if process.is_alive():
        process.kill()
        process.join()
    process.close()
    pipe.close()


def _end_all(slots: Sequence[_Slot]) -> None:
    for slot in slots:  # All at once, before any is waited for.
        if slot.process is not None:
            slot.process.terminate()
    for slot in slots:
        _end(slot)


def _work(pipe: Any, target: Any, parent: int, gpu: str | None) -> None:
    """Make calls that come through a pipe, until the parent is gone."""
    if gpu is not None:  # Before CUDA looks.
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its processes.
    become_quiet()
    end_with_parent(parent)
    while True:
        try:
            method, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(_Message("begun"))
        try:
            message = _Message("done", getattr(target, method)(*arguments))
        except Exception as error:
            message = _Message("raised", error)
        try:
            pipe.send(message)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            pipe.send(
                _Message("raised", ValueError(f"{method}: its result cannot be sent ({first_line(error)})"))
            )
