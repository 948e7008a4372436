"""Test ``seminas.Study``: spaces, questions, answers, and wrong use of them."""

import itertools
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seminas
from seminas.config.search import SearchSettings
from seminas.loop.plan import make_plan
from seminas.strategies.random import RandomSearch
from unit.loop.studies import KERNELS, SIZES, accuracy_of, play, random_study

MIXED: dict[str, Any] = {
    "act": ["relu", "gelu", None],
    "skip": [True, False],
    "rate": [0, 0.1, 1e-5],
    "one": [1],
}


pytestmark = pytest.mark.usefixtures("working_directory")


def test_a_dictionary_gives_its_own_values_back() -> None:
    study = seminas.Study(MIXED, strategy="random")
    trials = study.ask(18)
    combinations = [dict(zip(MIXED, values, strict=True)) for values in itertools.product(*MIXED.values())]
    assert sorted(map(repr, (t.choices for t in trials))) == sorted(map(repr, combinations))
    assert len({t.key for t in trials}) == len({t.architecture for t in trials}) == 18
    study.tell(trials[5], 0.75)
    assert study.best is not None and study.trial_of(study.best) == trials[5]
    assert study.trial_of(study.best).choices == trials[5].choices


@pytest.mark.parametrize(
    "values",
    [
        {"a": ["x y", "x"], "b": ["z", "y z"]},
        {"a": [1, "1"], "b": [True, "true", 1]},
        {"a": ["", " "], "b": [None, "null", "None"]},
        {"a": ["é", "\u2028"], "b": ["1 2", 1]},
    ],
    ids=repr,
)
def test_similar_choices_stay_apart(values: dict[str, Any], tmp_path: Path) -> None:
    with seminas.Study(values, strategy="random", folder=tmp_path / "s") as study:
        trials = study.ask(100)
        number = len(list(itertools.product(*values.values())))
        assert len(trials) == len({t.key for t in trials}) == number
        assert len({repr(t.choices) for t in trials}) == number
    with seminas.Study(values, strategy="random", folder=tmp_path / "s") as study:
        assert study.ask(100) == trials


@pytest.mark.parametrize(
    ("space", "line"),
    [
        ({}, "space={}: must be the name of each position"),
        ({"kernel": 3}, "space.kernel=3: must be a list of choices"),
        ({"kernel": "357"}, "space.kernel=357: must be a list of choices"),
        ({"kernel": []}, r"space.kernel=\[\]: must be one or more distinct choices"),
        ({"kernel": [3, 3]}, r"space.kernel=\[3, 3\]: must be one or more distinct choices"),
        ({"kernel": [3, [5]]}, r"space.kernel=\[5\]: must be a scalar of JSON"),
        ({"kernel": [float("nan")]}, "space.kernel=nan: must be a scalar of JSON"),
        ({"1": [3], 1: [5]}, "space.1: is there twice"),
        (3, "space=3: must be a SearchSpace, a name, or a dictionary of choices"),
        ("nasbench", "space=nasbench: must be one of mobilenet, .*nasbench101"),
        ("a,b", "space=a,b: must be one of"),
    ],
    ids=repr,
)
def test_a_wrong_space_is_one_line(space: Any, line: str) -> None:
    with pytest.raises(seminas.UserError, match=f"^{line}") as error:
        seminas.Study(space, strategy="random")
    assert "\n" not in str(error.value)


def test_spaces_by_name_and_as_objects() -> None:
    from seminas.spaces.nasbench101 import NASBench101

    by_name = seminas.Study("nasbench101", strategy="random", seed=3).ask(5)
    space = NASBench101()
    assert [t.key for t in seminas.Study(space, strategy="random", seed=3).ask(5)] == [t.key for t in by_name]
    assert [space.key(t.architecture) for t in by_name] == [t.key for t in by_name]
    assert all(t.choices == {} for t in by_name)
    (large,) = seminas.Study("mobilenet", strategy="evolution").ask()
    assert large.key


