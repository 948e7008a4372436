"""Evolution with SemiNAS: the controller selects some of many children (Luo et al., NeurIPS 2020, section 4)."""

from collections.abc import Collection, Sequence

import numpy as np

from seminas.config.controller import ControllerSettings
from seminas.config.strategies import EvolutionSettings, SemiNASEvolutionSettings
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.base import Proposal
from seminas.strategies.controlled import ControllerStrategy, Fit, predictions_of, ranked
from seminas.strategies.evolution import Evolution
from seminas.strategies.fitted import check_transfer


class SemiNASEvolution(ControllerStrategy[A]):
    """Strategy in which regularized evolution proposes children and the controller selects the best children.

    In an asynchronous search, a child is never an architecture that is being evaluated, as in steady-state evolution.
    """

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
        check_transfer(space, settings)
        self.settings = settings
        sizes = EvolutionSettings(
            population_size=settings.population_size, tournament_size=settings.tournament_size
        )
        self.evolution = Evolution(space, seed, sizes)

    def round_ended(self, architectures: Sequence[A]) -> None:
        """Pass the accuracies of a round on to the evolution."""
        self.evolution.tell(architectures, [self.told[a] for a in architectures])

    def revise(self, architectures: Sequence[A], accuracies: Sequence[float | None]) -> None:
        """Replace the accuracies of architectures that the strategy received earlier."""
        super().revise(architectures, accuracies)
        self.evolution.revise(architectures, accuracies)

    def choose(self, n: int, fit: Fit, rng: np.random.Generator) -> tuple[list[A], dict[A, str]]:
        """Return the ``n`` children with the highest predicted accuracy."""
        children = self.evolution.children(self.settings.children * n, rng, self.taken)
        chosen = ranked(fit.controller, children)[:n]
        return chosen, dict.fromkeys(chosen, "children")

    def propose_more_fitted(self, n: int, pending: Collection[A], rng: np.random.Generator) -> Proposal[A]:
        """Propose the best of further children, predicted by the controller of this round."""
        controller = self.controller_of_round
        children = self.evolution.children(self.settings.children * n, rng, self.known(pending))
        chosen = ranked(controller, children)[:n]
        return Proposal(chosen, predictions_of(controller, chosen), origins=dict.fromkeys(chosen, "children"))
