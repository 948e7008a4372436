"""Gaussian process on accuracies of architectures after different numbers of epochs."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from seminas.controller.gaussian_process import JITTER, GaussianProcess, Groups

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PRIORS = {
    "deviation": (0.0, 0.3),
    "correlation": (2.0, 1.0),
    "own variance": (np.log(0.2), 1.0),
    "own correlation": (0.0, 1.0),
}
"""Mean and standard deviation of the normal prior of each parameter: of its logarithm, or of a correlation's logit."""
WIDTH = 5.0
"""Largest distance of a parameter from the mean of its prior, in standard deviations."""
VARIANCE_OF_MEAN = 1.0
"""Variance of the mean target of each level, which is unknown: promoted architectures are better than others."""
CHUNK = 4096
"""Number of architectures in one prediction, so that the kernel's matrices stay small."""


@dataclass(frozen=True)
class Observations:
    """Evaluations of architectures at levels. A level is a number of epochs, and the last level is a full training.

    Attributes:
        rows: Row of the architecture of each evaluation among the known architectures, ``[m]``.
        levels: Level of each evaluation, from 0, ``[m]``.
        targets: Target of each evaluation, about 0 on average and with standard deviation about 1, ``[m]``.
    """

    rows: Ints
    levels: Ints
    targets: Floats


@dataclass(frozen=True)
class FidelityProcess:
    """A process whose kernel is a sum of two products of a kernel on architectures and one on levels.

    The first product says that similar architectures have similar accuracies. Its kernel on architectures is that of a
    plain process. The second product describes the difference of one architecture from similar ones. Its kernel on
    architectures is 1 for equal ones and 0 otherwise. Both kernels on levels are autoregressive (Kennedy and O'Hagan,
    "Predicting the Output from a Complex Computer Code When Fast Approximations Are Available", Biometrika 2000,
    section 2.1), so the correlation of two levels is the product of the correlations between neighboring levels. The
    mean target of each level is unknown.

    Attributes:
        plain: Process that gives the kernel on architectures.
        known: Features of the known architectures.
        smooth: Covariance of the levels in the first product, ``[L, L]``.
        own: Covariance of the levels in the second product, ``[L, L]``.
        observations: Evaluations on which the process is conditioned.
        factor: Lower Cholesky factor of the evaluations' covariance, ``[m, m]``.
        weights: Inverse of this covariance times the targets, ``[m]``.
    """

    plain: GaussianProcess
    known: Groups
    smooth: Floats
    own: Floats
    observations: Observations
    factor: torch.Tensor
    weights: torch.Tensor

    def predict(self, groups: Groups, rows: Ints) -> tuple[Floats, Floats]:
        """Return the mean ``[n, L]`` and the covariance ``[n, L, L]`` of the targets of architectures at all levels.

        Args:
            groups: Features of the architectures.
            rows: Row of each architecture among the known ones, or -1, ``[n]``.
        """
        with threadpool_limits(1):
            parts = [
                self._predict([group[i : i + CHUNK] for group in groups], rows[i : i + CHUNK])
                for i in range(0, len(rows), CHUNK)
            ]
        if not parts:
            return np.empty((0, len(self.own))), np.empty((0, *self.own.shape))
        mean, covariance = (np.concatenate(pieces) for pieces in zip(*parts, strict=True))
        return mean, covariance

    def _predict(self, groups: Groups, rows: Ints) -> tuple[Floats, Floats]:
        seen, num_levels = self.observations, len(self.own)
        kernel = self.plain.kernel(groups, self.known)[:, seen.rows]
        variance = self.plain.variance(groups)
        equal = rows[:, None] == seen.rows
        across = kernel[:, None] * self.smooth[:, seen.levels] + equal[:, None] * self.own[:, seen.levels]
        across += VARIANCE_OF_MEAN * (np.arange(num_levels)[:, None] == seen.levels)
        cross = torch.from_numpy(across)
        mean = cross @ self.weights
        solved = torch.linalg.solve_triangular(self.factor, cross.reshape(-1, len(seen.rows)).T, upper=False)
        solved = solved.T.reshape(cross.shape)
        prior = variance[:, None, None] * self.smooth + self.own + VARIANCE_OF_MEAN * np.eye(num_levels)
        covariance = torch.from_numpy(prior) - solved @ solved.transpose(1, 2)
        return mean.numpy(), covariance.numpy()

    def conditioned(self, known: Groups, observations: Observations) -> "FidelityProcess":
        """Return the process with the same parameters, conditioned on other evaluations of known architectures."""
        kernel = _kernel_of(self.plain, known, observations)
        matrix = _covariance(kernel, observations, torch.from_numpy(self.smooth), torch.from_numpy(self.own))
        factor = torch.linalg.cholesky(matrix)
        weights = torch.cholesky_solve(torch.from_numpy(observations.targets)[:, None], factor)[:, 0]
        return FidelityProcess(self.plain, known, self.smooth, self.own, observations, factor, weights)


