"""Observers of a search, such as the screen and the loggers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from seminas.runs.archive import Archive
from seminas.runs.records import Record
from seminas.runs.repeats import Repeat
from seminas.runs.results import SearchResult


class Observer:
    """An object that the search notifies of each event. Each method does nothing unless a subclass overrides it."""

    def start(self, archive: Archive, sizes: Sequence[int]) -> None:
        """Handle the start of the search.

        Args:
            archive: Archive of the search. It may hold evaluations of earlier processes.
            sizes: Size of each round.
        """

    def note(self, text: str) -> None:
        """Handle a short text about the current work."""

    def interrupted(self) -> None:
        """Handle the first Ctrl-C. No further evaluation begins."""

    def ending(self, reason: str) -> None:
        """Handle the end of a search that has reached a limit, which ``reason`` names."""

    def asking(self, round_number: int) -> None:
        """Handle the start of a round, before the strategy chooses the architectures."""

    def running(self, number: int) -> None:
        """Handle the begin of an evaluation of an asynchronous search. ``number`` evaluations run now."""

    def evaluated(self, records: Sequence[Record]) -> None:
        """Handle new evaluations."""

    def round_done(self, round_number: int, archive: Archive, metrics: Mapping[str, float]) -> None:
        """Handle the end of a round.

        Args:
            round_number: Number of the round, from 0.
            archive: Archive with all evaluations so far.
            metrics: Metrics that the strategy gave for this round, by name.
        """

    def repeating(self, num_done: int, total: int) -> None:
        """Handle the progress of the second trainings at the end of a search."""

    def repeated(self, repeat: Repeat) -> None:
        """Handle a new second training."""

    def finish(self, result: SearchResult) -> None:
        """Handle the result."""

    def close(self, *, failed: bool) -> None:
        """Release the screen and files. ``failed`` states whether the search ended with an exception."""


class Observers(Observer):
    """An observer that passes each event on to several observers."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = list(observers)

    def start(self, archive: Archive, sizes: Sequence[int]) -> None:
        """Pass the start on to all observers."""
        for observer in self._observers:
            observer.start(archive, sizes)

    def note(self, text: str) -> None:
        """Pass a text on to all observers."""
        for observer in self._observers:
            observer.note(text)

    def interrupted(self) -> None:
        """Pass the interrupt on to all observers."""
        for observer in self._observers:
            observer.interrupted()

    def ending(self, reason: str) -> None:
        """Pass the limit on to all observers."""
        for observer in self._observers:
            observer.ending(reason)

    def asking(self, round_number: int) -> None:
        """Pass the start of a round on to all observers."""
        for observer in self._observers:
            observer.asking(round_number)

    def running(self, number: int) -> None:
        """Pass the number of running evaluations on to all observers."""
        for observer in self._observers:
            observer.running(number)

    def evaluated(self, records: Sequence[Record]) -> None:
        """Pass new evaluations on to all observers."""
        for observer in self._observers:
            observer.evaluated(records)

    def round_done(self, round_number: int, archive: Archive, metrics: Mapping[str, float]) -> None:
        """Pass the end of a round on to all observers."""
        for observer in self._observers:
            observer.round_done(round_number, archive, metrics)

    def repeating(self, num_done: int, total: int) -> None:
        """Pass the progress of second trainings on to all observers."""
        for observer in self._observers:
            observer.repeating(num_done, total)

    def repeated(self, repeat: Repeat) -> None:
        """Pass a second training on to all observers."""
        for observer in self._observers:
            observer.repeated(repeat)

    def finish(self, result: SearchResult) -> None:
        """Pass the result on to all observers."""
        for observer in self._observers:
            observer.finish(result)

    def close(self, *, failed: bool) -> None:
        """Close all observers."""
        for observer in self._observers:
            observer.close(failed=failed)


@contextmanager
def closing_observer(observer: Observer) -> Iterator[None]:
    """Close an observer at the end of the block. After an exception, mark the run as failed."""
    try:
        yield
    except BaseException:
        observer.close(failed=True)
        raise
    observer.close(failed=False)
