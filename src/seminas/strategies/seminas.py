"""SemiNAS, and NAO as its special case without pseudo-labels (Luo et al., NeurIPS 2020, algorithm 1)."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from seminas.controller.fit import Controller, ControllerSettings
from seminas.controller.generate import improve
from seminas.errors import check_at_least, config_error
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.controlled import ControllerStrategy

DIGITS = 3
"""Architectures whose scores agree to so many decimals for every member are one to the controller."""


class SemiNAS(ControllerStrategy[A]):
    """Fits a controller on labeled and pseudo-labeled architectures, then climbs its predictor's gradient.

    The first round, and any before two architectures have an accuracy, is random. Part of each further round comes from
    the gradient. The rest are the favourites of the controller's members in turn, among all architectures or a pool of
    them: a member's opinion is a draw from what the labels allow, so this explores as Thompson sampling does (White et
    al., AAAI 2021). Of architectures that all members see as one a round takes one.
    """

    def __init__(
        self,
        space: SearchSpace[A],
        seed: int,
        controller: ControllerSettings,
        pseudo_label_ratio: float,
        num_seeds: int = 100,
        step_size: float = 0.2,
        max_steps: int = 20,
        raw_gradient: bool = False,
        better: bool = True,
        favorites: float = 0.5,
        overgenerate: float = 2.0,
        pool: int = 20_000,
    ) -> None:
        """Set up the strategy.

        Args:
            space: Where to search.
            seed: Of all randomness.
            controller: The model and how it is fitted.
            pseudo_label_ratio: M / N, pseudo-labeled architectures in each round for each one of the
                first, random round; 0 is NAO (Luo et al., NeurIPS 2018).
            num_seeds: K, the best labeled and pseudo-labeled architectures that the gradient starts from.
            step_size: η of the first gradient step, and what it grows by.
            max_steps: Gradient steps at most; what is missing then is taken from the favourites.
            raw_gradient: Take the gradient as it is, and not only its direction.
            better: Drop what is predicted no better than where it came from.
            favorites: Fraction of a round that is the members' favourites.
            overgenerate: How many times the architectures wanted the gradient makes; the predictor picks.
            pool: A space of no more architectures is looked at as a whole for favourites; of a larger one so many at
                random, and the neighbours of the best so far.
        """
        super().__init__(space, seed, controller, pseudo_label_ratio)
        at_least = {"num_seeds": 1, "max_steps": 1, "overgenerate": 1, "pool": 0}
        check_at_least("strategy", locals(), at_least)
        if step_size <= 0:
            raise config_error("strategy.step_size", step_size, "above 0")
        if not 0 <= favorites <= 1:
            raise config_error("strategy.favorites", favorites, "from 0 to 1")
        self.num_seeds = num_seeds
        self.step_size = step_size
        self.max_steps = max_steps
        self.raw_gradient = raw_gradient
        self.better = better
        self.favorites = favorites
        self.overgenerate = overgenerate
        self.pool = pool

    def ask(self, n: int) -> list[A]:
        """Return the next round: random at first, then what the controller makes and favours."""
        rng = self.rng()
        fitted = self.fit()
        if fitted is None:
            return self.space.sample(n, rng, exclude=self.told)
        controller, labeled, pseudo = fitted
        made = self._improved(controller, {**labeled, **pseudo}, n)
        candidates = self._candidates(made, pseudo, rng)
        scores = controller.scores(candidates)
        taken = _Taken(candidates, scores, self.told)
        place = {a: i for i, a in enumerate(candidates)}
        taken.first(n - round(self.favorites * n), [place[a] for a in made])
        self.metrics["from_gradient"] = len(taken.rows)
        orders = np.argsort(-scores, axis=1, kind="stable")
        for k in range(n - len(taken.rows)):
            taken.first(1, orders[(self.round + k) % len(orders)])
        chosen = self.filled([candidates[i] for i in taken.rows], n, rng)
        self.predictions = dict(zip(chosen, controller.predict(chosen).tolist(), strict=True))
        return chosen

    def _improved(self, controller: Controller[A], accuracies: dict[A, float], n: int) -> list[A]:
        """Climb from the best; returns what is new, best predicted first."""
        if self.favorites == 1:
            return []
        seeds = sorted(accuracies, key=lambda a: -accuracies[a])[: self.num_seeds]
        wanted = round(self.overgenerate * n)
        return improve(
            controller,
            seeds,
            wanted,
            self.told,
            self.step_size,
            self.max_steps,
            self.raw_gradient,
            self.better,
        )

    def _candidates(self, made: list[A], pseudo: dict[A, float], rng: np.random.Generator) -> list[A]:
        """Return what is looked at, what the gradient made among it."""
        found = self.candidates(self.pool, rng)
        return found if self.sees_all(self.pool) else list(dict.fromkeys([*made, *pseudo, *found]))


class _Taken:
    """Candidates taken so far, no two of which are one to the controller as long as there are others."""

    def __init__(self, candidates: list[A], scores: NDArray[np.float64], told: dict[A, float | None]) -> None:
        self.rows: list[int] = []
        self._candidates, self._told = candidates, told
        self._alike = np.unique(scores.round(DIGITS), axis=1, return_inverse=True)[1].reshape(-1)
        self._kinds: set[int] = set()

    def first(self, n: int, order: Iterable[int]) -> None:
        """Take the first ``n`` in an order that can be taken."""
        for i in order if n > 0 else ():
            if self._alike[i] not in self._kinds and self._candidates[i] not in self._told:
                self._kinds.add(self._alike[i])
                self.rows.append(int(i))
                n -= 1
                if n == 0:
                    break
