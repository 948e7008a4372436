"""SemiNAS on evolution: the semi-supervised predictor picks among many children (Luo et al., section 4)."""

from collections.abc import Sequence

from seminas.controller.fit import ControllerSettings
from seminas.errors import check_at_least
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.controlled import ControllerStrategy, ranked
from seminas.strategies.evolution import Evolution


class SemiNASEvolution(ControllerStrategy[A]):
    """Regularized evolution proposes, the controller picks what is evaluated."""

    decodes = False

    def __init__(
        self,
        space: SearchSpace[A],
        seed: int,
        controller: ControllerSettings,
        pseudo_label_ratio: float,
        population_size: int = 50,
        tournament_size: int = 10,
        children: int = 20,
    ) -> None:
        """Set up the strategy.

        Args:
            space: Where to search.
            seed: Of all randomness.
            controller: The model and how it is fitted.
            pseudo_label_ratio: M / N, as of ``seminas``.
            population_size: As of ``evolution``, larger: a round has many children.
            tournament_size: As of ``evolution``.
            children: Proposed for each one that is evaluated.
        """
        super().__init__(space, seed, controller, pseudo_label_ratio)
        check_at_least("strategy", locals(), {"children": 1})
        self.evolution = Evolution(space, seed, population_size, tournament_size)
        self.num_children = children

    def tell(self, architectures: Sequence[A], accuracies: Sequence[float | None]) -> None:
        """Take in a round."""
        super().tell(architectures, accuracies)
        self.evolution.tell(architectures, accuracies)

    def ask(self, n: int) -> list[A]:
        """Return the children that are predicted best; at first, random architectures."""
        rng = self.rng()
        fitted = self.fit()
        if fitted is None:
            return self.space.sample(n, rng, exclude=self.told)
        controller, _, _ = fitted
        chosen = ranked(controller, self.evolution.children(self.num_children * n, rng))[:n]
        self.predictions = dict(zip(chosen, controller.predict(chosen).tolist(), strict=True))
        return chosen
