"""A search for the best overrides of a user's Hydra app, whose jobs a launcher of Hydra runs."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from seminas.commands.app_settings import KEY, SweepSettings
from seminas.commands.study import Study
from seminas.config.names import STUDY, SWEEP_FILE
from seminas.config.swept import Swept
from seminas.errors import UserError
from seminas.loop.study import Trial
from seminas.runs.records import Record
from seminas.spaces.dictionary import DictionarySpace
from seminas.storage.files import write_file, write_json
from seminas.storage.typed import read_typed
from seminas.sweeps.outcomes import Outcome, Outcomes

RESULTS_FILE, FIXED_FILE, OUTCOMES = "optimization_results.yaml", "fixed.json", "outcomes"
"""Names in the folder of a sweep, and in the folder of its study."""
FIRST = 5
"""A sweep ends if all of its first jobs failed. So many jobs are enough to say that the app does not work."""
Launch = Callable[[Mapping[int, list[str]]], Mapping[int, Outcome]]
"""A function that runs jobs, given as overrides by number, and returns the outcome of each."""
log = logging.getLogger(__name__)


class _SweptStudy(Study[Any]):
    """A study whose arguments are settings of the sweeper, as its errors say."""

    _section = f"{KEY}."


class AppSweep:
    """The loop of a sweep: it asks a study for jobs, launches them, and tells their values."""

    def __init__(self, settings: SweepSettings, swept: Swept, space: DictionarySpace, folder: Path) -> None:
        """Prepare a sweep.

        Args:
            settings: Settings of the sweeper.
            swept: Overrides of the sweep.
            space: Space of these overrides.
            folder: Folder of the sweep. It need not exist.
        """
        self.settings, self.swept, self.space, self.folder = settings, swept, space, folder
        self.outcomes = Outcomes((folder / STUDY / OUTCOMES).absolute(), len(settings.metrics))
        self._held: dict[int, tuple[Trial[Any], Outcome]] = {}
        self._best: list[Record] = []

    def run(self, launch: Launch, config_yaml: str) -> float | list[list[float]] | None:
        """Run the jobs that are missing.

        Args:
            launch: Function that runs jobs.
            config_yaml: Config of the sweep, which the folder keeps.

        Returns:
            The best value. None if no job has ended well. With several objectives, the values of each job on the front.

        Raises:
            UserError: The folder belongs to another sweep, the strategy takes one objective, or too many jobs failed.
        """
        with self._study() as study:
            self._refuse_other_overrides()
            write_file(self.folder / SWEEP_FILE, config_yaml.encode())
            self._check_failures(study)
            while (left := self.settings.max_queries - len(study.history) - len(self._held)) > 0:
                trials = study.ask(min(self.settings.n_jobs, left))
                if not trials:
                    log.info(f"The space is exhausted after {len(study.history)} jobs")
                    break
                ended = launch({trial.number: self.swept.job(trial.choices) for trial in trials})
                for trial in trials:
                    self._tell(study, trial, ended[trial.number])
                self._check_failures(study)
                self._write_best(study)
            self._check_failures(study, is_end=True)
            self._write_best(study)
            values = [self._values(record) for record in self._best]
            return values if len(self.settings.metrics) > 1 else values[0][0] if values else None

    @contextmanager
    def _study(self) -> Iterator[Study[Any]]:
        """Yield the study in the folder of the sweep.

        Raises:
            UserError: The folder belongs to another sweep, or another process works in it.
        """
        settings = self.settings
        main, *further = settings.metrics
        study: Study[Any] = _SweptStudy(
            self.space,
            settings.strategy,
            settings.seed,
            self.folder / STUDY,
            metric=main,
            metrics=further,
            objectives=[metric.name for metric in settings.metrics] if further else None,
            settings=settings.settings or None,
        )
        with study:
            yield study

    def _refuse_other_overrides(self) -> None:
        """Record the overrides that all jobs share.

        Raises:
            UserError: The folder has jobs with others.
        """
        file = self.folder / STUDY / FIXED_FILE
        before = read_typed(file, dict[str, str], "list of overrides")
        now = self.swept.fixed
        for key in sorted({*now, *(before or {})}):
            if before is not None and before.get(key) != now.get(key):
                raise UserError(
                    f"{self.folder}: belongs to another sweep: its jobs have {before.get(key) or f'no {key}'}, and "
                    f"{now.get(key) or f'no {key}'} in this command; choose another hydra.sweep.dir"
                )
        if before is None:
            write_json(file, now)

    def _tell(self, study: Study[Any], trial: Trial[Any], outcome: Outcome) -> None:
        """Tell the study an outcome. Failures are held back until a job ends well, or enough have failed."""
        if outcome.error is not None:
            shown = ", ".join(f"{key}={value}" for key, value in trial.choices.items())
            log.warning(f"Job {trial.number} failed: {outcome.error} ({shown})")
        if outcome.error is not None and study.best is None:
            self._held[trial.number] = (trial, outcome)
            return
        self._pass_on(study, trial, outcome)
        for held in self._held.values():
            self._pass_on(study, *held)
        self._held.clear()

    def _pass_on(self, study: Study[Any], trial: Trial[Any], outcome: Outcome) -> None:
        if outcome.error is not None:
            study.tell(trial, error="\n".join(filter(None, (outcome.error, outcome.traceback))))
        elif outcome.values is None:
            study.tell(trial, outcome.value)
        else:
            names = [metric.name for metric in self.settings.metrics]
            study.tell(trial, dict(zip(names, outcome.values, strict=True)))

    def _values(self, record: Record) -> list[float]:
        """Return the value of each objective of a job that ended well."""
        assert record.value is not None
        return [record.value, *(record.metrics[metric.name] for metric in self.settings.metrics[1:])]

    def _check_failures(self, study: Study[Any], is_end: bool = False) -> None:
        """End the sweep if too many jobs failed.

        Raises:
            UserError: Too many jobs failed.
        """
        if self._held and (is_end or len(self._held) >= FIRST):
            # The same command runs them again, with an app that works.
            self.outcomes.forget(self._held)
            number, (_, outcome) = next(reversed(self._held.items()))
            raise UserError(f"all of the first {len(self._held)} jobs failed; job {number}: {outcome.error}")
        limit = self.settings.max_failures
        failed = [record for record in study.history if record.error is not None]
        number_failed = len(failed) + len(self._held)
        if limit is not None and number_failed > limit:
            self.outcomes.forget(self._held)
            errors = [f"job {number}: {outcome.error}" for number, (_, outcome) in self._held.items()]
            errors = errors or [f"job {failed[-1].number}: {failed[-1].error}"]
            raise UserError(f"{KEY}.max_failures={limit}: {number_failed} jobs failed; {errors[-1]}")

    def _write_best(self, study: Study[Any]) -> None:
        """Write the best overrides, or the front, in the forms of Hydra's other sweepers, if they have changed.

        Raises:
            UserError: The file cannot be written.
        """
        several = len(self.settings.metrics) > 1
        best = study.front if several else [] if study.best is None else [study.best]
        if best == self._best:
            return
        new = [record for record in best if record not in self._best]
        self._best = best
        params = {record.index: study.trial_of(record).choices for record in best}
        results: dict[str, Any] = {"name": "seminas"}
        if several:
            for record in new:
                named = zip(self.settings.metrics, self._values(record), strict=True)
                shown = ", ".join(f"{metric.name} {value}" for metric, value in named)
                log.info(f"On the front: {shown} of job {record.number}, {json.dumps(params[record.index])}")
            log.info(f"Number of Pareto solutions: {len(best)}")
            results["solutions"] = [{"params": params[r.index], "values": self._values(r)} for r in best]
        else:
            (record,) = best
            chosen, value = params[record.index], record.value
            log.info(f"Best value: {value} of job {record.number}, {json.dumps(chosen)}")
            results |= {"best_params": chosen, "best_value": value}
            results |= {"best_evaluated_params": chosen, "best_evaluated_result": value}
        write_file(self.folder / RESULTS_FILE, OmegaConf.to_yaml(OmegaConf.create(results)).encode())
