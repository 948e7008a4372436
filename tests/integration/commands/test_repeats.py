"""Test searches whose last evaluations train the best architectures a second time (``search.repeats``)."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from learning import chain, digits_recipe
from seminas.commands import search
from seminas.commands.main import app
from seminas.config.check import checked
from seminas.config.compose import compose
from seminas.errors import UserError
from seminas.evaluators.trial import Trial
from seminas.loop.interrupts import Interrupts
from seminas.loop.screen import print_result
from seminas.report.runs import read_runs
from seminas.runs.archive import Archive
from seminas.runs.folder import RunFolder
from seminas.runs.progress import progress_of
from seminas.runs.repeats import Repeat, read_repeats
from seminas.runs.results import SearchResult
from seminas.spaces.nasbench101 import NASBench101
from seminas.spaces.retraining import Retraining
from seminas.spaces.rungs import plain
from seminas.tables import find_table
from seminas.tables.table import load_table, save_table
from support import made_up_table

pytestmark = pytest.mark.integration
TABLE = ["evaluator=table", "evaluator.path=digits101", "strategy=random", "logger=[csv]"]
CHAIN = ["space=noisy_chain", "evaluator=noisy", "strategy=random", "logger=[]"]
LOOPS = {
    "rounds": ["search.asynchronous=false"],
    "rounds of three": ["search.asynchronous=false", "evaluator.num_workers=3"],
    "asynchronous": ["search.asynchronous=true"],
    "three workers": ["search.asynchronous=true", "evaluator.num_workers=3"],
}
POSITIONS = "{a: [x, y, z], b: [1, 2, 3], c: [1, 2, 3]}"
SPACE = f"_target_: seminas.spaces.sequence.SequenceSpace\nname: noisy_chain\npositions: {POSITIONS}\n"
EVALUATOR = """
from pathlib import Path

from seminas import Evaluator, Metric
from seminas.spaces.retraining import Retraining


class Noisy(Evaluator):
    metrics = (Metric("energy", "minimize", "J"),)

    def __init__(self, broken=False, again=True):
        self.broken, self.again = broken, again

    def no_retraining(self):
        return None if self.again else super().no_retraining()

    def evaluate_one(self, element):
        second = isinstance(element, Retraining)
        architecture = element.architecture if second else element
        with Path("trained.txt").open("a") as file:
            print(second, *architecture, file=file)
        if second and self.broken:
            raise ValueError("no second training")
        value = sum(architecture) / 10
        return {"val_accuracy": 1 - value if second else value, "energy": float(architecture[0])}
