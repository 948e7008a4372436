"""Test ``seminas.Study``: ask and tell, kills, wrong use, and what remains on the disk."""

import itertools
import os
import pickle
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import seminas
from seminas.commands.main import app
from seminas.config.controller import ControllerSettings
from seminas.config.search import SearchSettings
from seminas.config.strategies import SemiNASSettings
from seminas.loop.plan import make_plan
from seminas.runs.archive import Archive
from seminas.runs.folder import RunFolder
from seminas.strategies.base import RoundSizes
from seminas.strategies.random import RandomSearch
from seminas.strategies.seminas import SemiNAS
from support import with_sections

KERNELS: dict[str, Any] = {"kernel": [3, 5, 7], "width": [16, 32, 64, 128], "depth": [1, 2, 3, 4]}
MIXED: dict[str, Any] = {
    "act": ["relu", "gelu", None],
    "skip": [True, False],
    "rate": [0, 0.1, 1e-5],
    "one": [1],
}
POINTS = """
import numpy as np

import seminas


class Points(seminas.EnumerableSpace):
    name, num_tokens, max_length, size = "points", 9, 2, 64

    def at(self, indices):
        return [(i // 8, i % 8) for i in np.asarray(indices).tolist()]

    def encode(self, architectures):
        return np.array(architectures, dtype=np.int64).reshape(-1, 2) + 1


class Height(seminas.Evaluator):
    def evaluate_one(self, architecture):
        x, y = architecture
        return 1 - ((x - 5) ** 2 + (y - 2) ** 2) / 100
"""
SMALL = with_sections(
    ControllerSettings(),
    encoder={"hidden": 16, "layers": 2},
    teachers={"members": 2, "steps": 5},
    student={"steps": 5},
)

SIZES = RoundSizes(first=8, step=3, growth=0.5)
"""Sizes of the rounds of a small SemiNAS."""


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


@pytest.fixture
def points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a module with a user's space and evaluator, in a folder with their YAML files."""
    for group, name in (("space", "Points"), ("evaluator", "Height")):
        (tmp_path / group).mkdir()
        (tmp_path / group / f"{name.lower()}.yaml").write_text(f"_target_: points.{name}\n")
    (tmp_path / "points.py").write_text(POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "points", raising=False)
    import points  # type: ignore[import-not-found]

    yield points
    sys.modules.pop("points", None)


def accuracy_of(trial: seminas.Trial[Any]) -> float:
    """Return a made-up accuracy, which follows from the key alone."""
    return sum((i + 1) * ord(c) for i, c in enumerate(trial.key)) % 97 / 97


def random_study(folder: Path | None = None, **changes: Any) -> seminas.Study[Any]:
    arguments = {"space": KERNELS, "strategy": "random", "seed": 1, **changes}
    return seminas.Study(**arguments, folder=folder)


def small_seminas(space: Any) -> SemiNAS[Any]:
    """Return a cheap SemiNAS with small rounds, so that a short study has several fits."""
    settings = SemiNASSettings(num_seeds=5, max_steps=2, pool=200)
    strategy = SemiNAS(space, 4, settings, SMALL, 1.0)
    strategy.round_sizes = SIZES
    return strategy


def play(study: seminas.Study[Any], number: int) -> Iterator[seminas.Trial[Any]]:
    """Yield each new trial. At most three trials are open, and the middle one ends first. Every fifth fails."""
    running: list[seminas.Trial[Any]] = []
    for _ in range(number):
        (trial,) = study.ask()
        running.append(trial)
        yield trial
        if len(running) == 3:
            ended = running.pop(1)
            if ended.number % 5 == 4:
                study.tell(ended, error="out of memory")
            else:
                study.tell(ended, accuracy_of(ended))


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


