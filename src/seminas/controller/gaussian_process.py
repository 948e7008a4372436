"""Gaussian process regression on groups of features (Rasmussen and Williams, 2006, algorithm 2.1 and section 5.4).

scikit-learn's process computes the products of the features anew for each value of its parameters, and it has no
priors for them. Few labels need priors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize
from scipy.stats import norm
from threadpoolctl import threadpool_limits

Groups = Sequence[NDArray[np.float32]]
"""Groups of features, each ``[n, F]``. The first group defines the distance of two architectures."""

PRIORS = {
    "linear": (0.5, 1.0),
    "further": (0.3, 1.0),
    "matern": (0.5, 1.0),
    "length": (1.0, 0.7),
    "noise": (0.05, 1.0),
}
"""Median, and standard deviation of the logarithm, of the log-normal prior of each parameter.

The targets have variance 1.
"""
SMOOTH_PRIORS = PRIORS | {
    "linear": (0.05, 1.0),
    "further": (0.03, 1.0),
    "noise": (0.001, 1.0),
    "stretch": (1.0, 0.7),
}
"""The priors for ordered positions, on which accuracies are mostly smooth.

With more weight on the linear kernels, the process extrapolates to the ends of the intervals. With more noise, it does
not tell the best values from their neighbors. ``measurements/ordered.py`` decided them.
"""
BOUNDS, SMOOTH_BOUNDS = (-7.0, 5.0), (-10.0, 5.0)
"""Range of the logarithm of a parameter."""
JITTER = 1e-7
MAX_LABELS = 500
"""Number of labels from which a process is fitted. Its time is cubic in this number."""
MAX_FOR_PARAMETERS = 250
"""Number of labels from which the parameters are fitted, which takes many steps."""
CHUNK = 4096
"""Number of architectures in one prediction, so that the kernel's matrix stays small."""


