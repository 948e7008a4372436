"""Test made-up landscapes against plain Python, and their best architecture against brute force."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from hashlib import blake2b
from itertools import product
from statistics import NormalDist

import numpy as np
import pytest

from seminas.config.evaluators import LandscapeSettings
from seminas.config.spaces import MobileNetSettings
from seminas.errors import UserError
from seminas.evaluators.landscape import Landscape, LandscapeEvaluator
from seminas.spaces.mobilenet import MobileNet
from seminas.spaces.nasbench101 import NASBench101
from seminas.spaces.sequence import Choices, SequenceSpace

SIZES = (3, 2, 4, 2, 3, 1, 5)


def chain(sizes: Sequence[int], **further: object) -> SequenceSpace:
    positions = {f"p{p}": list(range(n)) for p, n in enumerate(sizes)}
    return SequenceSpace("small", positions, **further)  # type: ignore[arg-type]


def evaluator(space: SequenceSpace, seed: int | None = 0, **settings: object) -> LandscapeEvaluator:
    return LandscapeEvaluator(space, 7, LandscapeSettings(seed=seed, **settings))  # type: ignore[arg-type]


def every(sizes: Sequence[int]) -> list[Choices]:
    return list(product(*(range(n) for n in sizes)))


def normal(bits: int) -> float:
    return NormalDist().inv_cdf(((bits >> 12) + 0.5) / 2**52)


def reference(sizes: Sequence[int], seed: int) -> dict[Choices, float]:
    """Return the accuracy of each architecture without noise. This code is slow and plain."""
    source = np.random.PCG64(seed)
    main: dict[tuple[int, int], float] = {}
    pairs: dict[tuple[int, int, int, int], float] = {}
    for p, n in enumerate(sizes):
        for i in range(n):
            main[p, i] = normal(source.random_raw())
        for distance in (1, 4):
            if p >= distance:
                for i in range(sizes[p - distance]):
                    for j in range(n):
                        pairs[distance, p, i, j] = normal(source.random_raw())
    accuracies = {}
    for choices in every(sizes):
        total = 0.0
        for p, choice in enumerate(choices):
            total += main[p, choice]
            if p >= 1:
                total += 0.7 * pairs[1, p, choices[p - 1], choice]
            if p >= 4:
                total += 0.5 * pairs[4, p, choices[p - 4], choice]
        accuracies[choices] = 1 / (1 + math.exp(-total / 12))
    return accuracies


@pytest.mark.parametrize("seed", [0, 5])
def test_accuracies_are_those_of_the_formula(seed: int) -> None:
    landscape, expected = evaluator(chain(SIZES), seed), reference(SIZES, seed)
    architectures = every(SIZES)
    tests = [expected[a] for a in architectures]
    np.testing.assert_allclose(landscape.look_up_tests(architectures), tests, rtol=1e-12)
    assert landscape.test(architectures[9]) == landscape.look_up_tests(architectures)[9]
    texts = [" ".join(map(str, (seed, *a))) for a in architectures]
    bits = [int.from_bytes(blake2b(t.encode(), digest_size=8).digest(), "little") for t in texts]
    noisy = [test + 0.002 * normal(b) for test, b in zip(tests, bits, strict=True)]
    np.testing.assert_allclose(landscape.val_accuracies(architectures), noisy, rtol=1e-12)


def test_an_evaluation_is_a_validation_accuracy_and_takes_a_second() -> None:
    landscape, architectures = evaluator(chain(SIZES), num_workers=3), every(SIZES)[:4]
    evaluations = list(landscape.evaluate(architectures))
    assert [position for position, _ in evaluations] == [0, 1, 2, 3]
    values = [evaluation.val_accuracy for _, evaluation in evaluations]
    assert values == landscape.val_accuracies(architectures).tolist()
    assert {evaluation.cost_s for _, evaluation in evaluations} == {1.0}
    assert landscape.workers().num_workers == 3 and landscape.workers().now_s() == 0
    assert list(landscape.evaluate([])) == []


OTHER_PROCESS = """
import json
from seminas.config.evaluators import LandscapeSettings
from seminas.evaluators.landscape import LandscapeEvaluator
from seminas.spaces.nasbench201 import NASBench201

