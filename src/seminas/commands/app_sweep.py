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
from seminas.config.names import SWEEP_FILE
from seminas.config.swept import Swept
from seminas.errors import UserError
from seminas.loop.study import Trial
from seminas.runs.records import Record
from seminas.spaces.dictionary import DictionarySpace
from seminas.storage.files import write_file, write_json
from seminas.storage.typed import read_typed
from seminas.sweeps.outcomes import Outcome, Outcomes

STUDY, RESULTS_FILE, FIXED_FILE, OUTCOMES = "study", "optimization_results.yaml", "fixed.json", "outcomes"
"""Names in the folder of a sweep, and in the folder of its study."""
METRIC = "objective"
FIRST = 5
"""A sweep ends if all of its first jobs failed. So many jobs are enough to say that the app does not work."""
Launch = Callable[[Mapping[int, list[str]]], Mapping[int, Outcome]]
"""A function that runs jobs, given as overrides by number, and returns the outcome of each."""
log = logging.getLogger(__name__)


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
        self.outcomes = Outcomes((folder / STUDY / OUTCOMES).absolute())
        self._held: dict[int, tuple[Trial[Any], Outcome]] = {}
        self._best: Record | None = None

    def run(self, launch: Launch, config_yaml: str) -> Record | None:
        """Run the jobs that are missing.

        Args:
            launch: Function that runs jobs.
            config_yaml: Config of the sweep, which the folder keeps.

        Returns:
            The best evaluation. None if no job has ended well.

        Raises:
            UserError: The folder belongs to another sweep, an app returns several values, or too many jobs failed.
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
                self._refuse_several(ended)
                for trial in trials:
                    self._tell(study, trial, ended[trial.number])
                self._check_failures(study)
                self._write_best(study)
            self._check_failures(study, is_end=True)
            self._write_best(study)
            return study.best

    @contextmanager
    def _study(self) -> Iterator[Study[Any]]:
        """Yield the study in the folder of the sweep.

        Raises:
            UserError: The folder belongs to another sweep, or another process works in it.
        """
        settings = self.settings
        study: Study[Any] = Study(
            self.space,
            settings.strategy,
            settings.seed,
            self.folder / STUDY,
            metric=METRIC,
            direction=settings.direction,
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

    def _refuse_several(self, ended: Mapping[int, Outcome]) -> None:
        several = {number: outcome for number, outcome in ended.items() if outcome.is_several}
        for number, outcome in several.items():
            self.outcomes.forget(several)
            raise UserError(f"job {number}: {outcome.error}, because an app has one objective")

    def _tell(self, study: Study[Any], trial: Trial[Any], outcome: Outcome) -> None:
        """Tell the study an outcome. Failures are held back until a job ends well, or enough have failed."""
        if outcome.error is not None:
            shown = ", ".join(f"{key}={value}" for key, value in trial.choices.items())
            log.warning(f"Job {trial.number} failed: {outcome.error} ({shown})")
        if outcome.error is not None and study.best is None:
            self._held[trial.number] = (trial, outcome)
            return
        _tell(study, trial, outcome)
        for held in self._held.values():
            _tell(study, *held)
        self._held.clear()

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
        """Write the best overrides in the forms of Hydra's other sweepers, if they have changed.

        Raises:
            UserError: The file cannot be written.
        """
        best = study.best
        if best is None or best == self._best:
            return
        self._best = best
        params, value = study.trial_of(best).choices, best.value
        log.info(f"Best value: {value} of job {best.number}, {json.dumps(params)}")
        results = {
            "name": "seminas",
            "best_params": params,
            "best_value": value,
            "best_evaluated_params": params,
            "best_evaluated_result": value,
        }
        write_file(self.folder / RESULTS_FILE, OmegaConf.to_yaml(OmegaConf.create(results)).encode())


def _tell(study: Study[Any], trial: Trial[Any], outcome: Outcome) -> None:
    if outcome.error is None:
        study.tell(trial, outcome.value)
    else:
        study.tell(trial, error="\n".join(filter(None, (outcome.error, outcome.traceback))))
