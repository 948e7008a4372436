"""An Optuna sweeper that can resume its study. Hydra finds sweepers only in the package hydra_plugins."""

from pathlib import Path
from typing import Any

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.seminas_optional import optional_base
from seminas.sweeps.folder import SweepFolder

OptunaSweeper = optional_base("hydra_plugins.hydra_optuna_sweeper.optuna_sweeper", "OptunaSweeper")


class StudySweeper(OptunaSweeper):  # type: ignore[misc, valid-type]
    """The sweeper of hydra-optuna-sweeper, extended to make the sweep's folder and to resume the study in it.

    ``n_trials`` counts the trials of the whole study. If a sweep was killed, its unfinished trials are tried first.
    They resume in their run folders.
    """

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Set up the base class, and keep the config."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self._config: Any = config

    def sweep(self, arguments: list[str]) -> None:
        """Run the remaining trials of the study.

        Raises:
            UserError: Another process holds the sweep's folder, or it cannot be written.
        """
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
            if trials and sampler.get("seed") is not None:  # Do not draw the same trials again.
                inner.sampler = instantiate(sampler, seed=sampler.seed + len(trials))
            super().sweep(arguments)
