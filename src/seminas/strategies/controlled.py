"""What strategies with a controller share: fitting it on what the search knows, and ranking by it."""

import time
from collections.abc import Sequence

import numpy as np

from seminas.controller.fit import Controller, ControllerSettings, fit_controller
from seminas.errors import config_error
from seminas.plan import OwnSizes
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.base import Strategy

OWN_SIZES = OwnSizes(first=25, step=5, growth=0.4)
UNLABELED = 1
"""Marks the random numbers that draw unlabeled architectures, in a round that may have to be fitted again."""


class ControllerStrategy(Strategy[A]):
    """Fits a controller in each round, on all labels and on pseudo-labels of a fixed number of others."""

    decodes = True
    """Whether it wants architectures written."""

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
        self.own_sizes = OWN_SIZES
        self.settings = controller
        self.pseudo_label_ratio = pseudo_label_ratio
        self._last: tuple[int, Controller[A]] | None = None

    def revise(self, architectures: Sequence[A], accuracies: Sequence[float | None]) -> None:
        """Take in what architectures told earlier are worth by now.

        Raises:
            UserError: The controller goes on from earlier rounds', which after a resume could not be fitted again.
        """
        if self.settings.warm_start:
            raise config_error("controller.warm_start", True, "false with an evaluator that measures again")
        super().revise(architectures, accuracies)

    def fit(self) -> tuple[Controller[A], dict[A, float], dict[A, float]] | None:
        """Fit a controller on what was told.

        With ``controller.warm_start`` it goes on from the last round's, which after a resume is fitted again.

        Returns:
            The controller, the labeled architectures and the pseudo-labeled ones with their accuracies, as fractions;
            None where fewer than two are labeled.
        """
        if len(self.labeled) < 2:
            return None
        start = time.perf_counter()
        if self.settings.warm_start:
            done = 0 if self._last is None else self._last[0]
            for earlier in range(done + 1, self.round):
                self._fit(earlier)
        fitted = self._fit(self.round)
        self.metrics = {"fit_s": time.perf_counter() - start}
        return fitted

    def _fit(self, number: int) -> tuple[Controller[A], dict[A, float], dict[A, float]] | None:
        """Fit the controller of a round on what had been told before it."""
        told = dict(list(self.told.items())[: self.ends[number - 1]])
        labeled = {a: accuracy for a, accuracy in told.items() if accuracy is not None}
        if len(labeled) < 2:
            return None
        wanted = round(self.pseudo_label_ratio * self.ends[0])
        rng = np.random.default_rng([self.seed, number, UNLABELED])
        unlabeled = self.space.sample(wanted, rng, exclude=told)
        controller, pseudo = fit_controller(
            self.space,
            self.settings,
            list(labeled),
            np.array(list(labeled.values())),
            (self.seed, number),
            unlabeled,
            None if self._last is None else self._last[1],
            self.decodes,
        )
        if self.settings.warm_start:
            self._last = number, controller
        return controller, labeled, dict(zip(unlabeled, pseudo.tolist(), strict=True))


def ranked(controller: Controller[A], architectures: list[A]) -> list[A]:
    """Return architectures by their predicted accuracy, best first, ties in the order given."""
    scores = controller.mean_scores(architectures)
    return [architectures[i] for i in np.argsort(-scores, kind="stable")]