def fit_fidelity_process(
    plain: GaussianProcess, known: Groups, observations: Observations, num_levels: int
) -> FidelityProcess:
    """Return the process whose covariances of levels have the highest posterior density.

    Args:
        plain: Process on architectures alone. Its kernel has variance about 1.
        known: Features of the known architectures.
        observations: Evaluations of known architectures, at most some hundred.
        num_levels: Number of levels L, two or more.
    """
    names = ["deviation"] * num_levels + ["correlation"] * (num_levels - 1)
    names += ["own variance"] * num_levels + ["own correlation"] * (num_levels - 1)
    centers = np.array([PRIORS[name][0] for name in names])
    widths = np.array([PRIORS[name][1] for name in names])
    kernel = _kernel_of(plain, known, observations)
    targets = torch.from_numpy(observations.targets)

    def loss(values: Floats) -> tuple[float, Floats]:
        """Return the negative logarithm of the posterior density and its gradient."""
        parameters = torch.tensor(values, requires_grad=True)
        matrix = _covariance(kernel, observations, *_of_levels(parameters, num_levels))
        factor, info = torch.linalg.cholesky_ex(matrix)
        if info:
            return 1e10, np.zeros_like(values)
        weights = torch.cholesky_solve(targets[:, None], factor)[:, 0]
        z = (parameters - torch.from_numpy(centers)) / torch.from_numpy(widths)
        density = 0.5 * targets @ weights + factor.diagonal().log().sum() + 0.5 * z @ z
        density.backward()
        assert parameters.grad is not None
        return density.item(), parameters.grad.numpy()

    bounds = list(zip(centers - WIDTH * widths, centers + WIDTH * widths, strict=True))
    result = minimize(loss, centers, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
    smooth, own = (part.numpy() for part in _of_levels(torch.from_numpy(result.x), num_levels))
    empty = torch.empty(0)
    fitted = FidelityProcess(plain, known, smooth, own, observations, empty, empty)
    return fitted.conditioned(known, observations)


def _of_levels(parameters: torch.Tensor, num_levels: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the covariances of the levels in the two products, ``[L, L]``."""
    sizes = [num_levels, num_levels - 1, num_levels, num_levels - 1]
    deviations, correlations, own_variances, own_correlations = parameters.split(sizes)
    deviations, own_deviations = deviations.exp(), (0.5 * own_variances).exp()
    smooth = _autoregressive(correlations) * deviations[:, None] * deviations
    return smooth, _autoregressive(own_correlations) * own_deviations[:, None] * own_deviations


def _autoregressive(logits: torch.Tensor) -> torch.Tensor:
    """Return the correlations of L levels from the logits of those between neighbors ``[L - 1]``, ``[L, L]``."""
    logs = torch.cat([torch.zeros(1, dtype=logits.dtype), torch.nn.functional.logsigmoid(logits).cumsum(0)])
    return (-(logs[:, None] - logs).abs()).exp()


def _kernel_of(plain: GaussianProcess, known: Groups, observations: Observations) -> torch.Tensor:
    """Return the kernel on architectures of all pairs of evaluations, ``[m, m]``."""
    with threadpool_limits(1):
        kernel = plain.kernel(known, known)
    return torch.from_numpy(kernel[np.ix_(observations.rows, observations.rows)])


def _covariance(
    kernel: torch.Tensor, observations: Observations, smooth: torch.Tensor, own: torch.Tensor
) -> torch.Tensor:
    """Return the covariance of the evaluations, ``[m, m]``."""
    rows, levels = torch.from_numpy(observations.rows), torch.from_numpy(observations.levels)
    equal_rows = rows[:, None] == rows
    equal_levels = levels[:, None] == levels
    matrix = kernel * smooth[levels][:, levels] + equal_rows * own[levels][:, levels]
    return matrix + VARIANCE_OF_MEAN * equal_levels + JITTER * torch.eye(len(rows), dtype=kernel.dtype)
