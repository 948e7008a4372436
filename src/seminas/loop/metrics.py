"""A search in the loggers: a line for each evaluation and each round, the result, and the figures."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from seminas.loop.figures import FIGURES
from seminas.loop.objectives import FrontSoFar
from seminas.loop.observers import Observer
from seminas.runs.archive import Archive
from seminas.runs.loggers import LogsFigures, LogsRows, close_loggers, log_config, log_numbers
from seminas.runs.metric import metric_of
from seminas.runs.recordings import log_recordings
from seminas.runs.records import Record
from seminas.runs.results import SearchResult
from seminas.spaces.base import SearchSpace
from seminas.storage.values import Config


class Metrics(Observer):
    """Passes numbers on to Lightning loggers.

    A resumed search passes all of its history on again. Our loggers leave out what they hold already.
    """

    def __init__(self, loggers: Sequence[Any], config: Config, space: SearchSpace) -> None:
        """Prepare; ``config`` are the loggers' hyper-parameters."""
        self._loggers, self._config, self._space = loggers, config, space
        self._archive: Archive | None = None
        self._metric = metric_of(config)
        self._best: float | None = None
        self._front: FrontSoFar | None = None
        self._from: defaultdict[int, Counter[str]] = defaultdict(Counter)
        """Numbers of evaluations and of improvements of the best by origin, in each round that has not ended."""

    def start(self, archive: Archive, sizes: Sequence[int]) -> None:
        """Log the config and the evaluations of earlier processes."""
        self._archive = archive
        if archive.objectives is not None:
            self._front = FrontSoFar(archive)
            self._front.add(archive.imported)
        log_config(self._loggers, self._config)
        self.evaluated(archive.records)

    def evaluated(self, records: Sequence[Record]) -> None:
        """Log each evaluation."""
        for record in records:
            value, metric = record.value, self._metric
            improves = record.final is not None and metric.better(record.final, self._best)
            if improves:
                self._best = value
            if record.origin is not None:
                self._from[record.round][f"from_{record.origin}"] += 1
                self._from[record.round][f"improvements_from_{record.origin}"] += improves
            numbers = {
                "round": record.round,
                metric.name: value,
                "prediction": record.prediction,
                metric.best_name: self._best,
                "cost_s": record.cost_s,
                **record.metrics,
            }
            if self._front is not None:
                self._front.add([record])
                numbers |= {"hypervolume": self._front.hypervolume, "front_size": self._front.size}
            log_numbers(self._loggers, numbers, record.index)

    def round_done(self, round_number: int, archive: Archive, metrics: Mapping[str, float]) -> None:
        """Log the strategy's numbers on the round, and the numbers of evaluations and improvements by origin."""
        best = archive.best
        self._best = None if best is None else best.value
        if self._front is not None and archive.revised == round_number:
            self._front.renew()
        metrics = {**metrics, **self._from.pop(round_number, {})}
        if metrics:
            last = archive.round(round_number)[-1].index
            log_numbers(self._loggers, {f"round/{name}": value for name, value in metrics.items()}, last)
        for logger in self._loggers:
            logger.save()

    def finish(self, result: SearchResult) -> None:
        """Log the result and the figures; W&B gets the architectures, too."""
        final = {
            self._metric.best_name: result.best_value,
            self._metric.test_name: result.test_value,
            "num_queries": result.num_queries,
            "wall_s": result.wall_s,
        }
        if result.num_repeats:
            final["num_repeats"] = result.num_repeats
        if result.hypervolume is not None:
            final["hypervolume"] = result.hypervolume
        log_numbers(self._loggers, {f"final/{k}": v for k, v in final.items()}, result.num_queries)
        assert self._archive is not None
        folder = self._archive.folder
        files = [folder / name for name in FIGURES if (folder / name).exists()]
        log_recordings(self._loggers, folder, result.num_queries)
        for logger in self._loggers:
            if isinstance(logger, LogsRows):
                from seminas.loop.wandb_media import media

                logger.log_row(media(self._space, self._archive, files))
            elif isinstance(logger, LogsFigures):
                logger.log_figures(files, result.num_queries)
            logger.save()

    def close(self, *, failed: bool) -> None:
        """Close the loggers."""
        close_loggers(self._loggers, failed=failed)
