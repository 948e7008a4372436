"""Engine with worker processes on this machine. Each slot has its own process, so a dead process affects one call."""

import os
import pickle
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from seminas.errors import first_line
from seminas.execution.base import Call, Engine, LostError, Raised, took_too_long
from seminas.execution.processes import (
    become_quiet,
    end_with_parent,
    holding_interrupts,
    ignore_interrupts,
    spawning,
)

GRACE_S = 5.0
"""Seconds between SIGTERM and SIGKILL when the engine ends a process."""
_FOREVER = float("inf")


@dataclass
class _Slot:
    """Slot of an engine, with a process and the call that the process runs.

    Attributes:
        gpu: Name of the slot's GPU for ``CUDA_VISIBLE_DEVICES``. None without GPUs.
        process: Worker process. None without a running process, such as before the slot's first call.
        pipe: Connection to the worker process. None without a running process.
        call: Current call. None while the slot is idle.
        until: Deadline of the current call, a time of ``time.monotonic``.
    """

    gpu: str | None
    process: BaseProcess | None = None
    pipe: Any = None
    call: Call | None = None
    until: float = _FOREVER


class _Message(NamedTuple):
    """Message about the state of a call.

    Attributes:
        kind: State of the call. A worker sends ``begun``, ``done`` or ``raised``. The engine itself creates ``died``
            (the process died) and ``late`` (the call took too long).
        value: Result of the call for ``done``, and its exception for ``raised``. Otherwise None.
    """

    kind: str
    value: Any = None


class WorkerProcesses(Engine):
    """Engine with processes of one thread on this machine. A process starts with its slot's first call."""

    def __init__(
        self,
        target: Any,
        num_workers: int | None,
        gpus: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> None:
        """Initialize the engine.

        Args:
            target: Object whose methods are called. Each process gets a pickled copy.
            num_workers: Number of processes. None means one process for each GPU, or for each CPU core without GPUs.
            gpus: GPUs of a slot, as values of ``CUDA_VISIBLE_DEVICES``. The slots share them evenly.
            timeout_s: Largest duration of a call in seconds, without the start of its process. None means no limit.
        """
        super().__init__()
        number = num_workers or len(gpus) or len(os.sched_getaffinity(0))
        self._target, self._timeout_s = target, timeout_s
        self._slots = [_Slot(gpus[i % len(gpus)] if gpus else None) for i in range(number)]
        # At its exit, Python waits for child processes. So this function ends them first.
        self._at_exit = weakref.finalize(self, _end_all, self._slots)

    @property
    def num_workers(self) -> int:
        """Number of slots."""
        return len(self._slots)

    def close(self) -> None:
        """See the base class."""
        _end_all(self._slots)

    def _begin_waiting(self) -> None:
        for slot in self._slots:
            if slot.call is None and self._waiting:
                slot.call = self._waiting.popleft()
                self._send(slot, slot.call)

    def _num_running(self) -> int:
        return len(self._busy())

    def _end_running(self) -> None:
        for slot in self._busy():
            _end(slot)

    def _ended(self, timeout_s: float | None) -> list[tuple[Call, Any]]:
        ended: list[tuple[Call, Any]] = []
        for slot, message in self._messages(timeout_s):
            call, slot.call = slot.call, None
            assert call is not None
            if message.kind == "raised":
                ended.append((call, Raised(message.value)))
            elif message.kind == "done":
                ended.append((call, message.value))
            elif message.kind == "late":
                assert self._timeout_s is not None
                _end(slot)
                ended.append((call, LostError(took_too_long(self._timeout_s))))
            else:
                _end(slot)
                outcome = call.outcome_of_death()
                if outcome is None:
                    self._waiting.appendleft(call)
                else:
                    ended.append((call, outcome))
        return ended

    def _busy(self) -> list[_Slot]:
        return [slot for slot in self._slots if slot.call is not None]

    def _send(self, slot: _Slot, call: Call) -> None:
        """Send a call to a slot's process. Start the process if it is not running."""
        if slot.process is None or not slot.process.is_alive():
            _end(slot, keep_call=True)
            context = spawning()
            slot.pipe, theirs = context.Pipe()
            slot.process = context.Process(target=_work, args=(theirs, self._target, os.getpid(), slot.gpu))
            with holding_interrupts():
                slot.process.start()
            theirs.close()
        slot.until = _FOREVER
        try:
            slot.pipe.send((call.method, call.arguments))
        except OSError:
            return  # The process has died. ``_messages`` will report its death.

    def _messages(self, timeout_s: float | None) -> list[tuple[_Slot, _Message]]:
        """Wait for messages that end calls of busy slots. Return them in the order of the calls.

        The list is empty only if there is no message within ``timeout_s`` seconds.
        """
        busy = self._busy()
        over = _FOREVER if timeout_s is None else time.monotonic() + timeout_s
        while True:
            ends = min(over, *(slot.until for slot in busy))
            signs = {slot.pipe: slot for slot in busy}
            signs |= {slot.process.sentinel: slot for slot in busy if slot.process is not None}
            ready = connection.wait(
                list(signs), None if ends == _FOREVER else max(0.0, ends - time.monotonic())
            )
            spoken = {id(signs[sign]): signs[sign] for sign in ready}  # A dead process can give two signs.
            words = [(slot, word) for slot in spoken.values() if (word := self._word(slot)) is not None]
            late = [slot for slot in busy if id(slot) not in spoken and slot.until <= time.monotonic()]
            words += [(slot, _Message("late")) for slot in late]
            if words or over <= time.monotonic():
                return sorted(words, key=lambda pair: pair[0].call.ticket if pair[0].call else 0)

    def _word(self, slot: _Slot) -> _Message | None:
        """Return the message that ends a slot's call, or None if it still runs. Set the deadline of a begun call."""
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
    """End a slot's process if it is running. With ``keep_call``, the slot keeps its call."""
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
    for slot in slots:  # Signal all processes before waiting for the first one.
        if slot.process is not None:
            slot.process.terminate()
    for slot in slots:
        _end(slot)


def _work(pipe: Any, target: Any, parent: int, gpu: str | None) -> None:
    """Run the calls from a pipe until the parent closes the pipe or ends.

    Args:
        pipe: Connection to the parent.
        target: Object whose methods are called.
        parent: Process id of the parent.
        gpu: Name of the GPU for ``CUDA_VISIBLE_DEVICES``, or None.
    """
    if gpu is not None:  # CUDA reads the variable at its first use.
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    ignore_interrupts()
    become_quiet()
    end_with_parent(parent)
    while True:
        try:
            method, arguments = pipe.recv()
            pipe.send(_Message("begun"))
        except (EOFError, OSError):
            return
        try:
            message = _Message("done", getattr(target, method)(*arguments))
        except Exception as error:
            message = _Message("raised", error)
        try:
            _answer(pipe, method, message)
        except OSError:  # The parent has ended during the call.
            return


def _answer(pipe: Any, method: str, message: _Message) -> None:
    """Send the message that ends a call. If its result cannot be pickled, send an error in its place."""
    try:
        pipe.send(message)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        reason = ValueError(f"{method}: its result cannot be sent ({first_line(error)})")
        pipe.send(_Message("raised", reason))
