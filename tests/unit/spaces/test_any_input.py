"""Whatever a file or a person writes is an architecture, or a ValueError of the space."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seminas.commands.space import load_space
from seminas.spaces.base import SearchSpace
from seminas.spaces.sequence import SequenceSpace

SPACES = {name: load_space(name) for name in ("nasbench101", "nasbench201", "nasbench_macro", "mobilenet")}
SPACES["ruled"] = SequenceSpace(
    "ruled",
    {
        "input": ["a", "x"],
        "x": {"low": 0, "high": 9, "when": {"input": "x"}},
        "s1b1": {"low": 0.1, "high": 1.0, "when": {"x": {"at_most": 5}}},
        "matrix": [None, True, 1, "1 2"],
    },
    constraints=[{"sum": {"x": 1.0, "s1b1": 2.5}, "at_most": 7}],
)
LEAVES = st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | st.text(max_size=5)
NAMES = st.sampled_from(["matrix", "operations", "layer1", "s1b1", "input", "output", "x"])
ANY_JSON = st.recursive(
    LEAVES, lambda part: st.lists(part, max_size=4) | st.dictionaries(NAMES, part, max_size=4)
)
SQUARES = st.integers(0, 8).flatmap(
    lambda n: st.lists(st.lists(st.integers(-1, 2), min_size=n, max_size=n), min_size=n, max_size=n)
)
CELLS = st.fixed_dictionaries(
    {
        "matrix": SQUARES | ANY_JSON,
        "operations": st.lists(
            st.sampled_from(["input", "output", "conv3x3-bn-relu", "maxpool3x3", "x"]) | LEAVES
        ),
    }
)


def is_architecture(space: SearchSpace[Any], architecture: Any) -> bool:
    return space.decode(space.encode([architecture])) == [architecture]


def read_or_refused(space: SearchSpace[Any], read: Callable[[Any], Any], value: Any) -> Any:
    """Return the architecture of a value, checked, or None if the space refuses the value by a ValueError."""
    try:
        architecture = read(value)
    except ValueError:
        return None
    assert is_architecture(space, architecture)
    return architecture


@pytest.mark.parametrize("name", SPACES)
@settings(max_examples=300, deadline=None)
@given(value=ANY_JSON | CELLS)
@example(value={"matrix": 5, "operations": []})
@example(value={"matrix": [[0, 1], [0]], "operations": ["input", "output"]})
@example(value={"matrix": [[0, 1], [0, 0]], "operations": 3})
def test_any_json(name: str, value: Any) -> None:
    space = SPACES[name]
    architecture = read_or_refused(space, space.from_json, value)
    if architecture is not None:
        assert space.from_json(json.loads(json.dumps(space.to_json(architecture)))) == architecture


@pytest.mark.parametrize("name", SPACES)
@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=40) | ANY_JSON.map(json.dumps) | st.text("0123|~+ _abcx", max_size=60))
def test_any_text(name: str, text: str) -> None:
    read_or_refused(SPACES[name], SPACES[name].parse, text)


@pytest.mark.parametrize("name", SPACES)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_row(name: str, data: st.DataObject) -> None:
    space = SPACES[name]
    columns = data.draw(st.sampled_from(space.csv_columns))
    row = {column: data.draw(st.text(max_size=30) | st.text("01|", max_size=30)) for column in columns}
    (architecture,) = space.from_rows([row])
    assert isinstance(architecture, ValueError) or is_architecture(space, architecture)


@pytest.mark.parametrize("name", SPACES)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_tokens(name: str, data: st.DataObject) -> None:
    space = SPACES[name]
    token = st.integers(-2, space.num_tokens + 1)
    tokens = np.array([data.draw(st.lists(token, min_size=space.max_length, max_size=space.max_length))])
    (architecture,) = space.decode(tokens)
    assert architecture is None or (space.encode([architecture]) == tokens).all()
