"""Test the Gaussian process: its predictions, its parameters, and its expected improvement."""

import numpy as np
import pytest
from scipy.stats import kendalltau
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern

from seminas.controller.fitted import fit_process_teacher
from seminas.controller.gaussian_process import (
    JITTER,
    MAX_LABELS,
    GaussianProcess,
    expected_improvement,
    fit_gaussian_process,
    informative,
)
from seminas.controller.targets import clipped
from seminas.spaces.sequence import SequenceSpace

SPACE = SequenceSpace("chain", {f"p{i}": list("abcd")[: 2 + i % 3] for i in range(7)})


def test_predictions_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    known, new = SPACE.sample(20, rng), SPACE.sample(30, rng)
    groups, of_new = SPACE.kernel_features(known), SPACE.kernel_features(new)
    targets = rng.normal(size=20)
    parameters, scales = np.array([0.7, 0.4, 1.3, 0.8, 0.05]), (7.0, 6.0)
    empty = np.empty(0)
    stretch = rng.uniform(0.5, 2, groups[0].shape[1]).astype(np.float32)
    process = GaussianProcess(parameters, stretch, scales, groups, empty, empty).conditioned(groups, targets)
    mean, deviation = process.predict(of_new)

    class Columns(DotProduct):
        """A linear kernel on some columns."""

        def __init__(self, first: int, last: int) -> None:
            self.first, self.last = first, last
            super().__init__(0.0, "fixed")

        def __call__(self, X, Y=None, eval_gradient=False):  # type: ignore[no-untyped-def]
            Y = X if Y is None else Y
            return super().__call__(X[:, self.first : self.last], Y[:, self.first : self.last])

        def diag(self, X):  # type: ignore[no-untyped-def]
            return super().diag(X[:, self.first : self.last])

    num_first = groups[0].shape[1]

    class First(Matern):
        """A Matérn kernel on the first group."""

        def __call__(self, X, Y=None, eval_gradient=False):  # type: ignore[no-untyped-def]
            Y = X if Y is None else Y
            return super().__call__(X[:, :num_first] * stretch, Y[:, :num_first] * stretch)

    kernel = ConstantKernel(0.7 / 7) * Columns(0, num_first) + ConstantKernel(0.4 / 6) * Columns(
        num_first, 10_000
    )
    kernel = kernel + ConstantKernel(1.3) * First(0.8 * np.sqrt(2 * 7.0), nu=2.5)
    other = GaussianProcessRegressor(kernel, alpha=0.05 + JITTER, optimizer=None)
    other.fit(np.concatenate(groups, axis=1), targets)
    expected_mean, expected_deviation = other.predict(np.concatenate(of_new, axis=1), return_std=True)
    assert mean == pytest.approx(expected_mean, abs=1e-4)
    assert deviation == pytest.approx(expected_deviation, abs=1e-3)


def test_a_fit_ranks_a_function_of_choices_and_neighboring_pairs() -> None:
    rng = np.random.default_rng(1)
    effects = [group.shape[1] for group in SPACE.kernel_features(SPACE.sample(1, rng))]
    weights = [rng.normal(size=n) for n in effects]

    def value(architectures):  # type: ignore[no-untyped-def]
        return sum(g @ w for g, w in zip(SPACE.kernel_features(architectures), weights, strict=True))

    known, new = SPACE.sample(60, rng), SPACE.sample(200, rng)
    process = fit_gaussian_process(SPACE.kernel_features(known), clipped(value(known)))
    linear, further, _, _, noise = process.parameters
    assert further > 0.1 and linear > 0.1 and noise < 0.1
    mean, deviation = process.predict(SPACE.kernel_features(new))
    assert kendalltau(mean, value(new)).statistic > 0.75
    of_known = process.predict(SPACE.kernel_features(known))[1]
    assert of_known.mean() < 0.7 * deviation.mean()
    assert process.parameters == pytest.approx(
        fit_gaussian_process(SPACE.kernel_features(known), clipped(value(known))).parameters, rel=0
    )


def test_a_believed_mean_moves_no_prediction_and_lowers_the_deviation() -> None:
    rng = np.random.default_rng(2)
    known, (new, *_) = SPACE.sample(20, rng), SPACE.sample(300, rng)[-5:]
    targets = rng.normal(size=20)
    process = fit_gaussian_process(SPACE.kernel_features(known), targets)
    (mean,), (deviation,) = process.predict(SPACE.kernel_features([new]))
    both = SPACE.kernel_features([*known, new])
    (after,), (less,) = process.conditioned(both, np.append(targets, mean)).predict(
        SPACE.kernel_features([new])
    )
    assert after == pytest.approx(mean, abs=1e-4) and less < deviation


def test_expected_improvement_is_what_draws_give() -> None:
    mean, deviation = np.array([0.0, 1.0, 0.5, -2.0]), np.array([1.0, 0.5, 0.0, 0.1])
    drawn = np.random.default_rng(0).normal(mean, deviation, (200_000, 4))
    expected = np.maximum(drawn - 0.3, 0).mean(axis=0)
    assert expected_improvement(mean, deviation, 0.3) == pytest.approx(expected, abs=5e-3)


def test_of_many_values_the_best_half_and_an_even_part_of_the_rest_are_kept() -> None:
    values = np.random.default_rng(0).permutation(1000).astype(float)
    kept = informative(values, 100)
    assert (np.diff(kept) > 0).all() and len(kept) == 100
    assert sorted(values[kept])[-50:] == list(range(950, 1000))
    rest = np.array(sorted(values[kept])[:50])
    assert rest[0] == 0 and rest[-1] == 949 and np.diff(rest).max() <= 20
    np.testing.assert_array_equal(informative(values[:100], 100), np.arange(100))


def test_a_process_of_many_labels_ranks_well_and_its_size_is_bounded() -> None:
    space = SequenceSpace("chain", {f"p{i}": list("abcdef") for i in range(10)})
    rng = np.random.default_rng(0)
    architectures = space.sample(5000, rng)
    features = space.features(architectures)
    values = features @ rng.normal(size=features.shape[1])
    teacher = fit_process_teacher(space, architectures[:4000], values[:4000], 1.0)
    assert teacher is not None and len(teacher.process.weights) == MAX_LABELS
    assert kendalltau(teacher.predict(architectures[4000:]), values[4000:]).statistic > 0.95


def test_ordered_positions_have_a_length_each_and_the_process_is_smooth() -> None:
    """The accuracy depends on the first position alone, and a category has no length of its own."""
    ordered = SequenceSpace(
        "ordered", {"a": {"low": 0, "high": 40}, "b": {"low": 0, "high": 9}, "c": ["x", "y"]}
    )
    assert ordered.ordered_features is not None
    assert ordered.ordered_features.tolist() == [1, 2, 0, 0]
    rng = np.random.default_rng(0)
    known, new = ordered.sample(40, rng), ordered.sample(200, rng)
    hill = [np.exp(-(((np.array(a)[:, 0] - 13) / 8) ** 2)) for a in (known, new)]
    groups, targets = ordered.kernel_features(known), (hill[0] - hill[0].mean()) / hill[0].std()
    process = fit_gaussian_process(groups, targets, ordered.ordered_features)
    assert process.stretch[0] > 4 * process.stretch[1] and (process.stretch[2:] == 1).all()
    errors = hill[0].mean() + hill[0].std() * process.predict(ordered.kernel_features(new))[0] - hill[1]
    assert np.abs(errors).mean() < 0.01
    assert (fit_gaussian_process(groups, targets).stretch == 1).all()
