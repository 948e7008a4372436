"""Test conditions, forbidden combinations and limits of costs against brute force."""

import itertools
from typing import Any

import numpy as np
import pytest

import seminas
from seminas.errors import UserError
from seminas.spaces.sequence import SequenceSpace
from unit.spaces.prefixes import check_legal_prefixes

POSITIONS: dict[str, Any] = {
    "optimizer": ["sgd", "adam", "lamb"],
    "momentum": {"values": [0.0, 0.9, 0.99], "ordered": True, "when": {"optimizer": ["sgd"]}},
    "nesterov": {"values": [True, False], "when": {"momentum": {"at_least": 0.5}}},
    "depth": {"low": 1, "high": 3},
    "beta": {"low": 0.9, "high": 0.99, "bins": 3, "when": {"optimizer": ["adam", "lamb"], "depth": [2, 3]}},
    "clip": {"values": [1, 2], "when": {"momentum": 0.99}},
}
FORBIDDEN: list[dict[str, Any]] = [{"momentum": 0.99, "depth": 3}, {"optimizer": "lamb", "depth": [1, 2]}]
CONSTRAINTS: list[dict[str, Any]] = [
    {
        "sum": {"depth": 0.5, "optimizer": {"sgd": 0, "adam": 0.75, "lamb": 0.75}, "momentum": 0.1},
        "at_most": 2.25,
    },
    {"sum": {"depth": {1: 0.1, 2: 0.2, 3: 0.3}, "nesterov": {"true": 0.1, "false": 0}}, "at_most": 0.3},
]


def brute_force(ruled: bool) -> list[dict[str, Any]]:
    """Return all architectures in order, each with what counts."""
    values = (["sgd", "adam", "lamb"], [0.0, 0.9, 0.99], [True, False], [1, 2, 3], [0.9, 0.945, 0.99], [1, 2])
    found: dict[str, dict[str, Any]] = {}
    for combination in itertools.product(*values):
        a: dict[str, Any] = dict(zip(POSITIONS, combination, strict=True))
        if a["optimizer"] != "sgd":
            del a["momentum"]
        if a.get("momentum", 0.0) < 0.5:
            del a["nesterov"]
        if a["optimizer"] == "sgd" or a["depth"] == 1:
            del a["beta"]
        if a.get("momentum") != 0.99:
            del a["clip"]
        is_forbidden = (a.get("momentum") == 0.99 and a["depth"] == 3) or (
            a["optimizer"] == "lamb" and a["depth"] < 3
        )
        # In thousandths, so that no float is rounded.
        first = 500 * a["depth"] + 750 * (a["optimizer"] != "sgd") + round(100 * a.get("momentum", 0.0))
        second = 100 * a["depth"] + 100 * a.get("nesterov", False)
        if not ruled or not (is_forbidden or first > 2250 or second > 300):
            found[repr(a)] = a
    return list(found.values())


@pytest.fixture(scope="module", params=[False, True], ids=["conditions", "all rules"])
def case(request: pytest.FixtureRequest) -> tuple[SequenceSpace, list[dict[str, Any]]]:
    rules = (FORBIDDEN, CONSTRAINTS) if request.param else ((), None)
    return SequenceSpace("ruled", POSITIONS, *rules), brute_force(request.param)


Case = tuple[SequenceSpace, list[dict[str, Any]]]


def test_the_space_has_exactly_the_distinct_architectures(case: Case) -> None:
    space, expected = case
    everything = space.at(np.arange(space.size))
    written = [space.to_json(a) for a in everything]
    assert len(set(everything)) == space.size == len(expected)
    assert sorted(map(repr, written)) == sorted(map(repr, expected))
    np.testing.assert_array_equal(space.index(everything), np.arange(space.size))
    assert len({space.key(a) for a in everything}) == space.size
    for a in everything:
        assert space.parse(space.key(a)) == a == space.from_json(space.to_json(a))


def test_two_in_five_positions_do_not_count() -> None:
    space = SequenceSpace("ruled", POSITIONS)
    rows = np.array(space.at(np.arange(space.size)))
    inactive = rows == np.array([len(names) for names in space.positions.values()])
    assert 0.35 < inactive.mean() < 0.45 and not inactive[:, [0, 3]].any()


