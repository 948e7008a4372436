"""Base class of strategies with a controller. It fits the controller on all labels in each round."""

import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seminas.config.controller import ControllerSettings
from seminas.controller.device import check_device
from seminas.controller.fit import fit_controller
from seminas.controller.fitted import Controller
from seminas.errors import config_error
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.base import Proposal, RoundSizes
from seminas.strategies.fitted import FittedStrategy
from seminas.strategies.front import gains_of_predictions
from seminas.strategies.goals import Goals

ROUND_SIZES = RoundSizes(first=25, step=5, growth=0.4)
UNLABELED = 1
"""Part of the seed of the random generator that draws unlabeled architectures.

The drawing is independent of other random numbers, so a resumed search can repeat the fit of an earlier round.
"""


class Fit(NamedTuple):
    """A fitted controller and its training data.

    Attributes:
        controller: Fitted controller.
        labeled: Accuracy of each labeled architecture, a fraction.
        pseudo_labeled: Predicted accuracy of each pseudo-labeled architecture, a fraction.
        seconds: Duration of the fit, in seconds.
    """

    controller: Controller[Any]
    labeled: dict[Any, float]
    pseudo_labeled: dict[Any, float]
    seconds: float = 0.0


class ControllerStrategy(FittedStrategy[A]):
    """Base class of strategies that fit a controller in each round.

    The controller learns from all labeled architectures and from a fixed number of pseudo-labeled architectures.
    """

    decodes = True
    """Whether the student has a decoder, which learns to write architectures."""

    def __init__(
        self, space: SearchSpace[A], seed: int, controller: ControllerSettings, pseudo_label_ratio: float
    ) -> None:
        """Initialize the strategy.

        Args:
            space: Search space.
            seed: Seed of all random numbers.
            controller: Settings of the controller's networks and of their training.
            pseudo_label_ratio: M / N, ratio between the number of pseudo-labeled architectures in each round and the
                number of architectures in the first, random round. With 0, SemiNAS is NAO (Luo et al., NeurIPS 2018).

        Raises:
            UserError: The settings ask for a GPU, and there is none.
        """
        check_device(controller)
        super().__init__(space, seed)
        self.round_sizes = ROUND_SIZES
        self.controller = controller
        self.pseudo_label_ratio = pseudo_label_ratio
        self._last: tuple[int, Controller[A]] | None = None
        self._of_round: Controller[A] | None = None

    def propose_fitted(self, n: int, rng: np.random.Generator) -> Proposal[A]:
        """Fit a controller, and propose the architectures that ``choose`` selects with it."""
        fit = self.fit()
        self._of_round = fit.controller
        chosen, origins = self.choose(n, fit, rng)
        return Proposal(chosen, predictions_of(fit.controller, chosen), {"fit_s": fit.seconds}, origins)

    @property
    def controller_of_round(self) -> Controller[A]:
        """Controller of the last fit."""
        assert self._of_round is not None
        return self._of_round

    @abstractmethod
    def choose(self, n: int, fit: Fit, rng: np.random.Generator) -> tuple[list[A], dict[A, str]]:
        """Return ``n`` new architectures, and the origin of each (see ``Proposal``)."""

    def revise(self, architectures: Sequence[A], accuracies: Sequence[float | None]) -> None:
        """Replace the accuracies of architectures that the strategy received earlier.

        Raises:
            UserError: ``controller.warm_start`` is true. Then a resumed search must repeat the fits of earlier rounds,
                but the accuracies of these fits no longer exist.
        """
        if self.controller.warm_start:
            raise config_error("controller.warm_start", True, "false with an evaluator that measures again")
        super().revise(architectures, accuracies)

    def gains(
        self,
        goals: Goals[A],
        labeled: Mapping[A, float],
        controller: Controller[A],
        architectures: Sequence[A],
        scores: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return the hypervolume improvement of architectures if each member's prediction were true, ``[E, n]``.

        Args:
            goals: Several objectives, of which the evaluator's metric is the only measured one.
            labeled: Score of each labeled architecture in this metric.
            controller: Controller of E members.
            architectures: The architectures.
            scores: The members' scores of the architectures, ``[E, n]``.
        """
        predicted = np.stack([controller.targets.accuracies(of_member) for of_member in scores])
        num_first = sum(a in labeled for a in self.first_round)
        return gains_of_predictions(goals, labeled, num_first, architectures, predicted)

    def fit(self) -> Fit:
        """Fit a controller on the accuracies so far. At least two accuracies must exist.

        With ``controller.warm_start``, the fit starts from the controller of the last round. After a resume, this
        method first repeats the fits of earlier rounds.
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
        """Fit the controller of round ``number`` on the accuracies of earlier rounds.

        Return None if fewer than two architectures have an accuracy.
        """
        told = dict(list(self.told.items())[: self.ends[number - 1]])
        labeled = {a: accuracy for a, accuracy in told.items() if accuracy is not None}
        if len(labeled) < 2:
            return None
        num_random = self.sizes[0] if self.sizes else self.ends[0]
        num_unlabeled = round(self.pseudo_label_ratio * num_random)
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


def predictions_of(controller: Controller[A], architectures: list[A]) -> dict[A, float]:
    """Return the predicted accuracy of each architecture, a fraction."""
    predicted = controller.predict(architectures).tolist() if architectures else []
    return dict(zip(architectures, predicted, strict=True))


def ranked(controller: Controller[A], architectures: list[A]) -> list[A]:
    """Return architectures in the order of their predicted accuracy, best first. Ties keep their given order."""
    scores = controller.mean_scores(architectures)
    return [architectures[i] for i in np.argsort(-scores, kind="stable")]
