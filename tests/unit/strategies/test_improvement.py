"""Test the choice by expected improvement where architectures are many."""

import numpy as np

from seminas.controller.gaussian_process import MAX_LABELS
from seminas.spaces.sequence import SequenceSpace
from seminas.strategies.improvement import MAX_PENDING, Improvement

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
    groups = SPACE.kernel_features([best])
    assert improvement.gain(groups)[0] < alone.gain(groups)[0]
    known = set(architectures)
    climbed = improvement.climb({"random": SPACE.sample(50, rng, exclude=known)}, known)
    assert climbed is not None
    found = float((SPACE.features([climbed[0]]) @ effects)[0])
    assert found > max(values) - 0.5