@dataclass(frozen=True)
class GaussianProcess:
    """A fitted process. Its kernel is a sum of a linear kernel on each group and a Matérn 5/2 kernel on the first.

    On one-hot choices, the linear kernel counts equal choices, and the Matérn kernel reads the number of different
    ones. A group of one-hot pairs of choices adds the interactions of the pairs. Ordered positions have a length of the
    Matérn kernel each (automatic relevance determination).

    Attributes:
        parameters: Variance of each linear kernel, variance and length of the Matérn kernel, and variance of the noise.
        stretch: Factor of each feature of the first group in distances, ``[F]``.
        scales: Mean squared length of the features of each group. Products and distances are relative to it.
        groups: Features of the labeled architectures.
        factor: Lower Cholesky factor of the kernel's matrix, ``[n, n]``.
        weights: Inverse of the kernel's matrix times the targets, ``[n]``.
    """

    parameters: NDArray[np.float64]
    stretch: NDArray[np.float32]
    scales: tuple[float, ...]
    groups: Groups
    factor: NDArray[np.float64]
    weights: NDArray[np.float64]

    def conditioned(self, groups: Groups, targets: NDArray[np.float64]) -> "GaussianProcess":
        """Return the process with the same parameters, conditioned on other architectures and their targets ``[n]``."""
        with threadpool_limits(1):
            matrix = self.kernel(groups, groups)
            matrix[np.diag_indices_from(matrix)] += self.parameters[-1] + JITTER
            factor: NDArray[np.float64] = np.linalg.cholesky(matrix).astype(np.float64)
            weights = cho_solve((factor, True), targets)
        return GaussianProcess(self.parameters, self.stretch, self.scales, groups, factor, weights)

    def predict(self, groups: Groups) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean and the standard deviation, without noise, of each architecture, ``[n]``."""
        means, deviations = [np.empty(0)], [np.empty(0)]
        with threadpool_limits(1):
            for start in range(0, len(groups[0]), CHUNK):
                part = [group[start : start + CHUNK] for group in groups]
                matrix = self.kernel(part, self.groups)
                solved = solve_triangular(self.factor, matrix.T, lower=True, check_finite=False)
                variance = self.variance(part) - (solved * solved).sum(axis=0)
                means.append(matrix @ self.weights)
                deviations.append(np.sqrt(np.maximum(variance, 1e-12)))
        return np.concatenate(means), np.concatenate(deviations)

    def kernel(self, a: Groups, b: Groups) -> NDArray[np.float64]:
        """Return the kernel without noise of all pairs, ``[n, m]``."""
        *linear, variance, length, _ = self.parameters
        d = _distances(a[0] * self.stretch, b[0] * self.stretch, self.scales[0]) / length
        matrix: NDArray[np.float64] = variance * (1 + d + d * d / 3) * np.exp(-d)
        for v, x, y, scale in zip(linear, a, b, self.scales, strict=True):
            matrix += v * _product(x, y, scale)
        return matrix

    def variance(self, groups: Groups) -> NDArray[np.float64]:
        """Return the kernel without noise of each architecture with itself, ``[n]``."""
        *linear, variance, _, _ = self.parameters
        parts = zip(linear, groups, self.scales, strict=True)
        return np.asarray(
            variance + sum(v * (x * x).sum(axis=1).astype(np.float64) / scale for v, x, scale in parts)
        )


def informative(values: NDArray[np.float64], number: int = MAX_LABELS) -> NDArray[np.int64]:
    """Return the indexes of at most ``number`` values, in ascending order: the best half, and an even part of the rest.

    A subset of the data is the plain way to fit a process on many labels (Rasmussen and Williams, 2006, section 8.3.3).
    The search is about the best architectures, so the subset has more of them.

    Args:
        values: Accuracies or targets of all labeled architectures, ``[n]``.
        number: Number of indexes, at least two.
    """
    if len(values) <= number:
        return np.arange(len(values))
    order = np.argsort(-values, kind="stable")
    half = number // 2
    rest = np.linspace(half, len(values) - 1, number - half).round().astype(np.int64)
    return np.sort(np.concatenate([order[:half], order[rest]]))


def fit_gaussian_process(
    groups: Groups, targets: NDArray[np.float64], positions: NDArray[np.int64] | None = None
) -> GaussianProcess:
    """Return the process whose parameters have the highest posterior density.

    Args:
        groups: Features of the architectures, each group ``[n, F]``. At most some hundred architectures (see
            ``informative``).
        targets: Targets of the architectures with mean 0 and variance 1, ``[n]``.
        positions: Number of the ordered position of each feature of the first group, from 1, and 0 for the others,
            ``[F]``. Further features are others. None means that no position is ordered.
    """
    scales = tuple(max(float((group * group).sum(axis=1).mean()), 1e-9) for group in groups)
    all_groups, all_targets = groups, targets
    if len(targets) > MAX_FOR_PARAMETERS:
        part = np.linspace(0, len(targets) - 1, MAX_FOR_PARAMETERS).round().astype(np.int64)
        groups, targets = [group[part] for group in groups], targets[part]
    stretched, priors, bounds = np.zeros(groups[0].shape[1], dtype=np.int64), PRIORS, BOUNDS
    names = ["linear", *["further"] * (len(groups) - 1), "matern", "length", "noise"]
    num_common = len(names)
    if positions is not None:
        stretched[: len(positions)], priors, bounds = positions, SMOOTH_PRIORS, SMOOTH_BOUNDS
        names += ["stretch"] * int(stretched.max())
    centers = np.log([priors[name][0] for name in names])
    widths = np.array([priors[name][1] for name in names])
    products = [_product(group, group, scale) for group, scale in zip(groups, scales, strict=True)]
    columns = [groups[0][:, stretched == k] for k in range(int(stretched.max()) + 1)]
    distances = [_distances(column, column, scales[0]) for column in columns]
    squares = [d * d for d in distances]
    identity = np.eye(len(targets))

    def loss(logs: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the negative logarithm of the posterior density and its gradient."""
        *linear, variance, length, noise = np.exp(logs[:num_common])
        of_positions = [w * q for w, q in zip(np.exp(2 * logs[num_common:]), squares[1:], strict=True)]
        d = (np.sqrt(sum(of_positions, start=squares[0])) if of_positions else distances[0]) / length
        decay = variance * np.exp(-d)
        parts = [v * product for v, product in zip(linear, products, strict=True)]
        parts.append((1 + d + d * d / 3) * decay)
        try:
            factor = np.linalg.cholesky(sum(parts) + (noise + JITTER) * identity)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(logs)
        inverse = cho_solve((factor, True), identity, check_finite=False)
        weights = inverse @ targets
        slope = inverse - np.outer(weights, weights)
        gradient = [0.5 * (slope * part).sum() for part in (*parts, d * d * (1 + d) / 3 * decay)]
        gradient.append(0.5 * noise * np.trace(slope))
        steepness = slope * (1 + d) * decay / (-6 * length**2)
        gradient += [(steepness * q).sum() for q in of_positions]
        z = (logs - centers) / widths
        value = 0.5 * targets @ weights + np.log(np.diag(factor)).sum() + 0.5 * z @ z
        return float(value), np.array(gradient) + z / widths

    with threadpool_limits(1):
        result = minimize(loss, centers, jac=True, method="L-BFGS-B", bounds=[bounds] * len(names))
    nothing, factors = np.empty(0), np.concatenate([[0.0], result.x[num_common:]])
    stretch = np.exp(factors[stretched]).astype(np.float32)
    fitted = GaussianProcess(np.exp(result.x[:num_common]), stretch, scales, groups, nothing, nothing)
    return fitted.conditioned(all_groups, all_targets)


def expected_improvement(
    mean: NDArray[np.float64], deviation: NDArray[np.float64], best: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return E[max(0, y - best)] for normally distributed y (Jones et al., 1998, equation 15).

    Args:
        mean: Mean of each y, ``[n]`` or ``[n, 1]``.
        deviation: Standard deviation of each y, of the same shape.
        best: A level, or several levels ``[L]`` with means ``[n, 1]``.

    Returns:
        The expectations, ``[n]`` or ``[n, L]``.
    """
    deviation = np.maximum(deviation, 1e-12)
    z = (mean - best) / deviation
    # SciPy's density takes several times as long as this one.
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    improvement: NDArray[np.float64] = deviation * (z * norm.cdf(z) + density)
    return improvement


def _product(a: NDArray[np.float32], b: NDArray[np.float32], scale: float) -> NDArray[np.float64]:
    product: NDArray[np.float64] = (a @ b.T).astype(np.float64) / scale
    return product


def _distances(a: NDArray[np.float32], b: NDArray[np.float32], scale: float) -> NDArray[np.float64]:
    """Return √5 times the distance of all pairs, ``[n, m]``. It is √5 for one-hot choices that all differ."""
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T
    distances: NDArray[np.float64] = np.sqrt(2.5 / scale * np.maximum(squares.astype(np.float64), 0.0))
    return distances
