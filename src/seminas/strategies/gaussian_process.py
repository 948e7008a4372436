"""Bayesian optimisation with a Gaussian process, a simple and strong strategy for small budgets.

The method is from Jones et al., "Efficient Global Optimization", 1998. The kernel reads the features of a space. These
are one-hot choices, for chains also pairs of neighboring choices, and for cells also paths (White et al., AAAI 2021).
"""

import time
from collections.abc import Collection

import numpy as np

from seminas.config.strategies import GaussianProcessSettings
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.base import Proposal, RoundSizes
from seminas.strategies.fitted import FittedStrategy, check_transfer
from seminas.strategies.improver import Improver


class GaussianProcess(FittedStrategy[A]):
    """Strategy that proposes the architecture with the highest expected improvement under a Gaussian process.

    In an asynchronous search, it fits the process again for each question. ``Improvement`` describes the process, and
    how it treats pending architectures. With several objectives, it proposes the architecture with the highest expected
    hypervolume improvement (see ``FrontImprovement``). With limits of measured metrics, the improvement is multiplied
    by the probability of feasibility (see ``Feasibility``).
    """

    asks_singly = True
    takes_objectives = True
    takes_limits = True

    def __init__(self, space: SearchSpace[A], seed: int, settings: GaussianProcessSettings) -> None:
        super().__init__(space, seed)
        check_transfer(space, settings)
        self.settings = settings
        self.round_sizes = RoundSizes(settings.num_random, settings.batch_size, share=settings.random_share)
        self._improver = Improver(self, settings.max_candidates)

    def propose_fitted(self, n: int, rng: np.random.Generator) -> Proposal[A]:
        """Propose the ``n`` architectures with the highest expected improvement, one after the other.

        In an asynchronous search, leave all proposals to ``propose_more_fitted``.
        """
        if self.sizes is not None:
            return Proposal([])
        chosen, origins = self._improver.choose(n, self.labeled, (), (), rng)
        return Proposal(chosen, origins=origins)

    def propose_more_fitted(self, n: int, pending: Collection[A], rng: np.random.Generator) -> Proposal[A]:
        """Propose the architectures with the highest expected improvement, given the believed pending accuracies."""
        start = time.perf_counter()
        chosen, origins = self._improver.choose(n, self.arrived, pending, (), rng)
        return Proposal(chosen, metrics={"fit_s": time.perf_counter() - start}, origins=origins)
