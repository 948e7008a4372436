"""Process on all levels: its predictions against a direct formula, and what it learns from short trainings."""

import numpy as np
import pytest

from seminas.controller.fidelity_process import (
    VARIANCE_OF_MEAN,
    FidelityProcess,
    Observations,
    fit_fidelity_process,
)
from seminas.controller.gaussian_process import JITTER, GaussianProcess, fit_gaussian_process

pytestmark = pytest.mark.unit


def made(number: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features of architectures, their targets after short trainings, and those after full ones."""
    rng = np.random.default_rng(seed)
    features = np.eye(3)[rng.integers(3, size=(number, 6))].reshape(number, -1)
    smooth = features @ rng.normal(size=features.shape[1])
    own = rng.normal(scale=0.6, size=number)
    full = (smooth - smooth.mean()) / smooth.std() + own
    return features.astype(np.float32), full + rng.normal(scale=0.1, size=number), full


def fitted(number: int, num_full: int) -> tuple[FidelityProcess, np.ndarray, np.ndarray]:
    """Return a process after short trainings of all but the last 20 architectures, and full ones of the first."""
    features, short, full = made(number)
    plain = fit_gaussian_process([features[:-20]], short[:-20])
    rows = np.concatenate([np.arange(number - 20), np.arange(num_full)])
    levels = np.concatenate([np.zeros(number - 20, dtype=np.int64), np.ones(num_full, dtype=np.int64)])
    observations = Observations(rows, levels, np.concatenate([short[:-20], full[:num_full]]))
    return fit_fidelity_process(plain, [features[:-20]], observations, 2), features, full


def test_predictions_are_those_of_the_direct_formula() -> None:
    process, features, _ = fitted(40, 8)
    seen, plain = process.observations, process.plain
    known = features[:-20]

    def covariance(a, rows_a, levels_a, b, rows_b, levels_b):
        kernel = plain.kernel([a[rows_a]], [b[rows_b]]) * process.smooth[np.ix_(levels_a, levels_b)]
        kernel += (rows_a[:, None] == rows_b) * process.own[np.ix_(levels_a, levels_b)]
        return kernel + VARIANCE_OF_MEAN * (levels_a[:, None] == levels_b)

    matrix = covariance(known, seen.rows, seen.levels, known, seen.rows, seen.levels)
    matrix += JITTER * np.eye(len(matrix))
    rows = np.repeat(np.arange(5), 2)
    levels = np.tile([0, 1], 5)
    cross = covariance(known, rows, levels, known, seen.rows, seen.levels)
    mean = cross @ np.linalg.solve(matrix, seen.targets)
    prior = covariance(known, rows, levels, known, rows, levels)
    variance = prior - cross @ np.linalg.solve(matrix, cross.T)
    got_mean, got_covariance = process.predict([known[:5]], np.arange(5))
    np.testing.assert_allclose(got_mean.reshape(-1), mean, atol=1e-5)
    for i in range(5):
        block = variance[2 * i : 2 * i + 2, 2 * i : 2 * i + 2]
        np.testing.assert_allclose(got_covariance[i], block, atol=1e-5)


def test_a_short_training_says_what_is_special_about_its_architecture() -> None:
    process, features, full = fitted(140, 25)
    mean, covariance = process.predict([features[25:120]], np.arange(25, 120))
    of_short = np.sqrt(np.mean((mean[:, 1] - full[25:120]) ** 2))
    unseen, unseen_covariance = process.predict([features[120:]], np.full(20, -1))
    of_none = np.sqrt(np.mean((unseen[:, 1] - full[120:]) ** 2))
    assert of_short < 0.35 < of_none < 1.0
    assert covariance[:, 1, 1].max() < unseen_covariance[:, 1, 1].min()


def test_the_plain_process_gives_the_kernel() -> None:
    process, features, _ = fitted(40, 8)
    assert isinstance(process.plain, GaussianProcess)
    kernel = process.plain.kernel([features], [features])
    np.testing.assert_allclose(np.diag(kernel), process.plain.variance([features]), rtol=1e-5)
