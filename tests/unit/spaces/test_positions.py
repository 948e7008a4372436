"""Test ordered positions, intervals and mixed spaces, and how all strategies search them."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import seminas
from seminas.commands.main import app
from seminas.commands.space import load_space
from seminas.config.recorded import recorded_space
from seminas.errors import UserError
from seminas.spaces.base import SearchSpace
from seminas.spaces.dictionary import DictionarySpace
from seminas.spaces.sequence import SequenceSpace

RECIPE: dict[str, Any] = {
    "kernel": {"values": [3, 5, 7], "ordered": True},
    "depth": {"low": 2, "high": 6, "step": 1},
    "augmentation": ["none", "flip", None],
    "optimizer": ["sgd", "adam"],
    "rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "momentum": {"low": 0.5, "high": 0.99, "bins": 16, "when": {"optimizer": "sgd"}},
}
STRATEGIES = (
    "random",
    "evolution",
    "local_search",
    "bananas",
    "gaussian_process",
    "seminas",
    "nao",
    "seminas_evolution",
)
LINE = {f"x{i}": {"low": 0, "high": 8} for i in range(5)}
LINE |= {f"rate{i}": {"low": 1e-4, "high": 1e-1, "log": True} for i in range(2)}  # type: ignore[dict-item]


def values_of(declared: dict[str, Any]) -> list[Any]:
    """Return the values of a position, in order."""
    space = SequenceSpace("one", {"a": declared})
    return [space.choices(a)["a"] for a in space.at(np.arange(space.size))]


def hill(values: dict[str, Any], seed: int) -> float:
    """Return a smooth accuracy between 0.3 and 0.95 with one maximum, which the seed places."""
    rng = np.random.default_rng([seed, 5])
    top, weight = rng.uniform(0.2, 0.8, 7), rng.uniform(0.3, 3.0, 7)
    scaled = [values[f"x{i}"] / 8 for i in range(5)]
    scaled += [math.log10(values[f"rate{i}"] / 1e-4) / 3 for i in range(2)]
    return 0.3 + 0.65 * math.exp(-float((weight * (np.array(scaled) - top) ** 2).sum()))


def test_the_values_of_intervals() -> None:
    assert values_of({"low": 2, "high": 6}) == [2, 3, 4, 5, 6]
    assert values_of({"low": 16, "high": 64, "step": 16}) == [16, 32, 48, 64]
    assert values_of({"low": 0.0, "high": 0.5, "step": 0.1}) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert values_of({"low": 1, "high": 100, "log": True, "bins": 5}) == [1, 3, 10, 32, 100]
    assert all(type(v) is int for v in values_of({"low": 1, "high": 100, "log": True}))
    rates = values_of({"low": 1e-4, "high": 1e-1, "log": True})
    assert len(rates) == 64 and (rates[0], rates[-1]) == (1e-4, 1e-1)
    np.testing.assert_allclose(np.diff(np.log(rates)), math.log(1000) / 63, rtol=0.02)
    narrow = values_of({"low": 1.0, "high": 1.00001, "bins": 50})
    assert len(set(narrow)) == 50 and narrow == sorted(narrow)


def test_features_have_the_order_and_the_distance() -> None:
    space = SequenceSpace(
        "line", {"width": {"values": [16, 32, 64, 128], "ordered": True}, "act": ["a", "b", "c"]}
    )
    rows = space.parse("16 a"), space.parse("32 a"), space.parse("128 a"), space.parse("16 c")
    first, second = space.kernel_features(rows)
    assert (first == space.features(rows)).all() and second.shape[0] == 4
    distance = np.linalg.norm(first - first[0], axis=1)
    np.testing.assert_allclose(distance, [0, 2**0.5 / 3, 2**0.5, 2**0.5], rtol=1e-5)
    assert (np.diff(first[:3, 0]) > 0).all()


def test_neighbors_of_ordered_values_are_adjacent_and_symmetric() -> None:
    space = SequenceSpace(
        "line", {"few": {"low": 0, "high": 7}, "many": {"low": 0.0, "high": 1.0}, "c": list("xyz")}
    )
    middle = space.from_json({"few": 4, "many": space.to_json((0, 30, 0))["many"], "c": "y"})  # type: ignore
    changed = {(p, b[p] - middle[p]) for b in space.neighbors(middle) for p in range(3) if b[p] != middle[p]}
    steps = {(1, sign * jump) for sign in (1, -1) for jump in (1, 4, 16)}
    assert changed == steps | {(0, 1), (0, -1), (2, 1), (2, -1)}
    for a in space.sample(50, np.random.default_rng(0)):
        near = space.neighbors(a)
        assert len(set(near)) == len(near) and all(a in space.neighbors(b) for b in near)


def test_architectures_of_a_mixed_space_are_shown_by_their_values() -> None:
    space = SequenceSpace("recipe", RECIPE)
    written = {"kernel": 5, "depth": 3, "augmentation": None, "optimizer": "adam", "rate": 0.01}
    architecture = space.from_json({**written, "momentum": "anything"})
    assert space.to_json(architecture) == written == space.choices(architecture)
    assert space.key(architecture) == "kernel=5 depth=3 augmentation=null optimizer=adam rate=0.01"
    assert space.parse(space.key(architecture)) == architecture == space.parse(json.dumps(written))
    assert space.parse(space.key(architecture).replace("0.01", "1e-2")) == architecture
    assert space.from_row(
        {**{k: str(v) for k, v in written.items()}, "augmentation": "null", "momentum": ""}
    ) == (architecture)
    assert space.vertex_names(architecture) == ["5", "3", "null", "adam", "0.01"]
    for a in space.sample(200, np.random.default_rng(0)):
        assert space.parse(space.key(a)) == a == space.from_json(json.loads(json.dumps(space.to_json(a))))
    for wrong in (
        "kernel=5 depth=3",
        "kernel=5 kernel=5",
        "kernel=4 depth=3",
        '{"kernel": 5, "deep": 1}',
        "5 3",
    ):
        with pytest.raises(ValueError, match="must|twice"):
            space.parse(wrong)
    with pytest.raises(ValueError, match="rate=0.02: must be one of the 64 values 0.0001, 0.0001116, …, 0.1"):
        space.from_json({**written, "rate": 0.02})


def test_a_dictionary_records_its_positions(tmp_path: Path) -> None:
    space = DictionarySpace(RECIPE)
    again: SearchSpace[Any] = recorded_space(
        {"space": json.loads(json.dumps(space.section()))}, "x", SearchSpace
    )
    for a in space.sample(50, np.random.default_rng(0)):
        assert again.key(a) == space.key(a) and again.to_json(a) == space.to_json(a) == space.choices(a)
    for _ in range(2):
        with seminas.Study(RECIPE, strategy="random", folder=tmp_path / "study") as study:
            (trial,) = study.ask()
            assert trial.number == 0 and type(trial.choices["kernel"]) is int
    with pytest.raises(UserError, match="space.positions.rate.low is 0.0001 in its config.yaml"):
        seminas.Study(
            {**RECIPE, "rate": {"low": 1e-3, "high": 1e-1, "log": True}}, "random", folder=tmp_path / "study"
        )


def test_a_space_of_a_yaml_file_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("space").mkdir()
    section = {"_target_": "seminas.spaces.sequence.SequenceSpace", "name": "recipe", "positions": RECIPE}
    constraint = {"sum": {"depth": {n: n / 2 for n in range(2, 7)}, "kernel": 0.5}, "at_most": 4.5}
    section |= {"forbidden": [{"kernel": 7, "rate": {"at_least": 0.01}}], "constraints": [constraint]}
    Path("space/recipe.yaml").write_text(json.dumps(section))
    space: Any = load_space("space/recipe.yaml")
    result = seminas.search(
        config_dir=".",
        space="recipe",
        evaluator="landscape",
        strategy="random",
        search={"max_queries": 20},
        quiet=True,
    )
    assert len({record.key for record in result.history}) == 20
    for record in result.history:
        values: Any = record.architecture
        assert values["depth"] + values["kernel"] <= 9 and (values["kernel"] < 7 or values["rate"] < 0.01)
        assert space.key(space.from_json(values)) == record.key
    Path("space/recipe.yaml").write_text(
        json.dumps({**section, "constraints": [{**constraint, "at_most": 1}]})
    )
    counted = CliRunner().invoke(app, ["space", "count", "space/recipe.yaml"])
    assert counted.exit_code == 2
    assert counted.stderr == "error: space.constraints[0].at_most=1: must be at least 2.5, the smallest sum\n"


@pytest.mark.parametrize(
    "strategy", [pytest.param(s, marks=() if s == "bananas" else pytest.mark.long) for s in STRATEGIES]
)
def test_the_smallest_spaces_end(strategy: str) -> None:
    """A strategy that fits a model may be asked when no candidate is left."""
    study = seminas.Study({"kernel": [3, 5, 7]}, strategy)
    while trials := study.ask():
        study.tell(trials[0], 0.1 * trials[0].choices["kernel"])  # type: ignore[operator]
    assert len({record.key for record in study.history}) == 3


@pytest.mark.parametrize("strategy", ["random", "evolution", "local_search", "gaussian_process"])
def test_no_architecture_is_asked_twice_until_all_are_known(strategy: str) -> None:
    small = {"depth": {"low": 1, "high": 3}, "opt": ["sgd", "adam"]}
    small["momentum"] = {"values": [0.0, 0.9], "ordered": True, "when": {"opt": "sgd", "depth": [2, 3]}}  # type: ignore
    study = seminas.Study(small, strategy)
    keys = []
    while trials := study.ask():
        keys.append(trials[0].key)
        study.tell(trials[0], 0.1 * trials[0].choices["depth"] + (trials[0].choices["opt"] == "sgd") / 9)  # type: ignore
    assert len(keys) == len(set(keys)) == 3 + 1 + 2 * 2


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_searches_a_mixed_space(strategy: str) -> None:
    forbidden = [{"kernel": 7, "rate": {"at_least": 0.01}}]
    constraints = [{"sum": {"depth": 0.5, "kernel": 0.5}, "at_most": 5}]
    space = SequenceSpace("recipe", RECIPE, forbidden, constraints)
    study = seminas.Study(space, strategy)
    for _ in range(130 if strategy == "evolution" else 60):
        (trial,) = study.ask()
        assert trial.choices["kernel"] + trial.choices["depth"] <= 10  # type: ignore[operator]
        study.tell(trial, 0.5 + 0.05 * trial.choices["depth"] - 0.1 * (trial.choices["rate"] > 0.01))  # type: ignore
    assert len({record.key for record in study.history}) == len(study.history)


def best_of(strategy: str, seed: int) -> float:
    study = seminas.Study(LINE, strategy, seed=seed)
    for _ in range(50):
        (trial,) = study.ask()
        study.tell(trial, hill(trial.choices, seed))
    assert study.best is not None and study.best.val_accuracy is not None
    return study.best.val_accuracy


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("strategy", ["seminas", "gaussian_process"])
def test_models_that_see_the_order_are_better_than_random_search(strategy: str) -> None:
    """The maximum is at most 0.95. The mean of random search after 50 evaluations is about 0.75."""
    for seed in range(3):
        assert best_of(strategy, seed) > max(0.92, best_of("random", seed) + 0.05)


@pytest.mark.parametrize(
    ("declared", "line"),
    [
        ({"low": 3, "high": 2}, "low=3: must be below high=2"),
        ({"low": 3, "high": 3}, "low=3: must be below high=3"),
        ({"low": 0, "high": 1.0, "log": True}, "low=0: must be above 0 with log=true"),
        ({"low": -1, "high": 1, "log": True}, "low=-1: must be above 0"),
        ({"low": 1}, "high=None: must be a number"),
        ({"low": "a", "high": 2}, "low=a: must be a number"),
        ({"low": True, "high": 2}, "low=True: must be a number"),
        ({"low": float("nan"), "high": 2}, "low=nan: must be a number"),
        ({"low": 1, "high": 6, "step": 2}, "high=6: must be low=1 plus a multiple of step=2"),
        ({"low": 1, "high": 6, "step": 0}, "step=0: must be a whole number above 0"),
        ({"low": 1, "high": 6, "step": 0.5}, "step=0.5: must be a whole number above 0"),
        ({"low": 0, "high": 10_000}, "step=1: must be larger, for at most 1000 values"),
        ({"low": 0.0, "high": 1, "step": 0.1, "bins": 3}, "step=0.1: must be left out with log or bins"),
        ({"low": 0.0, "high": 1, "bins": 1}, "bins=1: must be a whole number from 2 to 1000"),
        ({"low": 0.0, "high": 1, "log": "yes"}, "log=yes: must be true or false"),
        ({"low": 0.0, "high": 1, "hihg": 1}, "hihg: is unknown, a position takes values"),
        ({"low": 0.0, "high": 1, "ordered": True}, "ordered=True: must be left out with low and high"),
        ({"values": [1, 2], "low": 1}, "low=1: must be left out with values"),
        ({"values": [1, 1]}, r"values=\[1, 1\]: must be one or more distinct choices"),
        ({"values": []}, r"values=\[\]: must be one or more distinct choices"),
        ({"values": "abc"}, "values=abc: must be a list of choices"),
        ({"values": [1, [2]]}, r"values=\[2\]: must be a scalar of JSON"),
        ({"values": [1, 2], "ordered": 1}, "ordered=1: must be true or false"),
        ({"values": [1, 2], "when": {"b": 1}}, "when=b: must be one of the earlier positions first"),
        ({"values": [1, 2], "when": {"later": 1}}, "when=later: must be one of the earlier positions first"),
        ({"values": [1, 2], "when": {"first": 3}}, "when.first=3: must be one of 1, 2"),
        ({"values": [1, 2], "when": {"first": []}}, r"when.first=\[\]: must be one or more distinct values"),
        ({"values": [1, 2], "when": {}}, "when={}: must be a mapping from earlier positions to values"),
        ({"values": [1, 2], "when": 3}, "when=3: must be a mapping from earlier positions to values"),
        ({"values": ["inactive", 2], "when": {"first": 1}}, "=inactive: must be another name"),
    ],
    ids=str,
)
def test_a_wrong_position_is_one_line(declared: dict[str, Any], line: str) -> None:
    positions = {"first": [1, 2], "a": declared, "later": [1, 2]}
    for key, make in (
        ("space.positions", lambda: SequenceSpace("s", positions)),
        ("space", lambda: DictionarySpace(positions)),
    ):
        with pytest.raises(UserError, match=rf"^{key}\.a(\.|=){line.removeprefix('=')}") as error:
            make()
        assert "\n" not in str(error.value)


def test_a_space_with_one_architecture_is_refused() -> None:
    with pytest.raises(UserError, match=r"^space.positions: the space has one architecture only"):
        SequenceSpace("s", {"a": [1], "b": ["x"]})
    with pytest.raises(UserError, match=r"^space: the space has one architecture only"):
        DictionarySpace({"a": {"values": [1], "ordered": True}})
    with pytest.raises(
        UserError, match=r"^space.positions.a.when={'a': 1}: must be left out at the first position"
    ):
        SequenceSpace("s", {"a": {"values": [1, 2], "when": {"a": 1}}})
