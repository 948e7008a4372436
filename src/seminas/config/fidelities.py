"""Settings of fidelities: trainings of few epochs, of which the best go on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from omegaconf import MISSING

from seminas.config.fields import Settings, setting
from seminas.errors import config_error

PARTS = (8, 4, 2, 1)
"""Parts of a full evaluation at the default levels of an evaluator."""


def levels_of(fidelities: Sequence[int] | None, full: int, key: str, name: str) -> tuple[int, ...]:
    """Return the levels of an evaluator, increasing. The last one is a full evaluation.

    Args:
        fidelities: Levels of the settings. None means an eighth, a fourth, a half and all of a full evaluation.
        full: Level of a full evaluation.
        key: Key of the setting with the levels.
        name: The full level in an error.

    Raises:
        UserError: The levels are no increasing list that ends with the full one.
    """
    if fidelities is None:
        return tuple(sorted({max(1, round(full / part)) for part in PARTS}))
    if sorted(set(fidelities)) != list(fidelities) or list(fidelities[-1:]) != [full]:
        raise config_error(key, list(fidelities), f"an increasing list whose last value is {name}")
    return tuple(fidelities)


@dataclass
class FidelitySettings(Settings):
    """Settings of every scheduler.

    Attributes:
        epochs: Numbers of epochs after which an architecture is measured, increasing. The last one is a full training.
            With a supernet, they are numbers of validation images. Null means all that the evaluator offers.
    """

    KEY: ClassVar[str] = "fidelity"

    _target_: str = MISSING
    epochs: list[int] | None = setting(None, at_least=1, unit="epochs")

    def check_together(self, key: str) -> None:
        """Refuse epochs that are no increasing list."""
        if self.epochs is not None and (
            len(self.epochs) < 2 or sorted(set(self.epochs)) != list(self.epochs)
        ):
            raise config_error(f"{key}.epochs", list(self.epochs), "an increasing list of two or more")


@dataclass
class HalvingSettings(FidelitySettings):
    """Asynchronous successive halving (Li et al., MLSys 2020).

    Attributes:
        reduction: η. The best 1/η of the architectures of a level train on to the next level.
    """

    _target_: str = "seminas.strategies.halving.Halving"
    reduction: float = setting(3.0, above=1)


@dataclass
class HyperbandSettings(HalvingSettings):
    """Asynchronous Hyperband: several brackets of successive halving, which begin at different levels."""

    _target_: str = "seminas.strategies.hyperband.Hyperband"


@dataclass
class ControllerFidelitySettings(FidelitySettings):
    """Choice of architecture and epochs together, by the expected improvement for its cost.

    Attributes:
        begin: Number of epochs of the first architectures. Null means the level before the full one.
        first: Number of architectures that begin before the process chooses.
        improvement: Part of the further architectures that the process chooses. The strategy chooses the others.
        pool: Largest space in which all architectures are candidates of the process. In a larger space, it climbs from
            random ones, neighbors of the best ones, and architectures from gradient steps of the strategy.
    """

    _target_: str = "seminas.strategies.fidelity_controller.FidelityController"
    begin: int | None = setting(None, at_least=1, unit="epochs")
    first: int = setting(10, at_least=2, unit="architectures")
    improvement: float = setting(0.4, at_least=0, at_most=1)
    pool: int = setting(20_000, at_least=0, unit="architectures")
