"""Random search: the baseline that every search has to beat."""

from seminas.spaces.base import A
from seminas.strategies.base import Proposal, Strategy


class RandomSearch(Strategy[A]):
    """Draws uniformly over the architectures not evaluated yet (Li and Talwalkar, UAI 2019)."""

    def ask(self, n: int) -> Proposal[A]:
        """Propose ``n`` random architectures."""
        return Proposal(self.space.sample(n, self.rng(), exclude=self.told))
