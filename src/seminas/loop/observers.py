"""What may look on while a search runs: the screen, loggers, figures."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from seminas.runs.archive import Archive, Record
from seminas.runs.results import SearchResult


class Observer:
    """Is told of everything that happens in a search. Each method does nothing unless overridden."""

    def start(self, archive: Archive, sizes: Sequence[int]) -> None:
        """Take in the evaluations of earlier processes, and the size of each round."""

    def note(self, text: str) -> None:
        """Take in what is being done, in a few words."""

    def asking(self, round_number: int) -> None:
        """Take in that a round's architectures are being chosen."""

    def evaluated(self, records: Sequence[Record]) -> None:
        """Take in new evaluations."""

    def round_done(self, round_number: int, archive: Archive, metrics: Mapping[str, float]) -> None:
        """Take in the end of a round, with the strategy's numbers on it."""

    def finish(self, result: SearchResult) -> None:
        """Take in the result."""

    def close(self, *, failed: bool) -> None:
        """Let go of the screen and of files."""


class Observers(Observer):
    """Several observers as one."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = list(observers)

    def start(self, archive: Archive, sizes: Sequence[int]) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.start(archive, sizes)

    def note(self, text: str) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.note(text)

    def asking(self, round_number: int) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.asking(round_number)

    def evaluated(self, records: Sequence[Record]) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.evaluated(records)

    def round_done(self, round_number: int, archive: Archive, metrics: Mapping[str, float]) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.round_done(round_number, archive, metrics)

    def finish(self, result: SearchResult) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.finish(result)

    def close(self, *, failed: bool) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.close(failed=failed)


@contextmanager
def closing_observer(observer: Observer) -> Iterator[None]:
    """Close an observer at the end; an exception marks the run as failed."""
    try:
        yield
    except BaseException:
        observer.close(failed=True)
        raise
    observer.close(failed=False)