"""


def run(folder: Path, *overrides: str, config_dir: Path | None = None) -> SearchResult:
    config = checked(compose("search", overrides, config_dir), "search")
    search.run(config, RunFolder(folder), quiet=True)
    result = RunFolder(folder).result()
    assert isinstance(result, SearchResult)
    return result


def files(folder: Path) -> dict[str, bytes]:
    """Return the files of a run that must not depend on a kill, without the times of the result."""
    result = json.loads((folder / "result.json").read_text())
    for name in ("wall_s", "num_resumed"):
        del result[name]
    names = ("history.jsonl", "repeats.jsonl", "plan.json")
    return {
        **{name: (folder / name).read_bytes() for name in names},
        "result.json": json.dumps(result).encode(),
    }


@pytest.fixture
def noisy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a space of 27 chains, and an evaluator whose second training gives 1 - value."""
    (tmp_path / "noisy.py").write_text(EVALUATOR)
    texts = {
        "space/noisy_chain": SPACE,
        "evaluator/noisy": "_target_: noisy.Noisy\nbroken: false\nagain: true\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that returns the folder of a finished search with a loop of ``LOOPS``."""
    folder = tmp_path_factory.mktemp("undisturbed")

    def of(loop: str) -> Path:
        if not (folder / loop).exists():
            run(folder / loop, *TABLE, "search.max_queries=20", "search.repeats=4", *LOOPS[loop])
        return folder / loop

    return of


@pytest.mark.parametrize("seed", [0, 3])
def test_the_mean_of_two_trainings_decides(tmp_path: Path, seed: int) -> None:
    result = run(tmp_path, *TABLE, "search.max_queries=40", "search.repeats=8", f"seed={seed}")
    history = result.history
    assert len(history) == 32 and result.num_queries == 40 and result.num_repeats == 8
    assert result.ended_by == "max_queries" and result.num_trainings == 2
    space = NASBench101()
    table = load_table(find_table("digits101"), space)
    val, test, cost = table.column("val"), table.column("test"), table.column("cost")
    assert val is not None and test is not None and cost is not None
    rows = table.rows(space.index([space.from_json(record.architecture) for record in history]))
    runs = np.random.default_rng(seed).integers(3, size=len(table))[rows]
    first = np.array([record.val_accuracy for record in history])
    assert (first == val.at(rows)[np.arange(32), runs]).all()
    second = val.at(rows)[np.arange(32), (runs + 1) % 3]
    best = np.argsort(-first, kind="stable")[:8]
    repeats = read_repeats(tmp_path, history)
    assert [(r.index, r.key, r.value) for r in repeats] == [(i, history[i].key, second[i]) for i in best]
    means = (first + second) / 2
    chosen = best[means[best].argmax()]
    assert result.best_key == history[chosen].key and result.best_value == means[chosen]
    assert chosen != best[0], "choose a seed for which the second trainings decide"
    assert result.test_value == pytest.approx(test.at(rows[[chosen]]).mean())
    seconds = [record.cost_s for record in history] + [repeat.cost_s for repeat in repeats]
    assert result.cost_s == pytest.approx(sum(seconds)) and result.makespan_s == pytest.approx(sum(seconds))
    costs = cost.at(rows[best])[np.arange(8), (runs[best] + 1) % 3]
    assert [repeat.cost_s for repeat in repeats] == costs.tolist()


def test_without_repeats_nothing_is_written(tmp_path: Path) -> None:
    result = run(tmp_path, *TABLE, "search.max_queries=10")
    assert not (tmp_path / "repeats.jsonl").exists() and result.num_repeats == 0
    assert not {"num_repeats", "num_trainings"} & json.loads((tmp_path / "result.json").read_text()).keys()
    assert "repeats" not in progress_of(RunFolder(tmp_path))


@pytest.mark.parametrize(
    ("loop", "ended"), [("rounds", 0), ("asynchronous", 4), *((loop, 2) for loop in LOOPS)]
)
def test_a_killed_search_goes_on_in_the_middle_of_its_repeats(
    undisturbed: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loop: str, ended: int
) -> None:
    command = [*TABLE, "search.max_queries=20", "search.repeats=4", *LOOPS[loop]]
    store = Archive.repeat

    def killed(self: Archive, repeat: Repeat) -> None:
        if ended < 4:
            if len(self.repeats) == ended:
                raise SystemExit(137)
            store(self, repeat)
        else:
            store(self, repeat)
            if len(self.repeats) == 4:
                raise SystemExit(137)

    with monkeypatch.context() as patched:
        patched.setattr(Archive, "repeat", killed)
        with pytest.raises(SystemExit):
            run(tmp_path / "run", *command)
    file = tmp_path / "run" / "repeats.jsonl"
    before = file.read_bytes() if file.exists() else b""
    assert before.count(b"\n") == ended
    if before:
        assert progress_of(RunFolder(tmp_path / "run"))["repeats"] == f"{ended} of 4"
        file.write_bytes(before + b'{"index": 3')  # The end of a line was lost.
    run(tmp_path / "run", *command)
    assert files(tmp_path / "run") == files(undisturbed(loop))
    assert file.read_bytes().startswith(before)


def test_workers_train_at_the_same_time_on_the_simulated_clock(undisturbed: Callable[[str], Path]) -> None:
    for loop in LOOPS:
        result = RunFolder(undisturbed(loop)).result()
        assert isinstance(result, SearchResult) and result.makespan_s is not None
        repeats = read_repeats(undisturbed(loop), result.history)
        begin = max((record.ended_s or 0.0 for record in result.history), default=0.0)
        begin = begin or sum(record.cost_s for record in result.history)
        assert result.makespan_s == max(repeat.ended_s for repeat in repeats)
        taken, costs = result.makespan_s - begin, [repeat.cost_s for repeat in repeats]
        if "three" in loop:
            assert sum(costs) / 3 < taken < 0.8 * sum(costs)
        else:
            assert taken == pytest.approx(sum(costs))


def test_ctrl_c_ends_the_repeats_and_the_same_command_goes_on(
    undisturbed: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*TABLE, "search.max_queries=20", "search.repeats=4", *LOOPS["rounds"]]
    store, interrupts = Archive.repeat, Interrupts()

    def interrupted(self: Archive, repeat: Repeat) -> None:
        store(self, repeat)
        interrupts.came = len(self.repeats) == 2

    with monkeypatch.context() as patched:
        patched.setattr(Archive, "repeat", interrupted)
        patched.setattr("seminas.loop.interrupts.Interrupts", lambda: interrupts)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, *command)
    result = RunFolder(tmp_path).result()
    assert isinstance(result, SearchResult) and result.ended_by == "interrupt" and result.num_repeats == 2
    run(tmp_path, *command)
    assert files(tmp_path) == files(undisturbed("rounds"))


