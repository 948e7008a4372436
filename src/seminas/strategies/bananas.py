"""BANANAS (White et al., "BANANAS: Bayesian Optimization with Neural Architectures for NAS", AAAI 2021)."""

from collections.abc import Collection
from itertools import islice, pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seminas.config.strategies import BananasSettings
from seminas.execution.cancelling import check_cancelled
from seminas.execution.threads import one_thread
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.base import Proposal, RoundSizes
from seminas.strategies.fitted import FittedStrategy

FAR_BELOW = 0.25
"""Distance between the bound of the loss and the lowest error, in standard deviations, for labels of other metrics."""


class Bananas(FittedStrategy[A]):
    """Strategy with an ensemble of perceptrons on the features of a space, and independent Thompson sampling.

    The default settings are from the appendix of the paper: 5 networks of 10 layers of width 20, Adam with learning
    rate 0.01, and 10 architectures in each round. The paper's candidates are mutations of the best architectures.

    This implementation differs from the paper's in four ways:

    - The features also have one-hot choices, not only paths.
    - Random architectures are also candidates.
    - The loss divides by the difference between an architecture's error and a bound. The authors' bound is a known
      value of the benchmark, 4.8%. Here the bound is nine tenths of the lowest error so far. Labels that are no
      fractions have no such error. Then the error is standardised, and the bound lies a quarter of a standard deviation
      below the lowest.
    - One computation trains all networks, and each step uses all labels.

    In an asynchronous search, further questions of a round are answered with further draws from the same ensemble, as
    in the paper's Thompson sampling.
    """

    def __init__(self, space: SearchSpace[A], seed: int, settings: BananasSettings) -> None:
        super().__init__(space, seed)
        self.settings = settings
        self._predicted: tuple[list[A], NDArray[np.float64], NDArray[np.float64]] | None = None
        """Candidates of the last fit, and the mean and the deviation of their predicted accuracies."""
        self.round_sizes = RoundSizes(settings.num_random, settings.batch_size)

    def propose_fitted(self, n: int, rng: np.random.Generator) -> Proposal[A]:
        """Propose the ``n`` candidates with the highest accuracies in a draw from the ensemble's predictions."""
        candidates = self._candidates(rng)
        if not candidates:
            self._predicted = [], np.empty(0), np.empty(0)
            return Proposal([])
        predictions = self._predictions(self.labeled, candidates, int(rng.integers(2**62)))
        mean, deviation = predictions.mean(axis=0), predictions.std(axis=0, ddof=1)
        self._predicted = candidates, mean, deviation
        chosen = self._drawn(n, self.told, rng)
        return Proposal(self.filled(chosen, n, rng), chosen)

    def propose_more_fitted(self, n: int, pending: Collection[A], rng: np.random.Generator) -> Proposal[A]:
        """Propose the best candidates in another draw from the ensemble's predictions."""
        known = self.known(pending)
        chosen = self._drawn(n, known, rng)
        return Proposal(self.filled(chosen, n, rng, known), chosen)

    def _drawn(self, n: int, known: Collection[A], rng: np.random.Generator) -> dict[A, float]:
        """Return the best ``n`` unknown candidates in a draw, and the predicted accuracy of each, a fraction."""
        assert self._predicted is not None
        candidates, mean, deviation = self._predicted
        drawn = rng.normal(mean, deviation)  # Independent Thompson sampling: section 4 of the paper.
        best_first = (i for i in np.argsort(-drawn, kind="stable") if candidates[i] not in known)
        return {candidates[i]: float(mean[i]) for i in islice(best_first, n)}

    def _candidates(self, rng: np.random.Generator) -> list[A]:
        near = self.near_best(self.settings.num_parents)
        near = [near[i] for i in rng.permutation(len(near))[: self.settings.num_candidates]]
        random = self.space.sample(self.settings.num_candidates, rng, exclude=self.taken)
        return list(dict.fromkeys([*near, *random]))

    @one_thread()
    def _predictions(self, labeled: dict[A, float], candidates: list[A], seed: int) -> NDArray[np.float64]:
        """Return the accuracies that each network predicts for the candidates, fractions ``[networks, n]``."""
        features = torch.as_tensor(self.space.described_features(list(labeled)))
        labels = np.array(list(labeled.values()))
        # Of an accuracy, the highest possible value is 1. Other metrics have no such value.
        are_fractions = bool(labels.min() >= 0 and labels.max() <= 1)
        mean, unit, top = (0.0, 1.0, 1) if are_fractions else (labels.mean(), labels.std() or 1.0, 0)
        error = top - torch.tensor(((labels - mean) / unit).tolist())
        bound = 0.9 * error.min() if are_fractions else error.min() - FAR_BELOW
        scale = error.std().clamp_min(1e-6)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            sizes = [features.shape[1], *[self.settings.width] * self.settings.layers, 1]
            networks = Perceptrons(self.settings.ensemble_size, sizes)
        optimizer = torch.optim.Adam(networks.parameters(), self.settings.learning_rate, fused=True)
        for _ in range(self.settings.steps):
            check_cancelled()
            predicted = networks(features) * scale + error.mean()
            # Mean absolute percentage error, relative to the bound. Better architectures get larger weights.
            loss = ((predicted - error).abs() / (error - bound).clamp_min(1e-6)).mean(dim=1).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.inference_mode():
            errors = (
                networks(torch.as_tensor(self.space.described_features(candidates))) * scale + error.mean()
            )
        accuracies: NDArray[np.float64] = mean + unit * (top - errors).double().numpy()
        return accuracies


class Perceptrons(nn.Module):
    """Several perceptrons of the same shape. One computation evaluates all of them."""

    def __init__(self, number: int, sizes: list[int]) -> None:
        """Initialize the networks.

        Args:
            number: Number of networks.
            sizes: Number of inputs of each network, followed by the width of each layer.
        """
        super().__init__()
        self.weights = nn.ParameterList(
            torch.randn(number, before, after) * (2 / before) ** 0.5 for before, after in pairwise(sizes)
        )
        self.biases = nn.ParameterList(torch.zeros(number, 1, after) for after in sizes[1:])

    def forward(self, features: Tensor) -> Tensor:
        """Return the outputs of all networks, ``[networks, n]``, for features ``[n, F]``."""
        x = features.expand(len(self.weights[0]), *features.shape)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            if i < len(self.weights) - 1:
                x = torch.relu(x)
        return x[..., 0]
