"""Test ``SemiNASSampler`` in studies of the real Optuna."""

import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

optuna = pytest.importorskip("optuna")

from optuna.trial import TrialState  # noqa: E402

from seminas.errors import UserError  # noqa: E402
from seminas.integrations.optuna import SemiNASSampler  # noqa: E402
from seminas.integrations.optuna.grids import Grid  # noqa: E402
from seminas.integrations.optuna.parameters import decomposed  # noqa: E402
from seminas.runs.objectives import hypervolume  # noqa: E402
from seminas.spaces.sequence import SequenceSpace  # noqa: E402

GP = "gaussian_process"


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def smooth(trial: Any) -> float:
    """Five integers and two log floats. The lowest value is 0."""
    integers = [trial.suggest_int(f"x{i}", 0, 10) for i in range(5)]
    floats = [trial.suggest_float(name, 1e-5, 1e-1, log=True) for name in ("a", "b")]
    far = sum((x - 7 + i) ** 2 for i, x in enumerate(integers)) / 10
    return float(far + sum((math.log10(value) + 3 - i) ** 2 for i, value in enumerate(floats)))


def conditional(trial: Any) -> float:
    """A number of layers with a width each, and a momentum of one optimizer. The lowest value is 0."""
    optimizer = trial.suggest_categorical("optimizer", ["sgd", "adam", None])
    layers = trial.suggest_int("layers", 1, 3)
    widths = [trial.suggest_int(f"width{i}", 16, 128, step=16) for i in range(layers)]
    value = {"sgd": 0.0, "adam": 1.0, None: 3.0}[optimizer] + abs(layers - 2)
    if optimizer == "sgd":
        value += 4 * (trial.suggest_float("momentum", 0, 0.99) - 0.9) ** 2
    return value + sum(abs(width - 64) / 64 for width in widths)


def study_of(strategy: str = GP, seed: int = 0, **settings: Any) -> Any:
    return optuna.create_study(sampler=SemiNASSampler(strategy, seed=seed), **settings)


def params(study: Any) -> list[dict[str, Any]]:
    return [trial.params for trial in study.trials]


def distinct(study: Any) -> int:
    return len({tuple(sorted(map(str, trial.params.items()))) for trial in study.trials})


def is_better_than_random(strategy: str, seed: int) -> None:
    study, random = (
        study_of(strategy, seed),
        optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)),
    )
    for of_sampler in (study, random):
        of_sampler.optimize(smooth, n_trials=40)
    assert study.best_value < random.best_value / 5
    assert distinct(study) == 40


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))])
def test_it_finds_better_values_than_random_sampling(seed: int) -> None:
    is_better_than_random(GP, seed)


@pytest.mark.long
def test_the_controller_finds_better_values_than_random_sampling() -> None:
    is_better_than_random("seminas", 0)


@pytest.mark.parametrize("strategy", ["bananas", "evolution", "local_search", "random"])
@pytest.mark.parametrize(("scale", "direction"), [(120.0, "minimize"), (-1e-6, "maximize")])
def test_every_strategy_takes_values_of_any_range(strategy: str, scale: float, direction: str) -> None:
    study = study_of(strategy, direction=direction)
    study.optimize(lambda trial: scale * (1 + smooth(trial)), n_trials=15)
    assert distinct(study) == 15


def test_the_direction_counts() -> None:
    best = []
    for direction, sign in (("minimize", 1), ("maximize", -1)):
        study = study_of(direction=direction)
        study.optimize(lambda trial, sign=sign: sign * (3.7 + smooth(trial)), n_trials=20)
        best.append(study.best_params)
    assert best[0] == best[1]


def test_conditions_are_learned_and_values_chosen_together() -> None:
    study = study_of()
    study.optimize(conditional, n_trials=40)
    (space,) = decomposed(study.trials)
    parents = {parameter.name: parameter.parent for parameter in space.parameters}
    assert parents["momentum"] == "optimizer" and parents["width1"] == parents["width2"] == "layers"
    assert parents["optimizer"] is parents["layers"] is parents["width0"] is None
    assert study.best_value < 0.5 and distinct(study) == 40


def test_parameters_that_depend_on_several_others_are_a_space_of_their_own() -> None:
    study = study_of("random")

    def objective(trial: Any) -> float:
        a, b = (trial.suggest_int(name, 0, 5) for name in "ab")
        return float(a + b + (trial.suggest_float("c", 0, 1) if (a + b) % 2 else 0))

    study.optimize(objective, n_trials=25)
    names = [[parameter.name for parameter in space.parameters] for space in decomposed(study.trials)]
    assert names == [["a", "b"], ["c"]] and distinct(study) == 25


@pytest.mark.parametrize(
    "objective", [pytest.param(smooth, marks=pytest.mark.long), pytest.param(conditional)]
)
def test_a_study_in_a_storage_goes_on_as_without_a_break(
    objective: Callable[[Any], float], tmp_path: Path
) -> None:
    whole = study_of(seed=3)
    whole.optimize(objective, n_trials=18)
    url = f"sqlite:///{tmp_path / 'study.db'}"
    for trials in (4, 8, 6):
        study = study_of(seed=3, study_name="s", storage=url, load_if_exists=True)
        study.optimize(objective, n_trials=trials)
    assert params(study) == params(whole)


