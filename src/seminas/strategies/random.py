"""Random search, the baseline of all strategies."""

import numpy as np

from seminas.spaces.base import A
from seminas.strategies.base import Proposal, Strategy


class RandomSearch(Strategy[A]):
    """Strategy that draws uniformly from the architectures not evaluated yet (Li and Talwalkar, UAI 2019)."""

    takes_objectives = True
    takes_limits = True

    def propose(self, n: int, rng: np.random.Generator) -> Proposal[A]:
        """Propose ``n`` random new architectures."""
        return Proposal(self.space.sample(n, rng, exclude=self.taken))
