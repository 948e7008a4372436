"""A time limit for a call. The process of the call keeps the limit itself, so it outlives the search."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from seminas.execution.base import LostError, took_too_long


def call_in_thread(timeout_s: float | None, call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Return the result of a call in another thread, or a ``LostError`` if the call takes too long.

    A call that takes too long goes on in its thread. So the caller must end the process.

    Args:
        timeout_s: Largest duration of the call in seconds. None means no limit.
        call: Function to call.
        arguments: Arguments of the function.

    Raises:
        BaseException: The call raised it.
    """
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
        if timeout_s is None or ended.done():  # The call itself raised it.
            raise
        return LostError(took_too_long(timeout_s))