@pytest.mark.long
def test_a_study_with_the_controller_goes_on_as_without_a_break() -> None:
    whole, study = study_of("seminas"), study_of("seminas")
    whole.optimize(smooth, n_trials=20)
    for trials in (13, 7):
        study.sampler = SemiNASSampler("seminas", seed=0)
        study.optimize(smooth, n_trials=trials)
    assert params(study) == params(whole)


@pytest.mark.parametrize("at_once", [False, True])
def test_trials_that_run_are_not_proposed_again(at_once: bool) -> None:
    study = study_of(direction="maximize")
    ranges = {name: optuna.distributions.IntUniformDistribution(0, 4) for name in "ab"}
    for _ in range(4):
        trials = [study.ask(ranges) if at_once else study.ask() for _ in range(6)]
        for trial in trials:
            for name in "ab":
                trial.suggest_int(name, 0, 4)
        for trial in reversed(trials):
            study.tell(trial, 100.0 - trial.params["a"] + trial.params["b"])
    seen = [tuple(trial.params.values()) for trial in study.trials]
    # Nothing is known of the first trials that run together, unless they have their parameters at once.
    first = seen[: 1 if at_once else 6]
    later = seen[len(first) :]
    assert len(set(later)) == len(later) and not set(first) & set(later)


def test_threads_and_pruned_and_failed_trials() -> None:
    def objective(trial: Any) -> float:
        x, kind = trial.suggest_float("x", -5, 5), trial.suggest_categorical("kind", [True, False])
        if x > 2:
            raise MemoryError
        for step in range(4):
            trial.report(x**2 + 4 / (step + 1), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(x**2 + kind)

    pruner = optuna.pruners.HyperbandPruner(max_resource=4)
    study = optuna.create_study(sampler=SemiNASSampler(GP, seed=1), pruner=pruner)
    study.optimize(objective, n_trials=30, n_jobs=3, catch=(MemoryError,))
    assert {t.state for t in study.trials} == {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}
    assert study.best_value < 0.01 and study.best_params["kind"] is False
    assert distinct(study) >= 28


def test_a_good_intermediate_value_of_a_pruned_trial_is_no_reason_to_stay_there() -> None:
    study = study_of()
    space = {"x": optuna.distributions.IntUniformDistribution(0, 200)}
    create = optuna.trial.create_trial
    for x in range(0, 100, 8):
        study.add_trial(create(params={"x": x}, distributions=space, value=float(100 - x)))
    pruned = {"state": TrialState.PRUNED, "intermediate_values": {0: -1e9}}
    study.add_trial(create(params={"x": 4}, distributions=space, **pruned))
    assert study.ask(space).params["x"] > 90


def test_the_queue_and_added_trials_count() -> None:
    study = study_of()
    study.enqueue_trial({"a": 3, "b": 0.5})
    study.enqueue_trial({"a": 4})
    source = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))

    def objective(trial: Any) -> float:
        return float((trial.suggest_int("a", 0, 9) - 5) ** 2 + (trial.suggest_float("b", 0, 1) - 0.2) ** 2)

    source.optimize(objective, n_trials=12)
    for trial in source.trials:
        study.add_trial(trial)
    study.optimize(objective, n_trials=8)
    assert study.trials[0].params == {"a": 3, "b": 0.5} and study.trials[1].params["a"] == 4
    assert study.best_value < source.best_value and len(study.trials) == 20


def test_an_exhausted_space_goes_on_at_random() -> None:
    study = study_of()
    study.optimize(lambda trial: trial.suggest_int("a", 0, 5), n_trials=12)
    values = [trial.params["a"] for trial in study.trials]
    assert sorted(values[:6]) == list(range(6)) and set(values[6:]) <= set(range(6))


def test_a_study_of_one_float_gets_a_finer_grid() -> None:
    study = study_of("random")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=80)
    assert distinct(study) == 80


def test_a_sampler_and_its_study_can_be_pickled() -> None:
    study = study_of()
    study.optimize(smooth, n_trials=12)
    again = pickle.loads(pickle.dumps(study))
    for of_both in (study, again):
        of_both.optimize(smooth, n_trials=2)
    assert params(again) == params(study)