def test_after_a_limit_there_are_no_repeats_until_the_limit_grows(
    undisturbed: Callable[[str], Path], tmp_path: Path
) -> None:
    whole = RunFolder(undisturbed("asynchronous")).result()
    assert isinstance(whole, SearchResult) and whole.makespan_s is not None
    repeats = read_repeats(undisturbed("asynchronous"), whole.history)
    command = [*TABLE, "search.max_queries=20", "search.repeats=4", *LOOPS["asynchronous"]]
    searched = whole.history[-1].ended_s
    assert searched is not None
    for seconds, done in [(searched, 0), (repeats[1].ended_s, 2)]:
        result = run(tmp_path, *command, f"search.max_hours={seconds / 3600}")
        assert result.num_repeats == done and result.ended_by == "max_hours"
        assert result.num_trainings == (2 if done else 1)
    result = run(tmp_path, *command, "search.max_hours=10")
    assert result.num_repeats == 4 and result.ended_by == "max_queries"
    assert (tmp_path / "repeats.jsonl").read_bytes() == (
        undisturbed("asynchronous") / "repeats.jsonl"
    ).read_bytes()


def test_a_target_that_is_reached_leaves_no_repeats(tmp_path: Path) -> None:
    result = run(tmp_path, *TABLE, "search.max_queries=20", "search.repeats=4", "search.target_accuracy=0.5")
    assert result.ended_by == "target_accuracy" and result.num_repeats == 0 and result.num_trainings == 1


def test_a_limit_of_the_cost_includes_the_repeats(tmp_path: Path) -> None:
    result = run(tmp_path, *TABLE, "search.max_cost=10", "search.repeats=3")
    assert result.num_queries == 10 and len(result.history) == 7 and result.num_repeats == 3


def test_a_finished_search_gets_repeats_and_then_no_further_rounds(tmp_path: Path) -> None:
    first = run(tmp_path, *TABLE, "search.max_queries=20")
    history = (tmp_path / "history.jsonl").read_bytes()
    with pytest.raises(UserError, match="asks for 17 evaluations, and 20 are planned there"):
        run(tmp_path, *TABLE, "search.max_queries=20", "search.repeats=3")
    second = run(tmp_path, *TABLE, "search.max_queries=23", "search.repeats=3")
    assert second.num_queries == 23 and second.num_repeats == 3 and second.cost_s > first.cost_s
    lines = (tmp_path / "repeats.jsonl").read_bytes()
    third = run(tmp_path, *TABLE, "search.max_queries=25", "search.repeats=5")
    assert third.num_queries == 25 and (tmp_path / "repeats.jsonl").read_bytes().startswith(lines)
    assert (tmp_path / "history.jsonl").read_bytes() == history
    result = (tmp_path / "result.json").read_bytes()
    with pytest.raises(UserError, match=r"has second trainings \(search.repeats\) after 20 evaluations"):
        run(tmp_path, *TABLE, "search.max_queries=40", "search.repeats=5")
    assert (tmp_path / "result.json").read_bytes() == result


