"""Test the default methods of spaces."""

import json
from collections.abc import Collection, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seminas.errors import UserError
from seminas.spaces.base import EnumerableSpace, SearchSpace
from seminas.spaces.capabilities import BuildsNetworks, HasSupernet, reference_image, require
from seminas.spaces.nasbench101 import NASBench101

Widths = tuple[int, ...]
ALL = [w for n in (1, 2, 3) for w in product((4, 8, 16), repeat=n) if sorted(w) == list(w)]


class Tiny(EnumerableSpace[Widths]):
    """A space of up to three widths in ascending order. Widths may be equal."""

    name, num_tokens, max_length, size = "tiny", 4, 3, len(ALL)

    def at(self, indices: NDArray[np.int64]) -> list[Widths]:
        return [ALL[i] for i in np.asarray(indices).tolist()]

    def encode(self, architectures: Sequence[Widths]) -> NDArray[np.int64]:
        rows = [[1 + (4, 8, 16).index(w) for w in a] + [0] * (3 - len(a)) for a in architectures]
        return np.array(rows, dtype=np.int64).reshape(-1, 3)


class Backwards(Tiny):
    def at(self, indices: NDArray[np.int64]) -> list[Widths]:
        return [ALL[-1 - i] for i in np.asarray(indices).tolist()]


class Bits(SearchSpace[tuple[int, ...]]):
    """A space of 2^80 sequences. They are too many to number. The space writes only the five required methods."""

    name, num_tokens, max_length, size = "bits", 3, 80, 2**80

    def sample(
        self, n: int, rng: np.random.Generator, exclude: Collection[tuple[int, ...]] = ()
    ) -> list[tuple[int, ...]]:
        return [tuple(row) for row in rng.integers(0, 2, (n, 80)).tolist()]

    def encode(self, architectures: Sequence[tuple[int, ...]]) -> NDArray[np.int64]:
        return np.array(architectures, dtype=np.int64).reshape(-1, 80) + 1

    def decode(self, tokens: NDArray[np.int64]) -> list[tuple[int, ...] | None]:
        return [tuple(t - 1 for t in row) if min(row) > 0 else None for row in np.asarray(tokens).tolist()]

    def legal_tokens(self, prefix: torch.Tensor) -> torch.Tensor:
        return torch.tensor([False, True, True]).expand(len(prefix), 3)


def test_an_enumerable_space_writes_three_methods() -> None:
    space = Tiny()
    every = space.at(np.arange(space.size))
    assert len(space) == len(set(every)) == len(ALL)
    assert space.decode(space.encode(every)) == every
    assert space.index(every).tolist() == list(range(len(ALL)))
    assert space.index([]).shape == (0,)
    with pytest.raises(KeyError):
        space.index([(16, 4)])
    assert space.decode(np.array([[3, 1, 0], [0, 0, 0], [1, 0, 1]])) == [None, None, None]
    assert space.fingerprint() == Tiny().fingerprint() != Backwards().fingerprint()


def test_legal_tokens_are_those_that_lead_to_an_architecture() -> None:
    space = Tiny()
    tokens = space.encode(space.at(np.arange(space.size)))
    for length in range(3):
        prefixes = [list(prefix) for prefix in product(range(space.num_tokens), repeat=length)]
        legal = space.legal_tokens(
            torch.tensor(prefixes, dtype=torch.long).reshape(len(prefixes), length)
        ).numpy()
        for prefix, mask in zip(prefixes, legal, strict=True):
            following = {row[length] for row in tokens.tolist() if row[:length] == prefix}
            assert set(np.flatnonzero(mask)) == following


@pytest.mark.parametrize("space", [Tiny(), Bits()], ids=["tiny", "bits"])
def test_json_views_and_neighbours_follow_from_the_tokens(space: Any) -> None:
    rng = np.random.default_rng(0)
    for architecture in space.sample(5, rng):
        written = json.loads(json.dumps(space.to_json(architecture)))
        assert space.from_json(written) == architecture == space.parse(space.key(architecture))
        neighbors = space.neighbors(architecture)
        assert architecture not in neighbors and len(set(neighbors)) == len(neighbors) > 0
        for other in neighbors[:5]:
            assert (space.encode([other]) != space.encode([architecture])).sum() == 1
            assert architecture in space.neighbors(other)
        assert space.mutate(architecture, rng) in neighbors
    adjacency, labels = space.graphs([architecture])
    assert adjacency.sum() == (labels != 0).sum() - 1
    assert space.features([architecture]).shape == (1, space.num_tokens * space.max_length)
    for nonsense in ([5], ["a"], 7, None, {"a": 1}, [[4]]):
        with pytest.raises(ValueError, match="is no architecture of space"):
            space.from_json(nonsense)
    with pytest.raises(ValueError, match="is no JSON"):
        space.parse("(4, 8")


def test_neighbours_are_all_with_another_token_at_one_position() -> None:
    space = Tiny()
    for architecture in ALL:
        same_length = [a for a in ALL if len(a) == len(architecture)]
        expected = {a for a in same_length if sum(x != y for x, y in zip(a, architecture, strict=True)) == 1}
        neighbors = space.neighbors(architecture)
        assert set(neighbors) == expected and len(neighbors) == len(expected)


def test_a_space_of_many_architectures_is_not_listed() -> None:
    class Large(Tiny):
        name, size = "large", 1_000_001

    with pytest.raises(UserError, match="space=large: 1000001 architectures are too many to list"):
        Large().fingerprint()


def test_samples_are_distinct_new_and_uniform() -> None:
    space, rng = Tiny(), np.random.default_rng(0)
    excluded = ALL[3:9]
    for n in (1, 4, 50):
        drawn = space.sample(n, rng, exclude=excluded)
        assert len(drawn) == len(set(drawn)) == min(n, len(ALL) - 6) and not set(drawn) & set(excluded)
    counts = np.bincount([space.index(space.sample(1, rng))[0] for _ in range(3_800)], minlength=len(ALL))
    assert counts.min() > 0.6 * counts.mean() and counts.max() < 1.5 * counts.mean()


def test_a_space_that_lacks_a_capability_is_refused_by_what_needs_it() -> None:
    with pytest.raises(
        UserError, match=r"evaluator=training: space=tiny builds no networks \(method build_network\)"
    ):
        require(Tiny(), BuildsNetworks, "evaluator=training")
    with pytest.raises(
        UserError, match=r"seminas-supernet: space=nasbench101 has no supernet \(methods .*path"
    ):
        require(NASBench101(), HasSupernet, "seminas-supernet")
    assert reference_image(Tiny()) == ((3, 32, 32), 10)
