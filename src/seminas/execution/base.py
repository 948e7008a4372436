"""Base class of engines, which run evaluations in parallel."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

ATTEMPTS = 2
"""Number of attempts for a call whose process dies."""


class LostError(Exception):
    """The process of a call died, as often as it was tried, or the call took longer than it may."""


def took_too_long(timeout_s: float) -> str:
    """Return why a call is lost that took longer than it may."""
    return f"it took longer than evaluator.timeout_s={timeout_s:g}"


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

        A call whose process dies is made once more. If that process dies too, the result is a ``LostError``. So it is
        for a call that takes longer than the engine's time limit, which is not made again.

        Raises:
            Exception: A call raised it.
        """

    @abstractmethod
    def close(self) -> None:
        """End the processes. Results of running calls are lost."""
