"""The sweeper that ``hydra/sweeper=seminas`` selects in any Hydra app. Hydra finds sweepers only in hydra_plugins.

Each Hydra app imports this module at its start, also those that never use it. So it imports seminas only in functions.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException


@dataclass
class SeminasSweeperConf:
    """Default settings of the sweeper. The sweeper checks their values itself, for errors of one line."""

    _target_: str = "hydra_plugins.seminas_app_sweeper.SeminasSweeper"
    strategy: Any = "seminas"
    settings: Any = None
    direction: Any = "maximize"
    objectives: Any = None
    seed: Any = 0
    max_queries: Any = 50
    n_jobs: Any = 1
    max_failures: Any = None
    space: Any = None
    params: Any = None


ConfigStore.instance().store(
    group="hydra/sweeper", name="seminas", node=SeminasSweeperConf, provider="seminas"
)


class SeminasSweeper(Sweeper):
    """A sweeper that searches for the best overrides of a Hydra app with a strategy of seminas."""

    def __init__(self, **settings: Any) -> None:
        """Keep the settings of ``SeminasSweeperConf``."""
        self._settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what the jobs need. The launcher is made later, after all checks."""
        self.hydra_context, self.config, self._task = hydra_context, config, task_function

    def sweep(self, arguments: list[str]) -> Any:
        """Search until there are enough jobs.

        If the user can correct an error, print one line and exit with status 2. Hydra would print a traceback.

        Returns:
            The best value that the app returned, or None. With several objectives, the values on the front.
        """
        from seminas.commands.job import fail
        from seminas.errors import UserError

        try:
            return self._run(arguments)
        except (UserError, HydraException, OmegaConfBaseException) as error:
            fail(error)
        except KeyboardInterrupt:
            folder = self.config.hydra.sweep.dir if self.config is not None else ""
            print(f"interrupted: the same command with hydra.sweep.dir={folder} goes on", file=sys.stderr)
            sys.exit(130)

    def _run(self, arguments: list[str]) -> float | list[list[float]] | None:
        import numpy as np

        from hydra_plugins.seminas_launchers import outlasting
        from seminas.commands.app_function import check_returns
        from seminas.commands.app_jobs import AppJobs, RecordedTask
        from seminas.commands.app_settings import SweepSettings, swept_space
        from seminas.commands.app_sweep import AppSweep
        from seminas.config.swept import read_overrides

        assert self.config is not None and self.hydra_context is not None
        settings = SweepSettings.checked(self._settings)
        check_returns(self._task, settings)
        params = [f"{key}={value}" for key, value in (self._settings["params"] or {}).items()]
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        swept = read_overrides(parser.parse_overrides([*params, *arguments]))
        space = swept_space(swept, self._settings["space"], str(self.config.hydra.job.name))
        first = space.choices(*space.sample(1, np.random.default_rng(settings.seed)))
        for job in swept.kinds_of_jobs(first):
            self._compose(job)
        sweep = AppSweep(settings, swept, space, Path(self.config.hydra.sweep.dir).absolute())
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=self.hydra_context,
            task_function=RecordedTask(self._task, sweep.outcomes),
            config=self.config,
        )
        jobs = AppJobs(outlasting(launcher), sweep.outcomes, self._compose)
        return sweep.run(jobs.launch, OmegaConf.to_yaml(self.config))

    def _compose(self, job: Sequence[str]) -> None:
        """Compose the config of a job, which raises an error if its overrides do not fit the app."""
        assert self.config is not None and self.hydra_context is not None
        self.hydra_context.config_loader.load_sweep_config(self.config, list(job))
