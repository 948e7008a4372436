"""Base class of strategies that fit a model on the accuracies so far."""

import time
from abc import abstractmethod
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from seminas.config.strategies import TransferSettings
from seminas.errors import config_error
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.base import Proposal, Strategy


def check_transfer(space: SearchSpace[A], settings: TransferSettings) -> None:
    """Refuse sources without a command that reads them.

    Raises:
        UserError: The settings name sources, and the space has no descriptor of them.
    """
    if settings.transfer_from and space.descriptor is None:
        raise config_error("strategy.transfer_from", settings.transfer_from, "null outside seminas-search")


class FittedStrategy(Strategy[A]):
    """Base class of strategies that fit a model on the accuracies so far.

    The strategy proposes random architectures until two architectures have an accuracy.
    """

    share_together = 0.1
    """Questions that are asked together know equally little, which costs a model more than other strategies."""
    _fitted_round = -1
    """Round of the last fit."""

    def ask(self, n: int, pending: Collection[A] = ()) -> Proposal[A]:
        """Propose architectures, see the base class. State the seconds that proxies took, if there are any."""
        descriptor = self.space.descriptor
        if descriptor is None:
            return super().ask(n, pending)
        spent_s = descriptor.seconds
        proposal = super().ask(n, pending)
        if not descriptor.seconds:
            return proposal
        return replace(proposal, metrics={**proposal.metrics, "proxies_s": descriptor.seconds - spent_s})

    def propose(self, n: int, rng: np.random.Generator) -> Proposal[A]:
        """Propose architectures with the model, or random ones if fewer than two architectures have an accuracy."""
        if len(self.labeled) < 2:
            if self.space.descriptor is not None:
                chosen = self.space.descriptor.first_round(n, self.space, rng, self.taken)
                return Proposal(list(chosen), origins=chosen)
            drawn = self.space.sample(n, rng, exclude=self.taken)
            return Proposal(drawn, origins=dict.fromkeys(drawn, "random"))
        start = time.perf_counter()
        proposal = self.propose_fitted(n, rng)
        self._fitted_round = self.round
        seconds = {"fit_s": time.perf_counter() - start}
        return replace(proposal, metrics={**seconds, **proposal.metrics})

    @abstractmethod
    def propose_fitted(self, n: int, rng: np.random.Generator) -> Proposal[A]:
        """Fit the model on the accuracies so far, two or more, and propose ``n`` new architectures."""

    def propose_more(self, n: int, pending: Collection[A], rng: np.random.Generator) -> Proposal[A]:
        """Propose further architectures with the model of this round, or random ones if the round has no model."""
        if self._fitted_round != self.round:
            return super().propose_more(n, pending, rng)
        return self.propose_more_fitted(n, pending, rng)

    def propose_more_fitted(self, n: int, pending: Collection[A], rng: np.random.Generator) -> Proposal[A]:
        """Propose further architectures with the model that ``propose_fitted`` fitted. The default draws them."""
        return super().propose_more(n, pending, rng)
