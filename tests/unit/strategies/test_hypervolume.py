"""Test the exact expected hypervolume improvement against Monte Carlo."""

import numpy as np
import pytest

from seminas.runs.objectives import hypervolume
from seminas.strategies import hypervolume as expected
from seminas.strategies.hypervolume import (
    exactly,
    expected_hypervolume_improvement,
    normal,
    transformed,
)

NUM_DRAWS = 4000


@pytest.mark.parametrize(
    "kinds", ["normal exact", "normal normal", "normal exact exact", "normal normal exact"]
)
def test_it_is_the_mean_over_draws(kinds: str) -> None:
    rng = np.random.default_rng(1)
    is_normal = np.array([kind == "normal" for kind in kinds.split()])
    k = len(is_normal)
    front, reference = rng.normal(size=(8, k)), np.full(k, -1.5)
    mean = rng.normal(0.5, 1.0, size=(3, k))
    deviation = np.where(is_normal, rng.uniform(0.2, 1, (3, k)), 0)
    excesses = [
        normal(mean[:, d], deviation[:, d]) if is_normal[d] else exactly(mean[:, d]) for d in range(k)
    ]
    exact = expected_hypervolume_improvement(excesses, front, reference)
    before = hypervolume(front, reference)
    for i in range(3):
        drawn = mean[i] + deviation[i] * rng.normal(size=(NUM_DRAWS, k))
        gains = np.array([hypervolume(np.vstack([front, y]), reference) - before for y in drawn])
        assert abs(gains.mean() - exact[i]) < 4 * gains.std() / NUM_DRAWS**0.5 + 1e-9


def test_known_values_give_the_growth_of_the_hypervolume() -> None:
    rng = np.random.default_rng(0)
    front, reference, values = rng.normal(size=(6, 4)), np.full(4, -2.0), rng.normal(size=(20, 4))
    gains = expected_hypervolume_improvement([exactly(column) for column in values.T], front, reference)
    growth = [hypervolume(np.vstack([front, y]), reference) - hypervolume(front, reference) for y in values]
    np.testing.assert_allclose(gains, growth, atol=1e-9)
    alone = expected_hypervolume_improvement([exactly(c) for c in values.T], front[:0], reference)
    np.testing.assert_allclose(alone, np.maximum(values - reference, 0).prod(axis=1), atol=1e-9)


def test_a_scale_of_linear_pieces_is_integrated_exactly() -> None:
    targets, values = np.array([-2.0, -1, 0, 0.5, 2]), np.array([0.0, 0.5, 0.6, 0.9, 1])
    mean, deviation = np.array([0.0, 1.5, -3]), np.array([1.0, 0.5, 1])
    levels = np.array([-0.3, 0.2, 0.6, 0.95, 1.1])
    drawn = mean[:, None] + deviation[:, None] * np.random.default_rng(0).normal(size=(3, 200_000))
    slopes = np.diff(values) / np.diff(targets)
    scores = np.interp(drawn, targets, values)
    scores += np.minimum(drawn - targets[0], 0) * slopes[0] + np.maximum(drawn - targets[-1], 0) * slopes[-1]
    mc = np.maximum(scores[:, None] - levels[:, None], 0).mean(axis=2)
    np.testing.assert_allclose(transformed(mean, deviation, targets, values)(levels), mc, atol=0.005)


def test_a_large_front_is_thinned_out_and_stays_close(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    angles = rng.uniform(0, 1, size=(60, 3))
    front, reference = angles / np.linalg.norm(angles, axis=1)[:, None], np.zeros(3)
    values = rng.uniform(0.3, 0.9, size=(200, 3))
    excesses = [normal(values[:, 0], np.full(200, 0.1)), exactly(values[:, 1]), exactly(values[:, 2])]
    exact = expected_hypervolume_improvement(excesses, front, reference)
    monkeypatch.setattr(expected, "MOST_CELLS", 900)
    thin = expected_hypervolume_improvement(excesses, front, reference)
    assert np.corrcoef(exact, thin)[0, 1] > 0.95
