"""Random search, the baseline of all strategies."""

from seminas.spaces.base import A
from seminas.strategies.base import Proposal, Strategy


class RandomSearch(Strategy[A]):
    """Strategy that draws uniformly from the architectures not evaluated yet (Li and Talwalkar, UAI 2019)."""

    def ask(self, n: int) -> Proposal[A]:
        """Propose ``n`` random new architectures."""
        return Proposal(self.space.sample(n, self.rng(), exclude=self.told))