def test_reports_imports_and_the_screen_read_such_a_run(
    undisturbed: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = undisturbed("rounds")
    result = RunFolder(folder).result()
    assert isinstance(result, SearchResult)
    print_result(result, folder)
    printed = capsys.readouterr().out
    assert "mean of 2 trainings" in printed and "20, 4 of them second trainings" in printed
    (read,) = read_runs([folder]).searches
    assert len(read.records) == 16 and read.best == (result.best_key, result.best_value)
    imported = run(tmp_path, *TABLE, "search.max_queries=10", f"search.import_from=[{folder}]")
    assert imported.num_imported == 16
    report = CliRunner().invoke(app, ["report", str(folder), "--format", "csv"])
    (row,) = csv.DictReader(report.output.splitlines()[:2])
    assert row["evaluations"] == "20" and row["found_best"] == "", report.output


def test_imported_evaluations_are_trained_again_too(
    undisturbed: Callable[[str], Path], tmp_path: Path
) -> None:
    more = [f"search.import_from=[{undisturbed('rounds')}]", "search.repeats=4"]
    result = run(tmp_path, *TABLE, "search.max_queries=8", *more)
    assert result.num_queries == 8 and len(result.history) == 4
    indices = [json.loads(line)["index"] for line in (tmp_path / "repeats.jsonl").read_text().splitlines()]
    assert min(indices) < 0 and len(set(indices)) == 4


@pytest.mark.parametrize("disturbed", ["not", "killed", "interrupted"])
def test_an_evaluator_of_the_users_trains_each_of_the_best_once_more(
    noisy: Path, monkeypatch: pytest.MonkeyPatch, disturbed: str
) -> None:
    command = [*CHAIN, "search.max_queries=20", "search.repeats=5"]
    store, interrupts = Archive.repeat, Interrupts()

    def stored(self: Archive, repeat: Repeat) -> None:
        store(self, repeat)
        interrupts.came = len(self.repeats) == 2
        if interrupts.came and disturbed == "killed":
            raise SystemExit(137)

    if disturbed != "not":
        with monkeypatch.context() as patched:
            patched.setattr(Archive, "repeat", stored)
            patched.setattr("seminas.loop.interrupts.Interrupts", lambda: interrupts)
            with pytest.raises((SystemExit, KeyboardInterrupt)):
                run(noisy / "run", *command, config_dir=noisy)
        assert len((noisy / "trained.txt").read_text().splitlines()) == 17
    result = run(noisy / "run", *command, config_dir=noisy)
    assert result.best_value == pytest.approx(0.5)  # The mean of v and 1 - v, of the best of equal means.
    assert result.best_key == max(result.history, key=lambda record: record.value or 0).key
    lines = (noisy / "trained.txt").read_text().splitlines()
    assert len(lines) == len(set(lines)) == 20 and [line[:4] for line in lines[15:]] == ["True"] * 5


def test_failed_second_trainings_count_and_leave_the_first(noisy: Path) -> None:
    command = [*CHAIN, "search.max_queries=20", "search.repeats=3", "evaluator.broken=true"]
    result = run(noisy / "run", *command, config_dir=noisy)
    assert result.num_failures == 3 and result.num_repeats == 3 and result.num_trainings == 1
    assert result.best_value == max(record.value or 0 for record in result.history)
    assert "no second training" in (noisy / "run" / "error.log").read_text()
    with pytest.raises(UserError, match=r"search.max_failures=1: 2 evaluations failed"):
        run(noisy / "few", *command, "search.max_failures=1", config_dir=noisy)


MONITOR = "evaluator.monitor=m evaluator.mode=max evaluator.max_epochs=1"
REFUSED = {
    "evaluator=landscape space=mobilenet": "0 with evaluator=landscape, which does not train",
    "evaluator=supernet space=mobilenet_small data=digits": "0 with evaluator=supernet",
    "evaluator=proxy": "0 with evaluator=proxy",
    "evaluator=command evaluator.command=train evaluator.metric=m evaluator.mode=max": "0 with evaluator=command",
    f"evaluator=lightning evaluator.module=a.B evaluator.data=a.C {MONITOR}": "0 with evaluator=lightning",
    "evaluator=table evaluator.path=digits101 fidelity=halving": "0 with fidelity=halving",
    "evaluator=table evaluator.path=digits101 search.objectives=[val_accuracy,macs]": "0 with search.objectives",
}


@pytest.mark.parametrize(("overrides", "allowed"), REFUSED.items(), ids=list(REFUSED))
def test_a_config_that_cannot_repeat_is_refused_at_once(overrides: str, allowed: str) -> None:
    with pytest.raises(UserError) as caught:
        checked(compose("search", [*overrides.split(), "search.repeats=3"]), "search")
    assert str(caught.value).startswith("search.repeats=3: must be " + allowed)


def test_what_only_the_evaluator_knows_is_refused_before_the_folder_is_claimed(noisy: Path) -> None:
    save_table(made_up_table(NASBench101(), 60), noisy / "table.npz")
    table = ["evaluator=table", "strategy=random"]
    cases: dict[str, list[str]] = {
        "0 with a table that has one validation accuracy of each architecture": [
            *table,
            f"evaluator.path={noisy / 'table.npz'}",
            "evaluator.val=test",
        ],
        "0 with evaluator.repeat=mean, which is the mean of all trainings": [
            *table,
            "evaluator.path=digits101",
            "evaluator.repeat=mean",
        ],
        "0 with an evaluator that does not train an architecture again": [*CHAIN, "evaluator.again=false"],
        "0 with a limit of a measured metric (search.constraints.energy=1)": [
            *CHAIN,
            "search.constraints={energy: 1}",
        ],
        "at most 5 of 10 evaluations": [*CHAIN, "search.repeats=6"],
        "at most 1 of 3 evaluations": [*CHAIN, "search.max_queries=3", "search.repeats=2"],
    }
    for allowed, overrides in cases.items():
        folder = noisy / "refused"
        with pytest.raises(UserError) as caught:
            run(folder, "search.max_queries=10", "search.repeats=4", *overrides, config_dir=noisy)
        assert f"must be {allowed}" in str(caught.value) and str(caught.value).startswith("search.repeats=")
        assert not (folder / "config.yaml").exists() and not (noisy / "trained.txt").exists()


def test_a_file_of_repeats_that_fits_no_history_is_one_line(
    undisturbed: Callable[[str], Path], tmp_path: Path
) -> None:
    line = (undisturbed("rounds") / "repeats.jsonl").read_text().splitlines()[0]
    wrong = {"other key": {"key": "other"}, "no index": {"index": 99}, "no number": {"val_accuracy": "high"}}
    for name, changes in wrong.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "history.jsonl").write_bytes((undisturbed("rounds") / "history.jsonl").read_bytes())
        (folder / "repeats.jsonl").write_text(json.dumps({**json.loads(line), **changes}) + "\n")
        with pytest.raises(UserError, match="repeats.jsonl: line 1 is"):
            Archive(folder)