@pytest.mark.parametrize("name", ["random", "evolution", "local_search", "seminas"])
def test_a_study_killed_after_any_event_goes_on_as_if_nothing_had_happened(name: str, tmp_path: Path) -> None:
    """Copies of the folder are folders of killed studies."""
    space = seminas.SequenceSpace("chain", KERNELS)

    def strategy() -> Any:
        return small_seminas(space) if name == "seminas" else name

    folder, number = tmp_path / "study", 36
    asked, copies = [], {}
    with seminas.Study(space, strategy(), 4, folder) as study:
        for trial in play(study, number):
            asked.append(trial)
            if trial.number in (1, 25, 30, 33):
                copies[trial.number] = shutil.copytree(folder, tmp_path / f"{trial.number}")
        history = [(r.key, r.val_accuracy, r.error) for r in study.history]
    assert len({t.key for t in asked}) == number
    if name == "seminas":
        assert any(t.prediction is not None for t in asked)
    for last, copy in copies.items():
        (copy / ".holder").unlink()
        with seminas.Study(space, strategy(), 4, copy) as study:
            records = study.history
            assert [(r.key, r.val_accuracy, r.error) for r in records] == history[: len(records)]
            told = {r.number for r in records}
            running = study.ask(last + 1 - len(records))
            assert running == [t for t in asked[: last + 1] if t.number not in told]
            for expected in asked[last + 1 :]:
                if len(running) == 3:
                    ended = running.pop(1)
                    failed = ended.number % 5 == 4
                    study.tell(ended, **{"error": "x"} if failed else {"accuracy": accuracy_of(ended)})  # type: ignore[arg-type]
                running += study.ask()
                assert running[-1] == expected


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    program = f"""
        import os, signal, seminas
        study = seminas.Study({KERNELS!r}, "random", seed=1, folder="study")
        trials = study.ask(5)
        study.tell(trials[3], 0.25)
        study.tell(trials[1], error="out of memory")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], timeout=60)
    assert done.returncode == -signal.SIGKILL
    undisturbed = random_study().ask(5)
    folder = tmp_path / "study"
    assert RunFolder(folder).state().name == "stopped"
    with random_study(folder) as study:
        assert [(r.number, r.val_accuracy, r.error) for r in study.history] == [
            (3, 0.25, None),
            (1, None, "out of memory"),
        ]
        study.tell(undisturbed[2], 0.5)  # A trial that was not asked for again.
        assert study.ask(2) == [undisturbed[0], undisturbed[4]]
        assert study.ask()[0].number == 5
    (folder / "asked.jsonl").write_bytes(
        (folder / "asked.jsonl").read_bytes()[:-9]
    )  # A line cut off by a kill.
    with random_study(folder) as study:
        assert [t.number for t in study.ask(3)] == [0, 4, 5]


def test_a_program_that_ends_closes_its_study(tmp_path: Path) -> None:
    program = f"""
        import seminas
        study = seminas.Study({KERNELS!r}, "random", folder="study")
        study.tell(study.ask(2)[0], 0.25)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    result = seminas.load_run("study")
    assert isinstance(result, seminas.SearchResult) and not result.is_final
    assert (result.best_val_accuracy, result.ended_by, result.num_workers) == (0.25, "close", 2)
    assert RunFolder(tmp_path / "study").attempts()[-1].ended is not None


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


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({}, "trial 1: tell takes either an accuracy or an error"),
        ({"accuracy": 0.5, "error": "x"}, "trial 1: tell takes either an accuracy or an error"),
        ({"accuracy": 93.5}, "trial 1: accuracy=93.5: must be a number from 0 to 1"),
        ({"accuracy": -0.1}, "trial 1: accuracy=-0.1: must be"),
        ({"accuracy": float("nan")}, "trial 1: accuracy=nan: must be"),
        ({"accuracy": True}, "trial 1: accuracy=True: must be"),
        ({"accuracy": "0.5"}, "trial 1: accuracy=0.5: must be"),
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
    arguments: dict[str, Any], line: str, tmp_path: Path
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
    undisturbed = random_study()
    for trial, accuracy in zip(undisturbed.ask(2), (0.5, 0.75), strict=True):
        undisturbed.tell(trial, accuracy)
    assert undisturbed.ask() == [following]


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


