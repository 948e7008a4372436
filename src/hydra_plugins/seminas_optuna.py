"""Optuna's sweeper with a study that can go on. Hydra looks for sweepers in the package hydra_plugins alone."""

from pathlib import Path
from typing import Any

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.seminas_optional import optional_base
from seminas.sweeps.folder import SweepFolder

OptunaSweeper = optional_base("hydra_plugins.hydra_optuna_sweeper.optuna_sweeper", "OptunaSweeper")


class StudySweeper(OptunaSweeper):  # type: ignore[misc, valid-type]
    """The sweeper of hydra-optuna-sweeper, which makes its folder, and goes on with the study that it finds there.

    ``n_trials`` are those of the whole study. What was running when a sweep was killed is tried first, and goes on
    in its run folder.
    """

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """See the base class."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self._config: Any = config

    def sweep(self, arguments: list[str]) -> None:
        """Run the trials that are left."""
        import optuna
        from hydra.utils import instantiate
        from optuna.trial import TrialState

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        folder = SweepFolder(Path(self._config.hydra.sweep.dir))
        with folder.claim(OmegaConf.to_yaml(self._config)):
            inner = self.sweeper
            study = optuna.create_study(
                study_name=inner.study_name,
                storage=inner.storage,
                directions=inner._get_directions(),
                load_if_exists=True,
            )
            trials = study.trials
            for trial in trials:
                if trial.state == TrialState.RUNNING:
                    study.tell(trial.number, state=TrialState.FAIL)
                    study.enqueue_trial(trial.params)
            inner.n_trials -= sum(trial.state == TrialState.COMPLETE for trial in trials)
            sampler = self._config.hydra.sweeper.sampler
            if trials and sampler.get("seed") is not None:  # What was drawn is not to be drawn again.
                inner.sampler = instantiate(sampler, seed=sampler.seed + len(trials))
            super().sweep(arguments)
