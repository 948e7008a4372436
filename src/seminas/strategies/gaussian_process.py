"""Bayesian optimisation with a Gaussian process, a simple and strong strategy for small budgets.

The method is from Jones et al., "Efficient Global Optimization", 1998. The kernel is from Snoek et al., NeurIPS 2012.
The inputs are the features of a space. These are one-hot choices, and also paths for cells (White et al., AAAI 2021).
"""

import warnings
from collections.abc import Collection
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel
from threadpoolctl import threadpool_limits

from seminas.config.strategies import GaussianProcessSettings
from seminas.controller.targets import rank_quantiles
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.base import FittedStrategy, Proposal, RoundSizes


class GaussianProcess(FittedStrategy[A]):
    """Strategy that proposes the candidates with the highest expected improvement under a Gaussian process.

    The process has a Matérn 5/2 kernel on the features. Its targets are the quantiles of the accuracies' ranks.

    In an asynchronous search, the strategy fits the parameters of the kernel once in each round. For each question it
    conditions the process on all accuracies so far. It believes that a pending architecture will get its predicted
    mean (the kriging believer of Ginsbourger et al., "Kriging Is Well-Suited to Parallelize Optimization", 2010).
    """

    def __init__(self, space: SearchSpace[A], seed: int, settings: GaussianProcessSettings) -> None:
        super().__init__(space, seed)
        self.settings = settings
        self.round_sizes = RoundSizes(settings.num_random, settings.batch_size)
        self._all: tuple[list[A], NDArray[np.float32]] | None = None
        self._kernel: Kernel | None = None
        """Kernel of the last fit."""

    def propose_fitted(self, n: int, rng: np.random.Generator) -> Proposal[A]:
        """Propose the ``n`` new candidates with the highest expected improvement.

        In an asynchronous search, fit the kernel and leave all proposals to ``propose_more_fitted``.
        """
        labeled = self.labeled
        targets = rank_quantiles(np.array(list(labeled.values())))
        with threadpool_limits(1):
            model = fit_gaussian_process(self.space.features(list(labeled)), targets)
            if self.sizes is not None:
                self._kernel = model.kernel_
                return Proposal([])
            candidates, features = self._candidates(rng)
            mean, deviation = model.predict(features, return_std=True)
        chosen = self._best(candidates, expected_improvement(mean, deviation, targets.max()), self.told, n)
        return Proposal(self.filled(chosen, n, rng))

    def propose_more_fitted(self, n: int, pending: Collection[A], rng: np.random.Generator) -> Proposal[A]:
        """Propose the candidates with the highest expected improvement, given the believed pending accuracies."""
        labeled = {a: y for part in (self.told, self.recent) for a, y in part.items() if y is not None}
        targets = rank_quantiles(np.array(list(labeled.values())))
        features = self.space.features([*labeled, *pending])
        candidates, of_candidates = self._candidates(rng)
        with threadpool_limits(1):
            model = GaussianProcessRegressor(self._kernel, optimizer=None)
            model.fit(features[: len(labeled)], targets)
            if len(pending):
                model.fit(features, np.concatenate([targets, model.predict(features[len(labeled) :])]))
            mean, deviation = model.predict(of_candidates, return_std=True)
        gain = expected_improvement(mean, deviation, targets.max())
        known = self.known(pending)
        chosen = self._best(candidates, gain, known, n)
        return Proposal(self.filled(chosen, n, rng, known))

    def _best(self, candidates: list[A], gain: NDArray[np.float64], known: Collection[A], n: int) -> list[A]:
        """Return the ``n`` candidates with the highest gain that are not known."""
        best_first = (candidates[i] for i in np.argsort(-gain, kind="stable"))
        return list(islice((a for a in best_first if a not in known), n))

    def _candidates(self, rng: np.random.Generator) -> tuple[list[A], NDArray[np.float32]]:
        if self._all is not None:
            return self._all
        candidates = self.candidates(self.settings.max_candidates, rng)
        with_features = candidates, self.space.features(candidates)
        if self.sees_all(self.settings.max_candidates):
            self._all = with_features
        return with_features


def fit_gaussian_process(
    features: NDArray[np.float32], targets: NDArray[np.float64]
) -> GaussianProcessRegressor:
    """Return a Gaussian process whose scale, length and noise maximise the likelihood of the data.

    Args:
        features: Features of the architectures, ``[n, F]``.
        targets: Targets of the architectures, ``[n]``.
    """
    length = np.sqrt(features.shape[1]) / 2
    kernel = ConstantKernel(1.0, (1e-2, 1e2)) * Matern(length, (0.1, 1e3), nu=2.5) + WhiteKernel(
        0.1, (1e-4, 1e1)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # A parameter at its bound is not an error.
        return GaussianProcessRegressor(kernel).fit(features, targets)


def expected_improvement(
    mean: NDArray[np.float64], deviation: NDArray[np.float64], best: float
) -> NDArray[np.float64]:
    """Return E[max(0, y - best)], ``[n]``, for normally distributed y (Jones et al., equation 15)."""
    deviation = np.maximum(deviation, 1e-12)
    z = (mean - best) / deviation
    improvement: NDArray[np.float64] = deviation * (z * norm.cdf(z) + norm.pdf(z))
    return improvement
