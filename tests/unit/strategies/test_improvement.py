"""Test the choice by expected improvement where architectures are many."""

import numpy as np

from seminas.controller.gaussian_process import MAX_LABELS
from seminas.spaces.sequence import SequenceSpace
from seminas.strategies.improvement import MAX_PENDING, Improvement, views_of

SPACE = SequenceSpace("chain", {f"p{i}": list("abcdef") for i in range(8)})


def test_the_process_is_bounded_and_respects_many_pending_architectures() -> None:
    rng = np.random.default_rng(0)
    architectures = SPACE.sample(3000, rng)
    effects = rng.normal(size=SPACE.features(architectures[:1]).shape[1])
    values = SPACE.features(architectures) @ effects
    labeled = dict(zip(architectures[:2000], values[:2000].tolist(), strict=True))
    pending, others = architectures[2000:2600], architectures[2600:]
    improvement = Improvement(SPACE, labeled, pending)
    assert len(improvement._targets) == MAX_LABELS + MAX_PENDING
    for architecture in others[:10]:
        improvement.believe([architecture])
    assert len(improvement._targets) == MAX_LABELS + MAX_PENDING
    best = max(pending, key=lambda a: values[architectures.index(a)])
    alone = Improvement(SPACE, labeled)
    views = views_of(SPACE, [best])
    assert improvement.gain(views)[0] < alone.gain(views)[0]
    known = set(architectures)
    climbed = improvement.climb({"random": SPACE.sample(50, rng, exclude=known)}, known)
    assert climbed is not None
    found = float((SPACE.features([climbed[0]]) @ effects)[0])
    assert found > max(values) - 0.5


class ByFirst:
    """Descriptor whose prior is the number of the first choice."""

    gives_features = True
    seconds = 0.0

    def __call__(self, architectures):
        return np.zeros((len(architectures), 1), dtype=np.float32)

    def prior(self, architectures):
        return np.array([float(a[0]) for a in architectures])

    def expected(self, architectures):
        return np.zeros((len(architectures), 0))


def test_a_prior_is_the_mean_where_no_labels_are_near() -> None:
    described = SPACE.described(ByFirst())
    labeled = {(0, 0, 0, 0, 0, 0, 0, 0): 0.1, (0, 1, 1, 1, 1, 1, 1, 1): 0.2, (1, 0, 1, 0, 1, 0, 1, 0): 0.15}
    views = views_of(described, [(2, 5, 5, 5, 5, 5, 5, 5), (5, 5, 5, 5, 5, 5, 5, 5)])
    plain = views_of(SPACE, [(2, 5, 5, 5, 5, 5, 5, 5), (5, 5, 5, 5, 5, 5, 5, 5)])
    low, high = Improvement(described, labeled).gain(views)
    assert high > low + 2
    assert np.ptp(Improvement(SPACE, labeled).gain(plain)) < 0.1