landscape = LandscapeEvaluator(NASBench201(), 0, LandscapeSettings(seed=3))
architectures = landscape._space.at(range(0, 15_625, 1_000))
print(json.dumps([landscape.val_accuracies([a])[0] for a in reversed(architectures)]))
"""


@pytest.mark.long
def test_accuracies_do_not_depend_on_the_process_and_the_order_of_questions() -> None:
    answers = [
        subprocess.run(
            [sys.executable, "-c", OTHER_PROCESS],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert answers[0] == answers[1]
    here = evaluator(chain([5] * 6), 3)
    architectures = here._space.at(np.arange(0, 15_625, 1_000))
    assert here.val_accuracies(architectures).tolist() == json.loads(answers[0])[::-1]


def test_a_landscape_stays_the_same_in_later_versions() -> None:
    space = MobileNet()
    landscape = evaluator(space)
    first = (0,) * 21
    assert landscape.val_accuracies([first])[0] == pytest.approx(0.45458735087022323, abs=1e-12)
    assert landscape.test(first) == pytest.approx(0.45520411121801, abs=1e-12)
    assert landscape.best == (5, 1, 2, 4, 1, 1, 0, 2, 3, 1, 4, 0, 1, 6, 1, 4, 3, 1, 3, 2, 0)
    assert landscape.best_there_is() == {"test_accuracy": pytest.approx(0.9708732210933241, abs=1e-12)}


def test_noise_has_its_standard_deviation_and_depends_on_the_seed() -> None:
    space = chain([3] * 8)
    everything = space.at(np.arange(space.size))
    noise = {}
    for seed in (0, 1):
        landscape = evaluator(space, seed, noise=0.01)
        noise[seed] = landscape.val_accuracies(everything) - landscape.look_up_tests(everything)
        assert noise[seed].std() == pytest.approx(0.01, rel=0.03)
        assert abs(noise[seed].mean()) < 4 * 0.01 / math.sqrt(space.size)
    assert abs(np.corrcoef(noise[0], noise[1])[0, 1]) < 4 / math.sqrt(space.size)
    # Architectures that differ in the last choice only.
    assert abs(np.corrcoef(noise[0][::3], noise[0][1::3])[0, 1]) < 4 / math.sqrt(space.size / 3)
    loud = evaluator(space, noise=1.0).val_accuracies(everything)
    assert loud.min() == 0 and loud.max() == 1


def test_a_null_seed_is_the_seed_of_the_run() -> None:
    space = chain(SIZES)
    architectures = every(SIZES)[:5]
    accuracies = [evaluator(space, seed).val_accuracies(architectures).tolist() for seed in (None, 7, 0)]
    assert accuracies[0] == accuracies[1] != accuracies[2]


@pytest.mark.parametrize("sizes", [SIZES, (2, 5, 3, 2, 4, 3), (4,), (3, 2, 4), (2, 3, 2, 3, 2), (2,) * 11])
@pytest.mark.parametrize("seed", range(3))
def test_the_best_architecture_is_that_of_brute_force(sizes: tuple[int, ...], seed: int) -> None:
    architectures = every(sizes)
    accuracies = Landscape(sizes, seed).accuracies(np.array(architectures))
    landscape = evaluator(chain(sizes), seed)
    assert landscape.best == architectures[accuracies.argmax()]
    assert landscape.best_there_is() == {"test_accuracy": accuracies.max()}
    worst = architectures[accuracies.argmin()]
    assert landscape.regret(worst) == accuracies.max() - accuracies.min()
    assert landscape.regret(landscape.best) == 0


def test_without_noise_the_highest_validation_accuracy_is_known_too() -> None:
    landscape = evaluator(chain(SIZES), noise=0.0)
    accuracies = landscape.val_accuracies(every(SIZES))
    assert accuracies.tolist() == landscape.look_up_tests(every(SIZES))
    highest = accuracies.max()
    assert landscape.best_there_is() == {"val_accuracy": highest, "test_accuracy": highest}


@pytest.mark.parametrize(
    "space",
    [
        chain(SIZES, forbidden=[{"p0": 1, "p6": 2}]),
        MobileNet(MobileNetSettings(max_macs=600e6)),
        chain([30] * 6),
    ],
    ids=["forbidden", "budget", "too many choices"],
)
def test_the_best_architecture_of_other_spaces_is_not_known(space: SequenceSpace) -> None:
    landscape = evaluator(space)
    (architecture,) = space.sample(1, np.random.default_rng(0))
    assert landscape.best is None and landscape.best_there_is() is None
    assert landscape.regret(architecture) is None and 0 < landscape.test(architecture) < 1


def test_a_budget_that_excludes_nothing_leaves_the_best_architecture() -> None:
    assert evaluator(MobileNet(MobileNetSettings(max_macs=1e12))).best == evaluator(MobileNet()).best


def test_a_space_of_graphs_has_no_landscape(space: NASBench101) -> None:
    with pytest.raises(UserError, match=r"^evaluator=landscape: space=nasbench101 is no chain of choices"):
        LandscapeEvaluator(space, 0, LandscapeSettings())  # type: ignore[arg-type]
