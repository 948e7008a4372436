"""What strategies with a controller share: fitting it on what the search knows, and ranking by it."""

import time

import numpy as np

from seminas.controller.fit import Controller, ControllerSettings, fit_controller
from seminas.errors import config_error
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.base import Strategy


class ControllerStrategy(Strategy[A]):
    """Fits a controller anew in each round, on all labels and on pseudo-labels of a fixed number of others."""

    def __init__(
        self, space: SearchSpace[A], seed: int, controller: ControllerSettings, pseudo_label_ratio: float
    ) -> None:
        """Set up the strategy.

        Args:
            space: Where to search.
            seed: Of all randomness.
            controller: The model and how it is fitted.
            pseudo_label_ratio: M / N, pseudo-labeled architectures in each round for each one of the
                first, random round; 0 is NAO (Luo et al., NeurIPS 2018).
        """
        super().__init__(space, seed)
        if pseudo_label_ratio < 0:
            raise config_error("search.pseudo_label_ratio", pseudo_label_ratio, "at least 0")
        self.settings = controller
        self.pseudo_label_ratio = pseudo_label_ratio

    def fit(self, rng: np.random.Generator) -> tuple[Controller[A], dict[A, float], dict[A, float]] | None:
        """Fit a controller on what was told.

        Returns:
            The controller, the labeled architectures and the pseudo-labeled ones with their accuracies, as fractions;
            None where fewer than two are labeled.
        """
        labeled = self.labeled
        if len(labeled) < 2:
            return None
        start = time.perf_counter()
        unlabeled = self.space.sample(
            round(self.pseudo_label_ratio * self.first_size), rng, exclude=self.told
        )
        controller, pseudo = fit_controller(
            self.space,
            self.settings,
            list(labeled),
            np.array(list(labeled.values())),
            (self.seed, self.round),
            unlabeled,
        )
        self.metrics = {"fit_s": time.perf_counter() - start}
        return controller, labeled, dict(zip(unlabeled, pseudo.tolist(), strict=True))


def ranked(controller: Controller[A], architectures: list[A]) -> list[A]:
    """Return architectures by their predicted accuracy, best first, ties in the order given."""
    predictions = controller.predict(architectures)
    return [architectures[i] for i in np.argsort(-predictions, kind="stable")]
