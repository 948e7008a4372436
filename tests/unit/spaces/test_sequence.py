import gzip
import re
from itertools import product
from typing import Any

import numpy as np
import pytest

from seminas.commands.space import load_space
from seminas.errors import UserError
from seminas.spaces.sequence import SequenceSpace
from support import DATA
from unit.spaces.prefixes import check_legal_prefixes

POSITIONS = {
    "depth": [1, 2, 3],
    "kernel": ["k3", "k5"],
    "width": [16, 32, 64, 128],
    "norm": ["batch", "none"],
}
FORBIDDEN = [
    {"depth": 1, "norm": "none"},
    {"kernel": "k5", "width": 128},
    {"depth": 3, "width": 16, "norm": "batch"},
]


def brute_force() -> list[dict[str, str]]:
    every = [dict(zip(POSITIONS, map(str, choices), strict=True)) for choices in product(*POSITIONS.values())]
    forbidden = [{k: str(v) for k, v in combination.items()} for combination in FORBIDDEN]
    return [a for a in every if not any(all(a[k] == v for k, v in f.items()) for f in forbidden)]


@pytest.fixture(scope="module")
def small() -> SequenceSpace:
    return SequenceSpace("small", POSITIONS, FORBIDDEN)


def test_everything_that_is_not_forbidden_is_numbered_in_order(small: SequenceSpace) -> None:
    everything = small.at(np.arange(small.size))
    assert [small.to_json(a) for a in everything] == brute_force()
    np.testing.assert_array_equal(small.index(everything), np.arange(small.size))
    for a in everything:
        assert small.from_json(small.to_json(a)) == a == small.parse(small.key(a))
    with pytest.raises(KeyError):
        small.index([(0, 0, 0, 1)])


def test_tokens_are_read_back_and_legal_prefixes_are_exactly_those_of_architectures(
    small: SequenceSpace,
) -> None:
    everything = small.at(np.arange(small.size))
    tokens = small.encode(everything)
    assert tokens.min() == 1 and tokens.max() < small.num_tokens
    assert small.decode(tokens) == everything
    check_legal_prefixes(small)
    assert small.decode(np.array([[0] * 4, [99] * 4, [-1] * 4, tokens[0][::-1]])) == [None] * 4


def test_samples_are_uniform_distinct_and_leave_out_what_is_excluded(small: SequenceSpace) -> None:
    rng = np.random.default_rng(0)
    counts = np.zeros(small.size)
    for _ in range(2_000):
        counts[small.index(small.sample(3, rng))] += 1
    expected = 6_000 / small.size
    assert np.abs(counts - expected).max() < 5 * expected**0.5
    rest = small.sample(100, rng, exclude=small.at(np.arange(3, small.size)))
    assert sorted(small.index(rest)) == [0, 1, 2]


def test_neighbours_differ_in_one_choice(small: SequenceSpace) -> None:
    everything = small.at(np.arange(small.size))
    for a in everything:
        expected = {b for b in everything if sum(x != y for x, y in zip(a, b, strict=True)) == 1}
        assert set(small.neighbors(a)) == expected and len(small.neighbors(a)) == len(expected)


def test_the_graph_view_tells_the_same_choice_at_two_positions_apart() -> None:
    space = SequenceSpace("chain", {"first": ["a", "b"], "second": ["a", "b"]})
    adjacency, labels = space.graphs(space.at(np.arange(4)))
    assert adjacency.tolist() == [[[0, 1], [0, 0]]] * 4
    assert labels.tolist() == [[1, 3], [1, 4], [2, 3], [2, 4]] and space.num_labels == 5
    assert space.num_tokens == 3


@pytest.mark.parametrize("length", [22, 60])
def test_large_spaces_are_counted_and_sampled(length: int) -> None:
    positions = {f"block{i}": list("1234567") for i in range(length)}
    space = SequenceSpace(
        "large", positions, [{f"block{i}": "7", f"block{i + 1}": "7"} for i in range(length - 1)]
    )
    # Sequences of length n without two sevens in a row: a(n) = 6 a(n - 1) + 6 a(n - 2).
    a = [1, 7]
    while len(a) <= length:
        a.append(6 * a[-1] + 6 * a[-2])
    assert space.size == a[length]
    drawn = space.sample(500, np.random.default_rng(0), exclude=space.sample(5, np.random.default_rng(1)))
    assert len(set(drawn)) == 500 and space.decode(space.encode(drawn)) == drawn
    assert abs(np.mean(np.array(drawn)[:, 5] == 6) - a[4] * a[length - 7] * 36 / a[length]) < 0.05
    if length == 22:
        np.testing.assert_array_equal(space.at(space.index(drawn)), drawn)
    else:
        with pytest.raises(UserError, match="too many for a table"):
            space.at(np.arange(3))


def test_rows_of_a_table_name_the_positions_or_the_key(small: SequenceSpace) -> None:
    first = small.at(np.array([0]))[0]
    rows = [{name: str(value) for name, value in small.to_json(first).items()}]
    rows.append({**rows[0], "norm": "none"})
    read: list[Any] = small.from_rows(rows)
    assert read[0] == first and "forbidden" in str(read[1])
    assert small.from_rows([{"arch": small.key(first)}]) == [first]
    (wrong,) = small.from_rows([{"arch": "1 k3 16"}])
    assert "has 3 choices" in str(wrong)


@pytest.mark.parametrize(
    ("positions", "forbidden", "message"),
    [
        ({}, [], "space.positions="),
        ({"a": []}, [], "space.positions.a="),
        ({"a": ["x", "x"]}, [], "space.positions.a="),
        (["a"], [], "space.positions=['a']: must be at least one position"),
        ({"a": -1}, [], "space.positions.a=-1: must be a list of choices"),
        ({"a": "xyz"}, [], "space.positions.a=xyz: must be a list of choices"),
        ({"a": ["x", [1]]}, [], "space.positions.a=['x', [1]]: must be a list of choices"),
        ({"a": ["x"]}, 5, "space.forbidden=5: must be a list"),
        ({"a": ["x"]}, ["a"], "space.forbidden=['a']: must be a list"),
        ({"a": ["x"]}, [{"b": "x"}], "space.forbidden=b"),
        ({"a": ["x"]}, [{"a": "y"}], "space.forbidden.a=y: must be one of x"),
        ({"a": ["x"]}, [{"a": "x"}], "nothing is left"),
        ({"a": ["x"]}, [{}], "space.forbidden="),
    ],
)
def test_a_wrong_declaration_is_refused_by_its_key(positions: Any, forbidden: Any, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        SequenceSpace("wrong", positions, forbidden)


def test_nasbench_macro_is_the_benchmarks_space() -> None:
    space = load_space("nasbench_macro")
    assert space.size == 6_561
    path = DATA / "nasbench_macro.csv.gz"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    with gzip.open(path, "rt") as file:
        names = [line.split(",")[0] for line in file][1:]
    assert {space.key(space.parse(name)) for name in names} == set(names) and len(set(names)) == 6_561
