"""Random search: the baseline that every search has to beat."""

from seminas.spaces.base import A
from seminas.strategies.base import Strategy


class RandomSearch(Strategy[A]):
    """Draws uniformly over the architectures not evaluated yet (Li and Talwalkar, UAI 2019)."""

    def ask(self, n: int) -> list[A]:
        """Return ``n`` random architectures."""
        return self.space.sample(n, self.rng(), exclude=self.told)