@pytest.mark.long
def test_a_second_training_has_a_seed_of_its_own(tmp_path: Path) -> None:
    networks = [
        f"data.recipe.networks.nasbench101.{s}"
        for s in ("stem_channels=4", "num_stacks=1", "cells_per_stack=1")
    ]
    command = [
        *(
            "evaluator=training",
            "data=digits",
            "strategy=random",
            "logger=[]",
            "data.recipe.epochs=1",
            *networks,
        ),
        *("evaluator.num_workers=2", "evaluator.accelerator=cpu", "search.max_queries=6", "search.repeats=2"),
    ]
    result = run(tmp_path, *command)
    assert result.num_queries == 6 and result.num_repeats == 2 and result.num_failures == 0
    repeats = read_repeats(tmp_path, result.history)
    config: Any = result.config
    recipe = digits_recipe(1)
    recipe = type(recipe)(**{**vars(recipe), "networks": config["data"]["recipe"]["networks"]})
    assert len(list((tmp_path / "trainings").glob("*"))) == 0
    space = NASBench101()
    trial = Trial(space, config["data"]["images"], recipe, 0, "cpu")
    for repeat in repeats:
        architecture = space.from_json(result.history[repeat.index].architecture)
        again = trial.run(Retraining(architecture), ("val",)).metrics["val"]
        assert again == trial.run(Retraining(architecture), ("val",)).metrics["val"]
        assert again != trial.run(architecture, ("val",)).metrics["val"]
    means = {r.key: ((r.value or 0) + (result.history[r.index].value or 0)) / 2 for r in repeats}
    assert result.best_value == max(means.values()) == means[str(result.best_key)]


@pytest.mark.long
def test_an_evaluator_in_a_process_of_its_own_trains_again(
    undisturbed: Callable[[str], Path], tmp_path: Path
) -> None:
    command = [*TABLE, "search.max_queries=20", "search.repeats=4", *LOOPS["rounds"]]
    run(tmp_path, *command, "evaluator.isolate=true")
    assert files(tmp_path)["repeats.jsonl"] == files(undisturbed("rounds"))["repeats.jsonl"]


def test_calls_of_further_trainings_have_names_of_their_own(space: NASBench101) -> None:
    cell = chain(space, 1)
    trial = Trial(space, {}, digits_recipe(1), 0, "cpu")
    elements = (cell, Retraining(cell), Retraining(cell, 2))
    names = {trial.call_name("run", element, ("val",)) for element in elements}
    assert len(names) == 3 and {plain(element) for element in elements} == {cell}
