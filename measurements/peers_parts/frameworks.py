"""Other frameworks, each behind the same three methods. A framework that is not installed is left out.

All of them see a chain of choices as categorical parameters. They run with their own defaults, unless a docstring says
something else.
"""

import importlib.metadata
import logging
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

Choices = tuple[int, ...]


class Peer(Protocol):
    """A search of another framework. It maximizes."""

    def ask(self) -> Choices | None:
        """Return the next architecture, or None if the framework has none."""

    def tell(self, accuracy: float) -> None:
        """Take the accuracy of the architecture that ``ask`` returned last."""

    def add(self, choices: Choices, accuracy: float) -> None:
        """Take an architecture that the framework did not ask for."""


class Missing(Exception):
    """A framework that is not installed, or is installed in an old version. The message is one line."""


@dataclass(frozen=True)
class Method:
    """A method of another framework.

    Attributes:
        package: Package of the framework.
        make: Function that begins a search. Its arguments are the number of choices at each position, the seed, the
            number of evaluations, and a folder for the framework's files.
    """

    package: str
    make: Callable[[Sequence[int], int, int, Path], Peer]

    def version(self) -> str:
        """Return the name and the version of the framework.

        Raises:
            Missing: It is not installed, or is installed in an old version.
        """
        try:
            version = importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError as error:
            raise Missing(f"{self.package} is not installed; pip install 'seminas[peers]'") from error
        if self.make is _optuna_gp and int(version.split(".")[0]) < 4:
            raise Missing(f"{self.package} {version} is too old for it; it needs version 4")
        return f"{self.package} {version}"


class _Optuna:
    """A study of Optuna with a sampler."""

    def __init__(self, sampler: Any, num_choices: Sequence[int]) -> None:
        import optuna

        self._choices = {f"p{i}": list(range(n)) for i, n in enumerate(num_choices)}
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._trial: Any = None

    def ask(self) -> Choices | None:
        self._trial = self._study.ask()
        return tuple(self._trial.suggest_categorical(name, values) for name, values in self._choices.items())

    def tell(self, accuracy: float) -> None:
        self._study.tell(self._trial, accuracy)

    def add(self, choices: Choices, accuracy: float) -> None:
        self._study.enqueue_trial(dict(zip(self._choices, choices, strict=True)))
        self.ask()
        self.tell(accuracy)


def _quiet_optuna() -> Any:
    """Return the module ``optuna``, which then prints errors only."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna


def _optuna_tpe(num_choices: Sequence[int], seed: int, queries: int, folder: Path) -> Peer:
    optuna = _quiet_optuna()
    return _Optuna(optuna.samplers.TPESampler(seed=seed), num_choices)


def _optuna_gp(num_choices: Sequence[int], seed: int, queries: int, folder: Path) -> Peer:
    """Begin a search of the GPSampler, with ``deterministic_objective``.

    A second evaluation of an architecture has the same accuracy here, and the default does not know this. It asks for
    the best architecture so far again and again.
    """
    optuna = _quiet_optuna()
    return _Optuna(optuna.samplers.GPSampler(seed=seed, deterministic_objective=True), num_choices)


class _Smac:
    """A facade of SMAC."""

    def __init__(
        self, facade: str, num_choices: Sequence[int], seed: int, queries: int, folder: Path
    ) -> None:
        import smac
        from ConfigSpace import Categorical, ConfigurationSpace

        logging.getLogger("smac").setLevel(logging.ERROR)
        self._space = ConfigurationSpace(seed=seed)
        self._names = [f"p{i}" for i in range(len(num_choices))]
        choices = zip(self._names, num_choices, strict=True)
        self._space.add([Categorical(name, list(range(n))) for name, n in choices])
        scenario = smac.Scenario(
            self._space, deterministic=True, n_trials=queries, seed=seed, output_directory=folder
        )
        self._smac = getattr(smac, facade)(
            scenario, lambda config, seed=0: 0.0, overwrite=True, logging_level=False
        )
        self._info: Any = None

    def ask(self) -> Choices | None:
        try:
            self._info = self._smac.ask()
        except StopIteration:
            return None
        return tuple(int(self._info.config[name]) for name in self._names)

    def tell(self, accuracy: float) -> None:
        from smac.runhistory.dataclasses import TrialValue

        self._smac.tell(self._info, TrialValue(cost=-accuracy), save=False)

    def add(self, choices: Choices, accuracy: float) -> None:
        from ConfigSpace import Configuration
        from smac.runhistory.dataclasses import TrialInfo

        values = dict(zip(self._names, choices, strict=True))
        self._info = TrialInfo(Configuration(self._space, values=values), seed=0)
        self.tell(accuracy)


def _smac_forest(num_choices: Sequence[int], seed: int, queries: int, folder: Path) -> Peer:
    return _Smac("HyperparameterOptimizationFacade", num_choices, seed, queries, folder)


def _smac_gp(num_choices: Sequence[int], seed: int, queries: int, folder: Path) -> Peer:
    return _Smac("BlackBoxFacade", num_choices, seed, queries, folder)


class _Nevergrad:
    """Nevergrad's NGOpt, which chooses an optimizer by the parameters and the number of evaluations."""

    def __init__(self, num_choices: Sequence[int], seed: int, queries: int, folder: Path) -> None:
        import nevergrad

        parameters = nevergrad.p.Tuple(*(nevergrad.p.Choice(list(range(n))) for n in num_choices))
        parameters.random_state = np.random.RandomState(seed)
        self._error = nevergrad.errors.TellNotAskedNotSupportedError
        self._optimizer = nevergrad.optimizers.NGOpt(parameters, budget=queries)
        self._candidate: Any = None

    def ask(self) -> Choices | None:
        self._candidate = self._optimizer.ask()
        return tuple(self._candidate.value)

    def tell(self, accuracy: float) -> None:
        self._optimizer.tell(self._candidate, -accuracy)

    def add(self, choices: Choices, accuracy: float) -> None:
        self._candidate = self._optimizer.parametrization.spawn_child(new_value=choices)
        with suppress(self._error):  # Some optimizers take only what they asked for.
            self.tell(accuracy)


PEERS = {
    "optuna_tpe": Method("optuna", _optuna_tpe),
    "optuna_gp": Method("optuna", _optuna_gp),
    "smac_forest": Method("smac", _smac_forest),
    "smac_gp": Method("smac", _smac_gp),
    "nevergrad": Method("nevergrad", _Nevergrad),
}
