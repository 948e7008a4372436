"""Show the progress of a sweep whose jobs run in parallel."""

import threading

from rich import progress as bars
from rich.console import Console

from seminas.sweeps.folder import SweepFolder


class SweepDisplay:
    """A progress bar for a sweep. A thread of the launching process watches the sweep's folder."""

    def __init__(self, folder: SweepFolder, num_jobs: int) -> None:
        """Start to watch the folder of a sweep of ``num_jobs`` jobs."""
        self._folder, self._num_jobs = folder, num_jobs
        self._console = Console(stderr=True)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop watching, and print how many jobs are done. A second call does nothing."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join()
        folder = self._folder
        text = f"{folder.num_done()} of {self._num_jobs} jobs are done in {folder}; seminas report {folder}"
        self._console.print(text, soft_wrap=True, markup=False, highlight=False)

    def _watch(self) -> None:
        columns = (
            bars.TextColumn("jobs"),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TimeElapsedColumn(),
        )
        with bars.Progress(
            *columns, bars.TextColumn("left"), bars.TimeRemainingColumn(), console=self._console
        ) as bar:
            printed = done = self._folder.num_done()
            task = bar.add_task("jobs", total=self._num_jobs, completed=done)
            # Each update checks the folders of all jobs, so a sweep with very many jobs updates less often.
            while not self._stop.wait(max(1.0, self._num_jobs / 500)):
                done = self._folder.num_done()
                bar.update(task, completed=done)
                if not self._console.is_terminal and done - printed >= max(1, self._num_jobs / 10):
                    printed = done
                    self._console.print(f"{done} of {self._num_jobs} jobs are done")
            bar.update(task, completed=self._folder.num_done())