def test_samples_are_uniform_over_distinct_architectures(case: Case) -> None:
    space, _ = case
    rng = np.random.default_rng(0)
    counts = np.zeros(space.size)
    for _ in range(2000):
        counts[space.index(space.sample(3, rng))] += 1
    drawn = np.zeros(space.size)
    np.add.at(drawn, space.index([tuple(row) for row in space._chain.draw(6000, rng).tolist()]), 1)
    expected = 6000 / space.size
    for numbers in (counts, drawn):
        assert np.abs(numbers - expected).max() < 5 * expected**0.5
    left = space.sample(100, rng, exclude=space.at(np.arange(3, space.size)))
    assert sorted(space.index(left)) == [0, 1, 2]


@pytest.mark.parametrize("strategy", ["seminas", "gaussian_process", "evolution", "local_search", "random"])
def test_a_search_evaluates_each_distinct_architecture_once(strategy: str) -> None:
    """The search goes on until the space is exhausted. Half of the space is pending at first."""
    space = SequenceSpace("ruled", POSITIONS)
    with seminas.Study(space, strategy) as study:
        trials = study.ask(space.size // 2)
        while trials:
            for trial in trials:
                study.tell(trial, 0.5 + len(trial.choices) / 100)
            trials = study.ask(4)
        keys = [record.key for record in study.history]
    assert len(keys) == len(set(keys)) == space.size


def test_tokens_are_read_back_and_legal_prefixes_are_exactly_those_of_architectures(case: Case) -> None:
    space, _ = case
    everything = space.at(np.arange(space.size))
    tokens = space.encode(everything)
    assert space.decode(tokens) == everything
    check_legal_prefixes(space)
    every = np.array(list(itertools.product(range(space.num_tokens + 1), repeat=2)))
    others = np.concatenate([every, np.repeat(tokens[:1, 2:], len(every), axis=0)], axis=1)
    decoded = [a for a in space.decode(others) if a is not None]
    assert set(decoded) <= set(everything)


def test_neighbors_are_legal_distinct_and_symmetric(case: Case) -> None:
    space, _ = case
    everything = set(space.at(np.arange(space.size)))
    for a in everything:
        near = space.neighbors(a)
        assert len(set(near)) == len(near) and set(near) <= everything - {a}
        assert all(a in space.neighbors(b) for b in near)


def test_a_change_that_activates_positions_gives_each_of_their_values() -> None:
    space = SequenceSpace("ruled", POSITIONS)
    near = [space.to_json(a) for a in space.neighbors(space.parse("optimizer=adam depth=1"))]
    sgd = {"optimizer": "sgd"}
    assert near == [
        {**sgd, "momentum": 0.0, "depth": 1},
        *({**sgd, "momentum": 0.9, "nesterov": n, "depth": 1} for n in (True, False)),
        *(
            {**sgd, "momentum": 0.99, "nesterov": n, "depth": 1, "clip": c}
            for n in (True, False)
            for c in (1, 2)
        ),
        {"optimizer": "lamb", "depth": 1},
        *({"optimizer": "adam", "depth": 2, "beta": beta} for beta in (0.9, 0.945, 0.99)),
    ]


def test_many_positions_that_begin_to_count_together_have_few_neighbors() -> None:
    further = {f"rate{i}": {"low": 0.0, "high": 1.0, "when": {"kind": "b"}} for i in range(6)}
    space = SequenceSpace("wide", {"kind": ["a", "b", "c"], **further})
    assert space.size == 2 + 64**6
    start = space.parse("kind=a")
    near = space.neighbors(start)
    assert len(near) == 1 + 2**6 and all(start in space.neighbors(b) for b in near)
    for a in space.sample(20, np.random.default_rng(0)):
        assert all(a in space.neighbors(b) for b in space.neighbors(a))


def test_views_leave_out_what_does_not_count() -> None:
    space = SequenceSpace("ruled", POSITIONS)
    rows = [
        space.parse("optimizer=adam depth=1"),
        space.parse("optimizer=sgd momentum=0.9 nesterov=true depth=1"),
    ]
    adjacency, labels = space.graphs(rows)
    assert np.argwhere(adjacency[0]).tolist() == [[0, 3]]
    assert np.argwhere(adjacency[1]).tolist() == [[0, 1], [1, 2], [2, 3]]
    assert (labels[0] > 0).tolist() == [True, False, False, True, False, False]
    assert space.vertex_names(rows[0]) == ["adam", "1"] and labels.max() < space.num_labels
    first, _ = space.kernel_features(rows)
    # optimizer (3), momentum and whether it does not count (2), nesterov (3), depth (1), beta (2), clip (3).
    np.testing.assert_allclose(
        first[0], [0, 1, 0, 0, 2**0.5, 0, 0, 1, -(2**-0.5), 0, 2**0.5, 0, 0, 1], rtol=1e-6
    )


def test_large_spaces_are_counted_exactly() -> None:
    positions: dict[str, Any] = {f"n{i}": {"low": 1, "high": 20} for i in range(20)}
    limit = {"sum": dict.fromkeys(positions, 1.5), "at_most": 240}
    space = SequenceSpace("large", positions, constraints=[limit])
    ways = np.array([1], dtype=object)
    for _ in positions:
        ways = np.convolve(ways, np.array([0] + [1] * 20, dtype=object))
    assert space.size == sum(ways[: 160 + 1]) > 2**63
    drawn = space.sample(200, np.random.default_rng(0))
    assert len(set(drawn)) == 200 and max(sum(a) + 20 for a in drawn) <= 160


BASE: dict[str, Any] = {"depth": {"low": 1, "high": 3}, "kind": ["a", "b"]}


@pytest.mark.parametrize(
    ("forbidden", "constraints", "line"),
    [
        ([], 3, "space.constraints=3: must be a list of mappings"),
        (
            [],
            [{"sum": {"deep": 1}, "at_most": 3}],
            r"space.constraints\[0\].sum=deep: must be one of the positions depth, kind",
        ),
        ([], [{"sum": {"depth": 1}}], r"space.constraints\[0\].at_most=None: must be a number"),
        ([], [{"at_most": 1}], r"space.constraints\[0\].sum=None: must be a mapping"),
        (
            [],
            [{"sum": {"depth": 1}, "at_most": 3, "at_least": 1}],
            r"space.constraints\[0\].at_least: is unknown",
        ),
        (
            [],
            [{"sum": {"depth": {1: 1, 2: 2}}, "at_most": 3}],
            r"space.constraints\[0\].sum.depth=.*: must be a cost for each value; 3 has none",
        ),
        (
            [],
            [{"sum": {"depth": {1: 1, 4: 2}}, "at_most": 3}],
            r"space.constraints\[0\].sum.depth=4: must be one of 1, 2, 3",
        ),
        (
            [],
            [{"sum": {"kind": 2}, "at_most": 3}],
            r"space.constraints\[0\].sum.kind=2: must be a cost for each of a, b",
        ),
        (
            [],
            [{"sum": {"kind": {"a": "x", "b": 1}}, "at_most": 3}],
            r"space.constraints\[0\].sum.kind.a=x: must be a number",
        ),
        (
            [],
            [{"sum": {"depth": 1.5}, "at_most": 1}],
            r"space.constraints\[0\].at_most=1: must be at least 1.5, the smallest sum",
        ),
        (
            [{"depth": 1}],
            [{"sum": {"depth": 1}, "at_most": 5}, {"sum": {"depth": 0.1}, "at_most": 0.15}],
            r"space.constraints\[1\].at_most=0.15: must be at least 0.2, the smallest sum",
        ),
        (
            [],
            [{"sum": {"depth": 1}, "at_most": 1.5}, {"sum": {"depth": -1}, "at_most": -2.5}],
            r"space.constraints\[0\].at_most=1.5: must be larger, or the other constraints looser",
        ),
        ([{"depth": [1, 2, 3]}], None, "space.forbidden: nothing is left of the space"),
        (
            [{"depth": {"at_least": 4}}],
            None,
            "space.forbidden.depth=.*: must be bounds around one of 1, 2, 3",
        ),
        (
            [{"kind": {"at_least": 4}}],
            None,
            "space.forbidden.kind=.*: must be one of a, b; bounds need ordered numbers",
        ),
        ([{"depth": {"above": 4}}], None, "space.forbidden.depth=.*: must be at_least, at_most or both"),
        ([{"deep": 1}], None, "space.forbidden=deep: must be one of the positions depth, kind"),
        ([{"depth": 9}], None, "space.forbidden.depth=9: must be one of 1, 2, 3"),
        ([{"depth": [1, 2]}, {"kind": "a"}], None, "space.positions: the space has one architecture only"),
    ],
    ids=str,
)
def test_a_wrong_rule_is_one_line(forbidden: Any, constraints: Any, line: str) -> None:
    with pytest.raises(UserError, match=f"^{line}") as error:
        SequenceSpace("s", BASE, forbidden, constraints)
    assert "\n" not in str(error.value)
