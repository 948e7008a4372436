"""Evolution with SemiNAS: the controller selects some of many children (Luo et al., NeurIPS 2020, section 4)."""

from collections.abc import Collection, Sequence

import numpy as np

from seminas.config.controller import ControllerSettings
from seminas.config.strategies import EvolutionSettings, SemiNASEvolutionSettings
from seminas.controller.fitted import Controller
from seminas.errors import UserError
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.base import Labels, Proposal
from seminas.strategies.controlled import ControllerStrategy, Fit, predictions_of, ranked
from seminas.strategies.evolution import Evolution
from seminas.strategies.fitted import check_transfer
from seminas.strategies.goals import Goals


class SemiNASEvolution(ControllerStrategy[A]):
    """Strategy in which regularized evolution proposes children and the controller selects the best children.

    In an asynchronous search, a child is never an architecture that is being evaluated, as in steady-state evolution.

    With several objectives, the children are those of NSGA-II. The controller selects the children that improve the
    hypervolume most, in expectation over the predictions of its members. Only one objective may be measured.
    """

    takes_objectives = True
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

    def pursue(self, goals: Goals[A]) -> None:
        """Prepare for several objectives.

        Raises:
            UserError: More than one objective is measured.
        """
        super().pursue(goals)
        self.evolution.pursue(goals)
        if len(goals.objectives.measured) > 1:
            measured = ", ".join(metric.name for metric in goals.objectives.measured)
            raise UserError(
                f"{goals.objectives.key}: strategy SemiNASEvolution takes one measured objective, and {measured} are "
                "measured; gaussian_process and seminas take several"
            )

    def _best_children(self, controller: Controller[A], children: list[A]) -> list[A]:
        """Return children in the order of their predicted accuracy, or of the hypervolume improvement, best first."""
        if self.goals is None or not children:
            return ranked(controller, children)
        scores = controller.scores(children)
        gains = self.gains(self.goals, self.labeled, controller, children, scores).mean(axis=0)
        return [children[i] for i in np.argsort(-gains, kind="stable")]

    def round_ended(self, architectures: Sequence[A]) -> None:
        """Pass the accuracies of a round on to the evolution."""
        self.evolution.tell(architectures, [self.told[a] for a in architectures])

    def revise(self, architectures: Sequence[A], accuracies: Sequence[float | None]) -> None:
        """Replace the accuracies of architectures that the strategy received earlier."""
        super().revise(architectures, accuracies)
        self.evolution.revise(architectures, accuracies)

    def _labels_now(self) -> Labels:
        """Return copies of everything that the strategy and the evolution have received, see the base class."""
        return *super()._labels_now(), *self.evolution._labels_now()

    def _set_labels(self, labels: Labels) -> None:
        """Replace everything that the strategy and the evolution have received, see the base class."""
        super()._set_labels(labels[:3])
        self.evolution._set_labels(labels[3:])

    def choose(self, n: int, fit: Fit, rng: np.random.Generator) -> tuple[list[A], dict[A, str]]:
        """Return the ``n`` children with the highest predicted accuracy."""
        children = self.evolution.children(self.settings.children * n, rng, self.taken)
        chosen = self._best_children(fit.controller, children)[:n]
        return chosen, dict.fromkeys(chosen, "children")

    def propose_more_fitted(self, n: int, pending: Collection[A], rng: np.random.Generator) -> Proposal[A]:
        """Propose the best of further children, predicted by the controller of this round."""
        controller = self.controller_of_round
        children = self.evolution.children(self.settings.children * n, rng, self.known(pending))
        chosen = self._best_children(controller, children)[:n]
        return Proposal(chosen, predictions_of(controller, chosen), origins=dict.fromkeys(chosen, "children"))
