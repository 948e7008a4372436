"""Test the folder of ``seminas.Study``: kills, full disks, and what other commands read in it."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import seminas
from seminas.commands.main import app
from seminas.config.strategies import SemiNASSettings
from seminas.runs.archive import Archive
from seminas.runs.folder import RunFolder
from seminas.strategies.random import RandomSearch
from seminas.strategies.seminas import SemiNAS
from unit.loop.studies import KERNELS, SMALL, accuracy_of, play, random_study, small_seminas

pytestmark = pytest.mark.usefixtures("working_directory")


@pytest.mark.parametrize(
    "name",
    ["random", *(pytest.param(n, marks=pytest.mark.long) for n in ("evolution", "local_search", "seminas"))],
)
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
