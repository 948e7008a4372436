"""Base class of engines, which run calls in parallel."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

ATTEMPTS = 2
"""Number of attempts for a call whose process dies."""


class LostError(Exception):
    """The process of a call died, as often as it was tried, or the call took longer than it may."""


@dataclass(frozen=True)
class Raised:
    """The outcome of a call that raised an exception.

    Attributes:
        error: The exception.
    """

    error: Exception


@dataclass
class Call:
    """A call that an engine has received.

    Attributes:
        ticket: Number of the call. Open calls have distinct numbers.
        method: Name of the method.
        arguments: Arguments of the method.
        deaths: Number of processes that died during the call.
    """

    ticket: int
    method: str
    arguments: tuple[Any, ...]
    deaths: int = 0

    def outcome_of_death(self) -> LostError | None:
        """Count a death. Return the outcome of the call, or None if the call is to be made again."""
        self.deaths += 1
        return None if self.deaths < ATTEMPTS else LostError(f"its process died {ATTEMPTS} times")


def took_too_long(timeout_s: float) -> str:
    """Return why a call is lost that took longer than it may."""
    return f"it took longer than evaluator.timeout_s={timeout_s:g}"


class Engine(ABC):
    """Base class of engines. An engine calls methods of an object on several processes.

    Each process has a copy of the object. A call whose process dies is made once more. If that process dies too, the
    outcome is a ``LostError``. A call that takes longer than the engine's time limit is ended and not made again. Its
    outcome is a ``LostError`` too. The outcome of a call that raised an exception is ``Raised``.
    """

    def __init__(self) -> None:
        self._waiting: deque[Call] = deque()

    @abstractmethod
    def _begin_waiting(self) -> None:
        """Begin calls of ``_waiting``, as many as there are free workers."""

    @property
    @abstractmethod
    def num_workers(self) -> int:
        """Number of calls that run at once. It may change while the engine works."""

    @abstractmethod
    def _num_running(self) -> int:
        """Return the number of calls that have begun and not ended."""

    @abstractmethod
    def _ended(self, timeout_s: float | None) -> list[tuple[Call, Any]]:
        """Wait until a running call ends, or until the time is over. Return the calls that ended and their outcomes.

        A call that is to be made again goes back into ``_waiting``.
        """

    @abstractmethod
    def _end_running(self) -> None:
        """End the running calls. Their results are lost."""

    @abstractmethod
    def close(self) -> None:
        """End the processes. Results of running calls are lost."""

    def submit(self, ticket: int, method: str, arguments: tuple[Any, ...]) -> None:
        """Begin a call, or let it wait until a worker is free.

        Args:
            ticket: Number of the call, by which ``wait`` names it. Open calls have distinct numbers.
            method: Name of the method.
            arguments: Arguments of the method.
        """
        self._waiting.append(Call(ticket, method, arguments))
        self._begin_waiting()

    def wait(self, timeout_s: float | None = None) -> list[tuple[int, Any]]:
        """Wait until a call ends. Return the ticket and the outcome of each call that has ended.

        The list is empty if no call is open, or if none ends within ``timeout_s`` seconds.
        """
        while True:
            self._begin_waiting()
            if not self._num_running() and not self._waiting:
                return []
            ended = [(call.ticket, outcome) for call, outcome in self._ended(timeout_s)]
            self._begin_waiting()
            if ended or timeout_s is not None:
                return ended

    def drop_waiting(self) -> list[int]:
        """Forget the calls that have not begun. Return their tickets."""
        tickets = [call.ticket for call in self._waiting]
        self._waiting.clear()
        return tickets

    def calls(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """Call a method once for each tuple of arguments. Yield the index and the result of each call when it ends.

        Other calls that are still open are dropped first. A lost call yields its ``LostError``.

        Raises:
            Exception: A call raised it.
        """
        self.drop_waiting()
        self._end_running()  # A search that has reached a limit leaves calls behind.
        try:
            for i, call in enumerate(arguments):
                self.submit(i, method, call)
            missing = len(arguments)
            while missing:
                for i, outcome in self.wait():
                    if isinstance(outcome, Raised):
                        raise outcome.error
                    missing -= 1
                    yield i, outcome
        finally:  # A caller can stop early, while calls still run.
            self.drop_waiting()
            self._end_running()