def test_a_name_of_a_strategy_has_the_settings_of_the_command(configure: Callable[..., Any]) -> None:
    for name, ratio in (("seminas", 100.0), ("nao", 0.0)):
        strategy: Any = seminas.Study(KERNELS, name, seed=7)._strategy
        config = configure("search", f"strategy={name}")
        assert strategy.pseudo_label_ratio == config["search"]["pseudo_label_ratio"] == ratio
        assert strategy.seed == 7 and strategy.settings.num_seeds == config["strategy"]["num_seeds"]
        assert strategy.controller.teachers.members == config["controller"]["teachers"]["members"]


@pytest.mark.parametrize("strategy", ["random", "evolution"])
def test_the_same_seed_asks_the_same(strategy: str) -> None:
    first, again, other = (
        [t.key for t in play(seminas.Study(KERNELS, strategy, seed=seed), 20)] for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize("strategy", ["random", "evolution", "local_search"])
def test_a_study_asks_what_a_search_with_one_worker_asks(points: Any, strategy: str) -> None:
    """The search has a plan of 64 evaluations, the whole space. The study has none."""
    settings: dict[str, Any] = {"asynchronous": True}
    done = seminas.search(
        config_dir=".", space="points", evaluator="height", strategy=strategy, search=settings, quiet=True
    )
    study = seminas.Study(points.Points(), strategy)
    while trials := study.ask():
        study.tell(trials[0], points.Height().evaluate_one(trials[0].architecture))
    assert len(study.history) == 64
    told = [(r.key, r.val_accuracy, r.round, r.number) for r in study.history]
    assert told == [(r.key, r.val_accuracy, r.round, r.number) for r in done.history]


def test_trials_are_told_in_any_order_and_from_other_processes() -> None:
    study = random_study()
    first, second, third = study.ask(3)
    study.tell(third, np.float32(0.5))
    study.tell(pickle.loads(pickle.dumps(first)), 1)
    study.tell(second, error="its process died\nwith signal 9")
    assert [(r.index, r.number, r.val_accuracy) for r in study.history] == [
        (0, 2, 0.5),
        (1, 0, 1.0),
        (2, 1, None),
    ]
    assert study.history[2].error == "its process died"
    assert study.best == study.history[1] and hash(first) == hash(pickle.loads(pickle.dumps(first)))


@pytest.fixture(scope="module")
def third_trial() -> seminas.Trial[Any]:
    """Return the third trial of a study that nothing disturbed."""
    undisturbed = random_study()
    for trial, accuracy in zip(undisturbed.ask(2), (0.5, 0.75), strict=True):
        undisturbed.tell(trial, accuracy)
    (third,) = undisturbed.ask()
    return third


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({}, "trial 1: tell takes either a value or an error"),
        ({"accuracy": 0.5, "error": "x"}, "trial 1: tell takes either a value or an error"),
        ({"accuracy": 93.5}, "trial 1: val_accuracy=93.5: must be a number from 0 to 1"),
        ({"accuracy": -0.1}, "trial 1: val_accuracy=-0.1: must be"),
        ({"accuracy": float("nan")}, "trial 1: val_accuracy=nan: must be"),
        ({"accuracy": True}, "trial 1: val_accuracy=True: must be"),
        ({"accuracy": "0.5"}, "trial 1: val_accuracy='0.5': must be"),
        ({"error": " \n"}, "trial 1: error=' .n': must be a text"),
        ({"error": ValueError("x")}, r"trial 1: error=ValueError\('x'\): must be a text"),
        ({"trial": 1, "accuracy": 0.5}, "trial=1: must be a Trial from ask"),
        ({"number": 3, "accuracy": 0.5}, "trial 3, .*: is unknown to this study"),
        ({"number": -1, "accuracy": 0.5}, "trial -1, .*: is unknown to this study"),
        ({"key": "9 9 9", "accuracy": 0.5}, "trial 1, 9 9 9: is unknown to this study"),
        ({"number": 0, "accuracy": 0.5}, "trial 0: is finished; tell each trial once"),
    ],
    ids=repr,
)
def test_wrong_answers_are_one_line_and_change_nothing(
    arguments: dict[str, Any], line: str, third_trial: seminas.Trial[Any], tmp_path: Path
) -> None:
    with random_study(tmp_path / "study") as study:
        trials = study.ask(2)
        study.tell(trials[0], 0.5)
        before = study.history
        trial = arguments.pop("trial", trials[1])
        if "number" in arguments:
            number = arguments.pop("number")
            trial = replace(trials[1], number=number, key=trials[0].key if number == 0 else trials[1].key)
        if "key" in arguments:
            trial = replace(trials[1], key=arguments.pop("key"))
        with pytest.raises(seminas.UserError, match=f"^{line}") as error:
            study.tell(trial, **arguments)
        assert "\n" not in str(error.value)
        assert study.history == before
        study.tell(trials[1], 0.75)
        (following,) = study.ask()
    assert following == third_trial


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2"], ids=repr)
def test_a_wrong_number_of_trials_is_one_line(n: Any) -> None:
    study = random_study()
    with pytest.raises(seminas.UserError, match=f"^n={n}: must be a whole number, at least 1$"):
        study.ask(n)
    assert [t.number for t in study.ask()] == [0]


