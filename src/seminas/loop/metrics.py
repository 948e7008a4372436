"""A search in the loggers: a line for each evaluation and each round, the result, and for W&B its figures."""

from collections.abc import Mapping, Sequence
from typing import Any

from seminas.loop.observers import Observer
from seminas.runs.archive import Archive, Record
from seminas.runs.loggers import close_loggers
from seminas.runs.results import SearchResult
from seminas.spaces.base import SearchSpace

FINAL = ("best_val_accuracy", "test_accuracy", "num_queries", "wall_s")


class Metrics(Observer):
    """Passes numbers on to Lightning loggers. A resumed search passes all of its history on again."""

    def __init__(self, loggers: Sequence[Any], config: dict[str, Any], space: SearchSpace[Any]) -> None:
        """Prepare; ``config`` are the loggers' hyper-parameters."""
        self._loggers, self._config, self._space = loggers, config, space
        self._archive: Archive | None = None
        self._best: float | None = None

    def start(self, archive: Archive, sizes: Sequence[int]) -> None:
        """Log the config and the evaluations of earlier processes."""
        self._archive = archive
        for logger in self._loggers:
            logger.log_hyperparams(self._config)
        self.evaluated(archive.records)

    def evaluated(self, records: Sequence[Record]) -> None:
        """Log each evaluation."""
        for record in records:
            value = record.val_accuracy
            if value is not None and (self._best is None or value > self._best):
                self._best = value
            metrics = {
                "round": record.round,
                "val_accuracy": value,
                "prediction": record.prediction,
                "best_val_accuracy": self._best,
                "cost_s": record.cost_s,
            }
            self._log({name: number for name, number in metrics.items() if number is not None}, record.index)

    def round_done(self, round_number: int, archive: Archive, metrics: Mapping[str, float]) -> None:
        """Log the strategy's numbers on the round."""
        best = archive.best
        self._best = None if best is None else best.val_accuracy
        if metrics:
            last = archive.round(round_number)[-1].index
            self._log({f"round/{name}": value for name, value in metrics.items()}, last)

    def finish(self, result: SearchResult) -> None:
        """Log the result, and to W&B the architectures and the figures."""
        final = {f"final/{name}": getattr(result, name) for name in FINAL}
        self._log({name: value for name, value in final.items() if value is not None}, result.num_queries)
        for logger in self._loggers:
            from pytorch_lightning.loggers import WandbLogger  # Slow, and not needed without loggers.

            if isinstance(logger, WandbLogger) and self._archive is not None:
                from seminas.loop.wandb_media import log_media

                log_media(logger.experiment, self._archive.folder, self._space, self._archive)
            logger.save()

    def close(self, *, failed: bool) -> None:
        """Close the loggers."""
        close_loggers(self._loggers, failed=failed)

    def _log(self, metrics: dict[str, float], step: int) -> None:
        for logger in self._loggers:
            logger.log_metrics(metrics, step=step)
