"""Plans: their gains and costs against simulation, and what they prefer."""

import numpy as np
import pytest

from seminas.strategies.plans import best_plans, improvement_over

pytestmark = pytest.mark.unit
COSTS = (0.25, 1.0)


def simulated(mean: np.ndarray, covariance: np.ndarray, best: float) -> float:
    """Return the highest ratio of mean gain and mean cost over thresholds, from a million draws of both targets."""
    draws = np.random.default_rng(0).multivariate_normal(mean, covariance, size=1_000_000)
    draws = draws[np.argsort(-draws[:, 0])]
    gains = np.cumsum(np.maximum(draws[:, 1] - best, 0)) / len(draws)
    costs = COSTS[0] + np.arange(1, len(draws) + 1) / len(draws) * (1 - COSTS[0])
    return float((gains / costs)[1000:].max())


@pytest.mark.parametrize("correlation", [0.3, 0.7, 0.95])
def test_the_ratio_of_a_plan_is_the_simulated_one(correlation: float) -> None:
    mean, best = np.array([[0.1, 0.2]]), 1.0
    covariance = np.array([[[1.0, correlation], [correlation, 1.0]]])
    ratios, stops = best_plans(mean, covariance, np.array([-1]), improvement_over(best), COSTS)
    at_once, _ = best_plans(mean, covariance, np.array([0]), improvement_over(best), (0.0, 1.0))
    expected = max(simulated(mean[0], covariance[0], best), float(at_once[0]))
    # Fifteen nodes are a coarse threshold.
    assert ratios[0] == pytest.approx(expected, rel=0.05)
    assert stops[0] == (0 if correlation > 0.5 else stops[0])


def test_a_short_training_that_says_nothing_is_left_out() -> None:
    covariance = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    _, stops = best_plans(np.zeros((1, 2)), covariance, np.array([-1]), improvement_over(1.0), COSTS)
    assert stops[0] == 1


def test_a_known_architecture_pays_for_new_epochs_alone() -> None:
    mean = np.zeros((2, 2))
    covariance = np.array([[[1e-9, 0.0], [0.0, 0.5]]] * 2)
    ratios, stops = best_plans(mean, covariance, np.array([0, -1]), improvement_over(1.0), COSTS)
    assert stops.tolist() == [1, 1]
    assert ratios[0] == pytest.approx(ratios[1] / 0.75)