@pytest.mark.parametrize(
    ("suggest", "number"),
    [
        (lambda trial: trial.suggest_float("p", 0.1, 0.7, step=0.2), 4),
        (lambda trial: trial.suggest_int("p", 2, 11, step=3), 4),
        (lambda trial: trial.suggest_int("p", 1, 6, log=True), 6),
        (lambda trial: trial.suggest_int("p", 0, 10**6), 64),
        (lambda trial: trial.suggest_float("p", 1e-6, 1.0, log=True), 64),
        (lambda trial: trial.suggest_categorical("p", [None, True, "a", 2]), 4),
    ],
)
def test_a_grid_has_the_values_of_its_distribution(suggest: Callable[[Any], Any], number: int) -> None:
    study = optuna.create_study()
    trial = study.ask()
    suggest(trial)
    distribution = study.trials[0].distributions["p"]
    grid = Grid(distribution, 64)
    assert len(grid.values) == number
    assert all(distribution._contains(distribution.to_internal_repr(value)) for value in grid.values)
    assert [grid.index(value) for value in grid.values] == list(range(number))
    if grid.ordered:
        between = np.geomspace if "Log" in type(distribution).__name__ else np.linspace
        assert grid.index(between(grid.values[0], grid.values[1], 5)[3]) == 1
        assert grid.index(distribution.low - 1) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": "tpe"}, "strategy=tpe: must be one of bananas"),
        ({"strategy": 3}, "strategy=3: must be the name of a strategy"),
        ({"seed": -1}, "seed=-1: must be a whole number"),
        ({"seed": 2**32}, "seed=4294967296: must be below 2**32"),
        ({"settings": {"pol": 3}}, "settings.pol: is unknown; did you mean settings.pool?"),
        ({"settings": {"pool": -1}}, "settings.pool=-1: must be at least 0"),
        ({"settings": 3}, "settings=3: must be a mapping from settings"),
        ({"n_startup_trials": 0}, "n_startup_trials=0: must be a whole number, at least 1"),
    ],
)
def test_a_wrong_argument_is_one_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        SemiNASSampler(**arguments)
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def trade_off(trial: Any) -> tuple[float, float]:
    """Two values of which the sum is at least 20. It is 20 on the diagonal of the square of x and y."""
    x, y = (trial.suggest_int(name, 0, 20) for name in "xy")
    far = (x - y) ** 2
    return float(x + far), float(20 - x + far)


def volume(study: Any) -> float:
    scores = np.array([[-v for v in trial.values] for trial in study.trials])
    return hypervolume(scores, np.array([-60.0, -60.0]))


@pytest.mark.parametrize("strategy", [GP, pytest.param("seminas", marks=pytest.mark.long)])
def test_several_objectives_have_a_larger_front_than_random_sampling(strategy: str) -> None:
    study = study_of(strategy, directions=["minimize", "minimize"])
    random = optuna.create_study(directions=["minimize"] * 2, sampler=optuna.samplers.RandomSampler(seed=0))
    for of_sampler in (study, random):
        of_sampler.optimize(trade_off, n_trials=25)
    assert distinct(study) == 25 and volume(study) > volume(random)


@pytest.mark.parametrize("strategy", ["evolution", "random"])
def test_strategies_without_a_model_take_several_objectives(strategy: str) -> None:
    study = study_of(strategy, directions=["minimize", "maximize"])
    study.optimize(trade_off, n_trials=15)
    assert distinct(study) == 15


@pytest.mark.long
def test_the_direction_of_each_objective_counts() -> None:
    found = []
    for signs in ((1, 1), (1, -1), (-1, -1)):
        study = study_of(directions=["minimize" if sign > 0 else "maximize" for sign in signs])
        study.optimize(lambda t, s=signs: [a * v for a, v in zip(s, trade_off(t), strict=True)], n_trials=14)
        found.append(params(study))
    assert found[0] == found[1] == found[2]


@pytest.mark.long
def test_a_study_of_several_objectives_goes_on_with_failed_and_added_trials() -> None:
    def objective(trial: Any) -> tuple[float, float]:
        values = trade_off(trial)
        if trial.params["x"] % 5 == 4:
            raise MemoryError
        return values if trial.params["x"] % 5 else (math.inf, 0.0)

    create, between = optuna.trial.create_trial, optuna.distributions.IntUniformDistribution(0, 20)
    added = create(params={"x": 3, "y": 3}, distributions=dict.fromkeys("xy", between), values=[3.0, 17.0])
    found = []
    for parts in ((16,), (4, 7, 5)):
        study = study_of(seed=3, directions=["minimize", "minimize"])
        study.add_trial(added)
        for trials in parts:
            study.sampler = SemiNASSampler(GP, seed=3)
            study.optimize(objective, n_trials=trials, catch=(MemoryError,))
        found.append(params(study))
    assert found[0] == found[1] and len(found[0]) == 17


def test_settings_reach_the_strategy() -> None:
    made = SemiNASSampler("evolution", seed=0, settings={"population_size": 4})._make_strategy
    strategy = made(SequenceSpace("any", {"a": [0, 1, 2]}))
    assert (strategy.settings.population_size, strategy.settings.tournament_size) == (4, 3)


def test_a_strategy_of_one_objective_says_so_before_the_first_trial() -> None:
    study = study_of("bananas", directions=["minimize", "maximize"])
    line = r"^SemiNASSampler: objectives=\[value_0, value_1\]: strategy Bananas takes one objective"
    with pytest.raises(UserError, match=line):
        study.optimize(lambda trial: pytest.fail("a trial has begun"), n_trials=1)


def test_without_optuna_the_import_says_what_to_install() -> None:
    program = "import sys; sys.modules['optuna'] = None; import seminas.integrations.optuna"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].startswith("ImportError: seminas.integrations.optuna needs Optuna")


def test_the_core_does_not_import_it() -> None:
    program = "import sys, seminas; seminas.Study; print('optuna' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
