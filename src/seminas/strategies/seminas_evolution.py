"""Evolution with SemiNAS: the controller selects some of many children (Luo et al., NeurIPS 2020, section 4)."""

from collections.abc import Sequence

import numpy as np

from seminas.config.controller import ControllerSettings
from seminas.config.strategies import EvolutionSettings, SemiNASEvolutionSettings
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.controlled import ControllerStrategy, Fit, ranked
from seminas.strategies.evolution import Evolution


class SemiNASEvolution(ControllerStrategy[A]):
    """Strategy in which regularized evolution proposes children and the controller selects the best children."""

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
        """Receive the accuracies of a round."""
        super().tell(architectures, accuracies)
        self.evolution.tell(architectures, accuracies)

    def revise(self, architectures: Sequence[A], accuracies: Sequence[float | None]) -> None:
        """Replace the accuracies of architectures that the strategy received earlier."""
        super().revise(architectures, accuracies)
        self.evolution.revise(architectures, accuracies)

    def choose(self, n: int, fit: Fit, rng: np.random.Generator) -> tuple[list[A], dict[str, float]]:
        """Return the ``n`` children with the highest predicted accuracy."""
        children = self.evolution.children(self.settings.children * n, rng)
        return ranked(fit.controller, children)[:n], {}
