"""SemiNAS on evolution: the semi-supervised controller picks among many children (Luo et al., section 4)."""

from collections.abc import Sequence

import numpy as np

from seminas.config.controller import ControllerSettings
from seminas.config.strategies import EvolutionSettings, SemiNASEvolutionSettings
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.controlled import ControllerStrategy, Fit, ranked
from seminas.strategies.evolution import Evolution


class SemiNASEvolution(ControllerStrategy[A]):
    """Regularized evolution proposes children, and the controller picks those that are evaluated."""

    decodes = False

    def __init__(
        self,
        space: SearchSpace[A],
        seed: int,
        settings: SemiNASEvolutionSettings,
        controller: ControllerSettings,
        pseudo_label_ratio: float,
    ) -> None:
        super().__init__(space, seed, controller, pseudo_label_ratio)
        self.settings = settings
        sizes = EvolutionSettings(
            population_size=settings.population_size, tournament_size=settings.tournament_size
        )
        self.evolution = Evolution(space, seed, sizes)

    def tell(self, architectures: Sequence[A], accuracies: Sequence[float | None]) -> None:
        """Take in a round."""
        super().tell(architectures, accuracies)
        self.evolution.tell(architectures, accuracies)

    def revise(self, architectures: Sequence[A], accuracies: Sequence[float | None]) -> None:
        """Take in new accuracies of architectures told earlier."""
        super().revise(architectures, accuracies)
        self.evolution.revise(architectures, accuracies)

    def choose(self, n: int, fit: Fit, rng: np.random.Generator) -> tuple[list[A], dict[str, float]]:
        """Return the children that are predicted best."""
        children = self.evolution.children(self.settings.children * n, rng)
        return ranked(fit.controller, children)[:n], {}
