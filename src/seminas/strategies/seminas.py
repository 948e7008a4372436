"""SemiNAS, and NAO as its special case without pseudo-labels (Luo et al., NeurIPS 2020, algorithm 1)."""

from seminas.controller.fit import Controller, ControllerSettings
from seminas.controller.generate import improve
from seminas.errors import check_at_least, config_error
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.controlled import ControllerStrategy, ranked


class SemiNAS(ControllerStrategy[A]):
    """Fits a controller on labeled and pseudo-labeled architectures, then climbs its predictor's gradient.

    The first round, and any before two architectures have an accuracy, is random.
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
        favorites: float = 0.5,
        overgenerate: float = 2.0,
        pool: int = 10_000,
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
            max_steps: Gradient steps at most; what is missing then is taken from the predictor's favourites.
            favorites: Fraction of a round that is the predictor's favourites of a random pool.
            overgenerate: How many times the architectures wanted the gradient makes; the predictor picks.
            pool: Size of the random pool.
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
        self.favorites = favorites
        self.overgenerate = overgenerate
        self.pool = pool

    def ask(self, n: int) -> list[A]:
        """Return the next round: random at first, then what the controller makes and favours."""
        rng = self.rng()
        fitted = self.fit(rng)
        if fitted is None:
            return self.space.sample(n, rng, exclude=self.told)
        controller, labeled, pseudo = fitted
        made = self._improved(controller, {**labeled, **pseudo}, n)
        chosen = made[: n - round(self.favorites * n)]
        self.metrics["from_gradient"] = len(chosen)
        pool = self.space.sample(self.pool, rng, exclude=self.told)
        pool = list(dict.fromkeys([*made, *pseudo, *pool]))
        taken = set(chosen)
        chosen += [a for a in ranked(controller, pool) if a not in taken][: n - len(chosen)]
        chosen = self.filled(chosen, n, rng)
        self.predictions = dict(zip(chosen, controller.predict(chosen).tolist(), strict=True))
        return chosen

    def _improved(self, controller: Controller[A], accuracies: dict[A, float], n: int) -> list[A]:
        """Climb from the best; returns what is new, best predicted first."""
        seeds = sorted(accuracies, key=lambda a: -accuracies[a])[: self.num_seeds]
        wanted = round(self.overgenerate * n)
        return improve(controller, seeds, wanted, self.told, self.step_size, self.max_steps)
