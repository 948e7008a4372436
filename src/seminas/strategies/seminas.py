"""SemiNAS (Luo et al., NeurIPS 2020, algorithm 1), and NAO, which is SemiNAS without pseudo-labels."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from seminas.config.controller import ControllerSettings
from seminas.config.strategies import SemiNASSettings
from seminas.controller.fitted import Controller
from seminas.controller.generate import improve
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.controlled import ControllerStrategy, Fit

DIGITS = 3
"""Number of decimals of a score. Architectures are alike if every member gives them the same rounded score."""


class SemiNAS(ControllerStrategy[A]):
    """Strategy that fits a controller on labeled and pseudo-labeled architectures, and follows its head's gradient.

    The first round is random. Later rounds are also random until two architectures have an accuracy. In other rounds,
    gradient steps give one part of the architectures. The controller's members select the other part: the members take
    turns, and each member selects the candidate with its highest score. A member is similar to a random draw from the
    functions that fit the labels. So this selection explores like Thompson sampling (White et al., AAAI 2021). If all
    members give several architectures the same scores, a round takes only one of them.
    """

    def __init__(
        self,
        space: SearchSpace[A],
        seed: int,
        settings: SemiNASSettings,
        controller: ControllerSettings,
        pseudo_label_ratio: float,
    ) -> None:
        super().__init__(space, seed, controller, pseudo_label_ratio)
        self.settings = settings

    def choose(self, n: int, fit: Fit, rng: np.random.Generator) -> tuple[list[A], dict[str, float]]:
        """Return architectures from gradient steps and favorites of the members.

        Random new architectures follow if these are too few. The metric is the number from gradient steps.
        """
        controller = fit.controller
        made = self._improved(controller, {**fit.labeled, **fit.pseudo_labeled}, n)
        candidates = self._candidates(made, fit.pseudo_labeled, rng)
        scores = controller.scores(candidates)
        choice = _Choice(candidates, scores, self.told)
        row_of = {a: row for row, a in enumerate(candidates)}
        choice.take(n - round(self.settings.favorites * n), [row_of[a] for a in made])
        metrics = {"from_gradient": float(len(choice.rows))}
        orders = np.argsort(-scores, axis=1, kind="stable")
        for k in range(n - len(choice.rows)):
            choice.take(1, orders[(self.round + k) % len(orders)])
        return self.filled([candidates[row] for row in choice.rows], n, rng), metrics

    def _improved(self, controller: Controller[A], accuracies: dict[A, float], n: int) -> list[A]:
        """Return new architectures from gradient steps.

        The steps start from the architectures with the best labels and pseudo-labels. With the setting ``better``,
        the architecture with the best prediction comes first. Otherwise the order is the order of the steps.
        """
        if self.settings.favorites == 1:
            return []
        seeds = sorted(accuracies, key=lambda a: -accuracies[a])[: self.settings.num_seeds]
        wanted = round(self.settings.overgenerate * n)
        return improve(controller, seeds, wanted, self.told, self.settings)

    def _candidates(self, made: list[A], pseudo: dict[A, float], rng: np.random.Generator) -> list[A]:
        """Return the candidates of a round.

        These are all architectures of the space if it has at most ``pool`` of them. Otherwise the candidates also
        include the architectures from gradient steps and the pseudo-labeled architectures.
        """
        pool = self.settings.pool
        candidates = self.candidates(pool, rng)
        return candidates if self.sees_all(pool) else list(dict.fromkeys([*made, *pseudo, *candidates]))


class NAO(SemiNAS[A]):
    """SemiNAS without pseudo-labels (Luo et al., "Neural Architecture Optimization", NeurIPS 2018).

    The config sets the ratio of pseudo-labels to 0, and rejects other ratios.
    """


class _Choice:
    """Selection of candidates. If several candidates have the same scores (see ``DIGITS``), it takes only one of them.

    Attributes:
        rows: Row of each selected candidate, in the order of selection.
    """

    def __init__(self, candidates: list[A], scores: NDArray[np.float64], told: dict[A, float | None]) -> None:
        self.rows: list[int] = []
        self._candidates, self._told = candidates, told
        self._kind = np.unique(scores.round(DIGITS), axis=1, return_inverse=True)[1].reshape(-1)
        self._chosen_kinds: set[int] = set()

    def take(self, n: int, order: Iterable[int]) -> None:
        """Select ``n`` candidates, or fewer if the order has too few.

        A selected candidate is a new architecture, and its scores differ from the scores of all other selected ones.

        Args:
            n: Number of candidates to select.
            order: Rows of the candidates in the order of preference.
        """
        for row in order if n > 0 else ():
            if self._kind[row] not in self._chosen_kinds and self._candidates[row] not in self._told:
                self._chosen_kinds.add(self._kind[row])
                self.rows.append(int(row))
                n -= 1
                if n == 0:
                    break
