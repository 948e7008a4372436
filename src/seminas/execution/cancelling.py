"""Cancelling a long computation in a thread. The computation itself asks whether it is cancelled."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_cancelled: ContextVar[threading.Event | None] = ContextVar("cancelled", default=None)


class CancelledError(Exception):
    """A computation was cancelled, because nobody needs its result any more."""


@contextmanager
def cancellable(cancelled: threading.Event) -> Iterator[None]:
    """Cancel the computations of the block, at their next ``check_cancelled``, when an event is set."""
    token = _cancelled.set(cancelled)
    try:
        yield
    finally:
        _cancelled.reset(token)


def check_cancelled() -> None:
    """Raise ``CancelledError`` if the computation of this thread was cancelled."""
    cancelled = _cancelled.get()
    if cancelled is not None and cancelled.is_set():
        raise CancelledError
