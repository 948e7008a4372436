"""BANANAS (White et al., "BANANAS: Bayesian Optimization with Neural Architectures for NAS", AAAI 2021)."""

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seminas.config.strategies import BananasSettings
from seminas.controller.threads import one_thread
from seminas.spaces.base import A, SearchSpace
from seminas.strategies.base import FittedStrategy, Proposal, RoundSizes


class Bananas(FittedStrategy[A]):
    """An ensemble of perceptrons on the features of a space, and independent Thompson sampling.

    As the authors set it (appendix): 5 networks of 10 layers of 20, Adam at 0.01, 10 architectures a round, candidates
    that are mutations of the best. Differences: the features hold one-hot choices beside the paths; their loss
    divides by the error above a bound that they know of the benchmark (4.8%), ours by the error above nine tenths
    of the lowest one seen; the networks are trained together, on all labels at once.
    """

    def __init__(self, space: SearchSpace[A], seed: int, settings: BananasSettings) -> None:
        super().__init__(space, seed)
        self.settings = settings
        self.round_sizes = RoundSizes(settings.num_random, settings.batch_size)

    def propose(self, n: int, rng: np.random.Generator) -> Proposal[A]:
        """Propose the ``n`` best candidates of a draw from the ensemble."""
        candidates = self._candidates(rng)
        if not candidates:
            return Proposal([])
        predictions = self._predictions(self.labeled, candidates, int(rng.integers(2**62)))
        mean, deviation = predictions.mean(axis=0), predictions.std(axis=0, ddof=1)
        drawn = rng.normal(mean, deviation)  # Independent Thompson sampling: section 4 of the paper.
        order = np.argsort(-drawn, kind="stable")[:n]
        chosen = [candidates[i] for i in order]
        return Proposal(self.filled(chosen, n, rng), dict(zip(chosen, mean[order].tolist(), strict=True)))

    def _candidates(self, rng: np.random.Generator) -> list[A]:
        near = self.near_best(self.settings.num_parents)
        near = [near[i] for i in rng.permutation(len(near))[: self.settings.num_candidates]]
        return list(
            dict.fromkeys([*near, *self.space.sample(self.settings.num_candidates, rng, exclude=self.told)])
        )

    @one_thread()
    def _predictions(self, labeled: dict[A, float], candidates: list[A], seed: int) -> NDArray[np.float64]:
        """Every network's accuracies of the candidates, fractions ``[networks, n]``."""
        features = torch.as_tensor(self.space.features(list(labeled)))
        error = 1 - torch.tensor(list(labeled.values()))
        bound = 0.9 * error.min()
        scale = error.std().clamp_min(1e-6)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            sizes = [features.shape[1], *[self.settings.width] * self.settings.layers, 1]
            networks = Perceptrons(self.settings.ensemble_size, sizes)
        optimizer = torch.optim.Adam(networks.parameters(), self.settings.learning_rate, fused=True)
        for _ in range(self.settings.steps):
            predicted = networks(features) * scale + error.mean()
            # Mean absolute percentage error above the bound: the better an architecture, the more it counts.
            loss = ((predicted - error).abs() / (error - bound).clamp_min(1e-6)).mean(dim=1).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.inference_mode():
            errors = networks(torch.as_tensor(self.space.features(candidates))) * scale + error.mean()
        accuracies: NDArray[np.float64] = (1 - errors).double().numpy()
        return accuracies


class Perceptrons(nn.Module):
    """Several networks of one shape, computed together."""

    def __init__(self, number: int, sizes: list[int]) -> None:
        """Build ``number`` networks of layers of ``sizes``, inputs first."""
        super().__init__()
        self.weights = nn.ParameterList(
            torch.randn(number, before, after) * (2 / before) ** 0.5 for before, after in pairwise(sizes)
        )
        self.biases = nn.ParameterList(torch.zeros(number, 1, after) for after in sizes[1:])

    def forward(self, features: Tensor) -> Tensor:
        """Return outputs ``[networks, n]`` of features ``[n, F]``."""
        x = features.expand(len(self.weights[0]), *features.shape)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            if i < len(self.weights) - 1:
                x = torch.relu(x)
        return x[..., 0]