def test_a_folder_belongs_to_one_study(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    with random_study(folder) as study:
        study.tell(study.ask(2)[0], 0.5)
        with pytest.raises(seminas.UserError, match="another process is working in this folder"):
            random_study(folder)
        before = (folder / "config.yaml").read_bytes()
    turned = dict(reversed(KERNELS.items()))
    space = seminas.SequenceSpace("dictionary", KERNELS)
    others: list[tuple[dict[str, Any], str]] = [
        ({"seed": 2}, "seed is 1 in its config.yaml, and 2 in this study"),
        ({"strategy": "evolution"}, "strategy._target_ is"),
        ({"strategy": "evolution", "seed": 2}, "seed is 1"),
        ({"space": {**KERNELS, "kernel": [3, 5]}}, "space.positions.kernel is"),
        ({"space": turned}, "has the positions of the space in another order"),
        ({"space": "nasbench101"}, "space._target_ is"),
        ({"space": space}, "space._target_ is"),
        ({"space": space, "strategy": RandomSearch(space, 1)}, "controller is None|controller.*is"),
    ]
    for changes, line in others:
        with pytest.raises(
            seminas.UserError, match=f"{line}.*; choose another folder$|{line}.*folder$"
        ) as error:
            random_study(folder, **changes)
        assert str(error.value).startswith(f"{folder}: ") and "\n" not in str(error.value)
    assert (folder / "config.yaml").read_bytes() == before and RunFolder(folder).error() is None
    with random_study(folder) as study:
        assert len(study.history) == 1


def test_spaces_and_strategies_that_are_objects_are_told_apart(tmp_path: Path) -> None:
    def make(choices: dict[str, Any], strategy: Callable[[Any], Any], folder: str = "study") -> None:
        space = seminas.SequenceSpace("mine", choices)
        seminas.Study(space, strategy(space), folder=tmp_path / folder).close()

    make(KERNELS, small_seminas)
    make(KERNELS, small_seminas)
    with pytest.raises(seminas.UserError, match="space.fingerprint is"):
        make({**KERNELS, "kernel": [3, 5, 9]}, small_seminas)
    other = SemiNASSettings(num_seeds=6, max_steps=2, pool=200)
    with pytest.raises(seminas.UserError, match=r"strategy.attributes.settings.num_seeds is 5 .* 6 in this"):
        make(KERNELS, lambda space: SemiNAS(space, 4, other, SMALL, 1.0))
    with pytest.raises(
        seminas.UserError, match=r"strategy.attributes.pseudo_label_ratio is 1.0 .* 2.0 in this"
    ):
        make(KERNELS, lambda space: SemiNAS(space, 4, SemiNASSettings(5, max_steps=2, pool=200), SMALL, 2.0))


def test_the_folder_of_a_search_is_refused(points: Any, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"max_queries": 4}
    overrides: dict[str, Any] = {"space": "points", "evaluator": "height", "strategy": "random"}
    seminas.search(config_dir=".", **overrides, search=settings, folder="search", quiet=True)
    before = sorted((p.name, p.read_bytes()) for p in (tmp_path / "search").iterdir() if p.is_file())
    with pytest.raises(seminas.UserError, match="^search: belongs to another config"):
        seminas.Study(points.Points(), "random", folder="search")
    assert sorted((p.name, p.read_bytes()) for p in (tmp_path / "search").iterdir() if p.is_file()) == before
    random_study(tmp_path / "study").close()
    with pytest.raises(seminas.UserError, match="belongs to another config"):
        seminas.search(config_dir=".", **overrides, folder="study", quiet=True)


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


def test_without_a_folder_nothing_is_written(tmp_path: Path) -> None:
    program = f"""
        import seminas
        study = seminas.Study({KERNELS!r}, "random")
        for trial in study.ask(5):
            study.tell(trial, 0.5) if trial.number % 2 else study.tell(trial, error="a\\nb")
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    """
    environment = {**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=environment, timeout=60)
    assert done.returncode == -signal.SIGKILL and list(tmp_path.rglob("*")) == []


def test_status_and_report_read_the_folder_of_a_study(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "study"
    study = random_study(folder)
    trials = study.ask(3)
    study.tell(trials[1], 0.25)
    study.tell(trials[0], 0.75)
    study.tell(trials[2], error="Traceback:\nout of memory")
    shown = CliRunner().invoke(app, ["status", str(folder)]).output
    assert "state        running" in shown and "evaluations  3, 1 failed" in shown
    assert f"best         0.7500 ({trials[0].key})" in shown
    assert "out of memory" in (folder / "error.log").read_text()
    study.close()
    assert "state        stopped" in CliRunner().invoke(app, ["status", str(folder)]).output
    done = CliRunner().invoke(app, ["report", str(tmp_path / "runs"), "--out", str(tmp_path / "page")])
    assert done.exit_code == 0, done.output
    assert "dictionary, study" in (tmp_path / "page" / "report.html").read_text()
    with random_study(folder) as study:  # The result of before is no result of the study that goes on.
        assert RunFolder(folder).result() is None and RunFolder(folder).state().name == "running"


def test_a_closed_study_is_over(tmp_path: Path) -> None:
    for folder in (None, tmp_path / "study"):
        with random_study(folder) as study:
            first, second = study.ask(2)
            study.tell(first, 0.5)
        study.close()
        with pytest.raises(seminas.UserError, match="^the study is closed"):
            study.ask()
        with pytest.raises(seminas.UserError, match="^the study is closed"):
            study.tell(second, 0.5)
        assert len(study.history) == 1


def test_a_disk_that_is_full_loses_no_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = random_study().ask(6)

    def full(*arguments: Any) -> None:
        raise seminas.UserError("the disk is full")

    with random_study(tmp_path / "study") as study:
        whole = Archive.ask
        monkeypatch.setattr(Archive, "ask", lambda a, q: (full if q.number == 2 else whole)(a, q))
        for _ in range(2):
            with pytest.raises(seminas.UserError, match="the disk is full"):
                study.ask(4)
        monkeypatch.setattr(Archive, "ask", whole)
        assert study.ask(4) == undisturbed[:4]
        with monkeypatch.context() as patch, pytest.raises(seminas.UserError, match="the disk is full"):
            patch.setattr("seminas.runs.archive.append", full)
            study.tell(undisturbed[1], 0.5)
        assert study.history == [] and study.best is None
        study.tell(undisturbed[0], 0.25)
        study.tell(undisturbed[1], 0.5)
    with random_study(tmp_path / "study") as study:
        assert [(r.number, r.val_accuracy) for r in study.history] == [(0, 0.25), (1, 0.5)]
        assert study.ask(3)[:2] == undisturbed[2:4]


def test_a_plan_that_grows_keeps_its_rounds() -> None:
    for wanted in (None, SIZES, seminas.Study(KERNELS, "seminas")._strategy.round_sizes):
        plan = replace(make_plan(SearchSettings(), 10**30, wanted), total=10**30)
        long = plan.sizes((), 3000)
        for number in (1, 25, 26, 100, 999):
            sizes = plan.sizes((), number)
            assert number <= sum(sizes) and sum(sizes[:-1]) < number and sizes == long[: len(sizes)]
            assert plan.sizes(sizes, 3000) == long


def test_a_study_goes_on_beyond_its_first_plan() -> None:
    space = seminas.SequenceSpace("large", {f"p{i}": list("abc") for i in range(8)})
    study = seminas.Study(space, "evolution")
    for _ in range(260):
        (trial,) = study.ask()
        study.tell(trial, accuracy_of(trial))
    assert [r.round for r in study.history] == [max(0, r.index - 9) for r in study.history]
    assert study.history[-1].round == study._strategy.round - 1 == 250
