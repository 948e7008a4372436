"""What strategies with a controller share: fitting it on all labels, and ranking by it."""

import time
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from seminas.config.controller import ControllerSettings
from seminas.controller.fit import fit_controller
from seminas.controller.fitted import Controller
from seminas.errors import config_error
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.base import FittedStrategy, Proposal, RoundSizes

ROUND_SIZES = RoundSizes(first=25, step=5, growth=0.4)
UNLABELED = 1
"""Marks the random numbers that draw unlabeled architectures, in a round that may have to be fitted again."""


class Fit(NamedTuple):
    """A controller with the architectures that it was fitted on.

    Attributes:
        controller: The fitted controller.
        labeled: Architectures with their accuracies, fractions.
        pseudo_labeled: Architectures with their predicted accuracies, fractions.
        seconds: Time that the fit took.
    """

    controller: Controller[Any]
    labeled: dict[Any, float]
    pseudo_labeled: dict[Any, float]
    seconds: float = 0.0


class ControllerStrategy(FittedStrategy[A]):
    """Fits a controller in each round, on all labels and on pseudo-labels of a fixed number of others."""

    decodes = True
    """Whether the student learns to write architectures."""

    def __init__(
        self, space: SearchSpace[A], seed: int, controller: ControllerSettings, pseudo_label_ratio: float
    ) -> None:
        """Set up the strategy.

        Args:
            space: The candidates.
            seed: Of all randomness.
            controller: The controller's networks and how they are fitted.
            pseudo_label_ratio: M / N, pseudo-labeled architectures in each round for each architecture of the first,
                random round; 0 is NAO (Luo et al., NeurIPS 2018).
        """
        super().__init__(space, seed)
        self.round_sizes = ROUND_SIZES
        self.controller = controller
        self.pseudo_label_ratio = pseudo_label_ratio
        self._last: tuple[int, Controller[A]] | None = None

    def propose(self, n: int, rng: np.random.Generator) -> Proposal[A]:
        """Propose the architectures that ``choose`` picks by a fitted controller."""
        fit = self.fit()
        chosen, metrics = self.choose(n, fit, rng)
        predictions = dict(zip(chosen, fit.controller.predict(chosen).tolist(), strict=True))
        return Proposal(chosen, predictions, {"fit_s": fit.seconds, **metrics})

    @abstractmethod
    def choose(self, n: int, fit: Fit, rng: np.random.Generator) -> tuple[list[A], dict[str, float]]:
        """Return ``n`` new architectures, and numbers for the loggers."""

    def revise(self, architectures: Sequence[A], accuracies: Sequence[float | None]) -> None:
        """Take in new accuracies of architectures told earlier.

        Raises:
            UserError: The controller starts from earlier rounds' controllers. After a resume these could not be fitted
                again, since the accuracies that they were fitted on are gone.
        """
        if self.controller.warm_start:
            raise config_error("controller.warm_start", True, "false with an evaluator that measures again")
        super().revise(architectures, accuracies)

    def fit(self) -> Fit:
        """Fit a controller on the accuracies told, at least two.

        With ``controller.warm_start`` it goes on from the last round's controller. After a resume the earlier rounds
        are fitted again.
        """
        start = time.perf_counter()
        if self.controller.warm_start:
            done = 0 if self._last is None else self._last[0]
            for earlier in range(done + 1, self.round):
                self._fit(earlier)
        fit = self._fit(self.round)
        assert fit is not None
        return fit._replace(seconds=time.perf_counter() - start)

    def _fit(self, number: int) -> Fit | None:
        """Fit the controller of a round on the accuracies told before it."""
        told = dict(list(self.told.items())[: self.ends[number - 1]])
        labeled = {a: accuracy for a, accuracy in told.items() if accuracy is not None}
        if len(labeled) < 2:
            return None
        num_unlabeled = round(self.pseudo_label_ratio * self.ends[0])
        rng = np.random.default_rng([self.seed, number, UNLABELED])
        unlabeled = self.space.sample(num_unlabeled, rng, exclude=told)
        controller, pseudo = fit_controller(
            self.space,
            self.controller,
            list(labeled),
            np.array(list(labeled.values())),
            (self.seed, number),
            unlabeled,
            start=None if self._last is None else self._last[1],
            decode=self.decodes,
        )
        if self.controller.warm_start:
            self._last = number, controller
        return Fit(controller, labeled, dict(zip(unlabeled, pseudo.tolist(), strict=True)))


def ranked(controller: Controller[A], architectures: list[A]) -> list[A]:
    """Return architectures by their predicted accuracy, best first, ties in the order given."""
    scores = controller.mean_scores(architectures)
    return [architectures[i] for i in np.argsort(-scores, kind="stable")]
