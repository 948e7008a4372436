"""Settings of fidelities: trainings of few epochs, of which the best go on."""

from dataclasses import dataclass
from typing import ClassVar

from seminas.config.fields import Settings, setting
from seminas.errors import config_error


@dataclass
class HalvingSettings(Settings):
    """Asynchronous successive halving (Li et al., MLSys 2020).

    Attributes:
        epochs: Numbers of epochs after which an architecture is measured, increasing. The last one is a full training.
            Null means all that the evaluator offers.
        reduction: η. The best 1/η of the architectures of a level train on to the next level.
    """

    KEY: ClassVar[str] = "fidelity"

    _target_: str = "seminas.strategies.halving.Halving"
    epochs: list[int] | None = setting(None, at_least=1, unit="epochs")
    reduction: float = setting(3.0, above=1)

    def check_together(self, key: str) -> None:
        """Refuse epochs that are no increasing list."""
        if self.epochs is not None and (
            len(self.epochs) < 2 or sorted(set(self.epochs)) != list(self.epochs)
        ):
            raise config_error(f"{key}.epochs", list(self.epochs), "an increasing list of two or more")


@dataclass
class HyperbandSettings(HalvingSettings):
    """Asynchronous Hyperband: several brackets of successive halving, which begin at different levels."""

    _target_: str = "seminas.strategies.hyperband.Hyperband"
