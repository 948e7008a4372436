import numpy as np
import pytest

from seminas.config.controller import TARGETS
from seminas.controller.targets import Targets, rank_quantiles


@pytest.mark.parametrize("kind", TARGETS)
def test_targets_keep_the_order_and_lead_back(kind: str) -> None:
    accuracies = np.array([0.91, 0.1, 0.93, 0.9, 0.9, 0.92])
    targets = Targets(kind, accuracies)
    order = np.argsort(accuracies, kind="stable")
    assert (np.diff(targets.values[order]) > 0).sum() == 4 and targets.values[3] == targets.values[4]
    np.testing.assert_allclose(targets.accuracies(targets.values), accuracies)
    # Beyond the known targets, the accuracies continue to rise.
    beyond = targets.accuracies(np.linspace(targets.values.min() - 3, targets.values.max() + 3, 50))
    assert (np.diff(beyond) > 0).all()


def test_standard_and_min_max_targets_are_what_they_say() -> None:
    accuracies = np.array([0.5, 0.7, 0.9])
    standard, bounded = (Targets(kind, accuracies).values for kind in ("standard", "min_max"))
    assert standard.mean() == pytest.approx(0) and standard.std() == pytest.approx(1)
    np.testing.assert_allclose(bounded, [0, 0.5, 1])


@pytest.mark.parametrize("kind", TARGETS)
def test_equal_accuracies_have_a_scale(kind: str) -> None:
    targets = Targets(kind, np.array([0.9, 0.9]))
    np.testing.assert_allclose(targets.accuracies(targets.values), 0.9)
    assert targets.accuracies(targets.values + 0.1)[0] > 0.9


def test_rank_quantiles_keep_the_order_and_ties() -> None:
    quantiles = rank_quantiles(np.array([0.1, 0.9, 0.5, 0.5]))
    assert quantiles[1] > quantiles[2] == quantiles[3] > quantiles[0]
    assert quantiles.sum() == pytest.approx(0)


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize(
    "scores", [[-120.0, -3.7, -41.5, -3.8], [1e6, 1e6 + 1, 2e6], [-5.0, 0.0, 7.5], [-9.0, -9.0]]
)
def test_scores_of_any_metric_have_targets_and_come_back(kind: str, scores: list[float]) -> None:
    """A loss has negative scores, and a reward may have any."""
    values = np.array(scores)
    targets = Targets(kind, values)
    assert np.isfinite(targets.values).all() and np.abs(targets.values).max() < 10
    order = np.argsort(values, kind="stable")
    assert (np.diff(targets.values[order]) >= 0).all()
    assert targets.accuracies(targets.values) == pytest.approx(values, rel=1e-9, abs=1e-9)
