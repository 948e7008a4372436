"""Ctrl-C in a search. The first one lets running evaluations end, and the second one stops at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Interrupts:
    """The interrupts of a search.

    Attributes:
        came: Whether Ctrl-C came.
    """

    def __init__(self) -> None:
        self.came = False


@contextmanager
def noticed_interrupts(notice: Callable[[], None]) -> Iterator[Interrupts]:
    """Notice the first Ctrl-C of the block. A second one raises ``KeyboardInterrupt``.

    In a thread, or in a process with another handler of SIGINT, the block changes nothing.

    Args:
        notice: Function that is called at the first Ctrl-C.
    """
    interrupts = Interrupts()
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupts
        return

    def handle(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupts.came = True
        notice()

    signal.signal(signal.SIGINT, handle)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
