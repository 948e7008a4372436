"""SemiNAS, and NAO as its special case without pseudo-labels (Luo et al., NeurIPS 2020, algorithm 1)."""

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
"""The controller cannot tell architectures apart whose scores agree to so many decimals for every member."""


class SemiNAS(ControllerStrategy[A]):
    """Fits a controller on labeled and pseudo-labeled architectures, then climbs its head's gradient.

    The first round is random, and so is every round before two architectures have an accuracy. Part of each further
    round comes from the gradient. The rest are the favourites of the controller's members in turn. A member's
    prediction is a draw from the functions that fit the labels, so this explores as Thompson sampling does (White et
    al., AAAI 2021). Of architectures that all members predict alike a round takes one.
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
        """Return architectures that the gradient makes and that the members favour."""
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
        """Climb from the best; returns new architectures, best predicted first."""
        if self.settings.favorites == 1:
            return []
        seeds = sorted(accuracies, key=lambda a: -accuracies[a])[: self.settings.num_seeds]
        wanted = round(self.settings.overgenerate * n)
        return improve(controller, seeds, wanted, self.told, self.settings)

    def _candidates(self, made: list[A], pseudo: dict[A, float], rng: np.random.Generator) -> list[A]:
        """Return the architectures to choose from, with those that the gradient made."""
        pool = self.settings.pool
        candidates = self.candidates(pool, rng)
        return candidates if self.sees_all(pool) else list(dict.fromkeys([*made, *pseudo, *candidates]))


class NAO(SemiNAS[A]):
    """SemiNAS without pseudo-labels (Luo et al., "Neural Architecture Optimization", NeurIPS 2018).

    The config gives it a ratio of 0, and refuses any other.
    """


class _Choice:
    """Candidates chosen so far. Of candidates that the controller cannot tell apart only one is chosen.

    Attributes:
        rows: Of the candidates chosen.
    """

    def __init__(self, candidates: list[A], scores: NDArray[np.float64], told: dict[A, float | None]) -> None:
        self.rows: list[int] = []
        self._candidates, self._told = candidates, told
        self._kind = np.unique(scores.round(DIGITS), axis=1, return_inverse=True)[1].reshape(-1)
        self._chosen_kinds: set[int] = set()

    def take(self, n: int, order: Iterable[int]) -> None:
        """Choose the first ``n`` rows in an order whose candidates are new and unlike those chosen."""
        for row in order if n > 0 else ():
            if self._kind[row] not in self._chosen_kinds and self._candidates[row] not in self._told:
                self._chosen_kinds.add(self._kind[row])
                self.rows.append(int(row))
                n -= 1
                if n == 0:
                    break