def test_an_exhausted_space_gives_an_empty_list() -> None:
    for strategy in ("random", "evolution", "local_search"):
        study = seminas.Study({"a": [1, 2, 3], "b": [1, 2]}, strategy)
        trials = study.ask(4)
        study.tell(trials[0], 0.5)
        trials += study.ask(4)
        assert len({t.key for t in trials}) == len(trials) == 6
        assert study.ask() == study.ask(3) == []
        for trial in trials[1:]:
            study.tell(trial, 0.25)
        assert study.ask() == []
        assert study.best is not None and study.best.val_accuracy == 0.5 and len(study.history) == 6


def test_a_wrong_strategy_is_one_line() -> None:
    space = seminas.SequenceSpace("mine", KERNELS)
    used = RandomSearch(space, 3)
    seminas.Study(space, used, seed=3)
    wrong: list[tuple[Any, int, str]] = [
        (used, 0, "^strategy: has been used; make a new one for each study$"),
        (
            RandomSearch(seminas.SequenceSpace("mine", KERNELS), 0),
            0,
            "^strategy: its space must be the space",
        ),
        (RandomSearch(space, 3), 4, "^seed=4: must be 3, the seed of the strategy$"),
        ("best", 0, "^strategy=best: must be one of bananas, evolution"),
        (None, 0, "^strategy=None: must be a Strategy or a name$"),
        ("random", -1, "^seed=-1: must be at least 0$"),
    ]
    for strategy, seed, line in wrong:
        with pytest.raises(seminas.UserError, match=line):
            seminas.Study(space, strategy, seed)
    assert len(seminas.Study(space, RandomSearch(space, 3)).ask(2)) == 2


def test_a_plan_that_grows_keeps_its_rounds() -> None:
    for wanted in (None, SIZES, seminas.Study(KERNELS, "seminas")._strategy.round_sizes):
        plan = replace(make_plan(SearchSettings(), 10**30, wanted), total=10**30)
        long = plan.sizes(until=3000)
        for number in (1, 25, 26, 100, 999):
            sizes = plan.sizes(until=number)
            assert number <= sum(sizes) and sum(sizes[:-1]) < number and sizes == long[: len(sizes)]
            assert plan.sizes(sizes, until=3000) == long


def test_a_study_goes_on_beyond_its_first_plan() -> None:
    space = seminas.SequenceSpace("large", {f"p{i}": list("abc") for i in range(8)})
    study = seminas.Study(space, "evolution")
    for _ in range(260):
        (trial,) = study.ask()
        study.tell(trial, accuracy_of(trial))
    assert [r.round for r in study.history] == [max(0, r.index - 9) for r in study.history]
    assert study.history[-1].round == study._strategy.round == 250
