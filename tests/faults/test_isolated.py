"""Evaluators of the user's whose evaluations end their process or hang."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seminas.commands import search
from seminas.config.check import checked
from seminas.config.compose import compose
from seminas.errors import UserError
from seminas.runs.folder import RunFolder

EVALUATOR = '''
import ctypes
import os
import time

from seminas import Evaluator


class Deadly(Evaluator):
    """Accuracies of a chain; one architecture reads where there is no memory, one hangs, one raises."""

    def __init__(self, timeout_s=None, hangs=False):
        self.timeout_s, self.hangs = timeout_s, hangs

    def evaluate_one(self, architecture):
        if architecture == (1, 1):
            ctypes.string_at(0)
        if architecture == (2, 2) and self.hangs:
            time.sleep(1_000)
        if architecture == (0, 2):
            raise ValueError("not this one")
        return sum(architecture) / 10

    def test(self, architecture):
        return self.evaluate_one(architecture) / 2
'''


SPACE = """
_target_: seminas.spaces.sequence.SequenceSpace
name: chain
positions: {a: [x, y, z], b: [x, y, z]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with the user's module and configs."""
    (tmp_path / "deadly.py").write_text(EVALUATOR)
    for name, text in (("space/chain", SPACE), ("evaluator/deadly", "_target_: deadly.Deadly\n")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / f"{name}.yaml").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("deadly", None)


def run(folder: Path, *overrides: str) -> RunFolder:
    """Search in the folder ``run``."""
    every = ["space=chain", "evaluator=deadly", "strategy=random", "search.num_labeled=4"]
    config = checked(compose("search", [*every, "search.max_queries=9", *overrides], folder), "search")
    run_folder = RunFolder(folder / "run")
    search.run(config, run_folder, quiet=True)
    return run_folder


@pytest.mark.long
def test_only_the_evaluations_that_end_their_process_or_hang_fail(folder: Path) -> None:
    limits = ["evaluator.isolate=2", "evaluator.timeout_s=1.5", "+evaluator.hangs=true"]
    records = {record.key: record for record in run(folder, *limits).history()}
    assert {key: record.val_accuracy for key, record in records.items()} == {
        "xx": 0.0,
        "xy": 0.1,
        "xz": None,
        "yx": 0.1,
        "yy": None,
        "yz": 0.3,
        "zx": 0.2,
        "zy": 0.3,
        "zz": None,
    }
    assert records["xz"].error == "ValueError: not this one"
    assert records["yy"].error == "its process died 2 times"
    assert records["zz"].error == "it took longer than evaluator.timeout_s=1.5"
    result = json.loads((folder / "run" / "result.json").read_text())
    assert (
        result["best_val_accuracy"] == 0.3 and result["test_accuracy"] == 0.15 and result["num_failures"] == 3
    )


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("evaluator.isolate=x", "evaluator.isolate=x: must be true, false or a number from 1"),
        ("evaluator.isolate=0", "evaluator.isolate=0: must be true, false or a number from 1"),
        ("evaluator.timeout_s=5", "evaluator.timeout_s=5.0: must be null without evaluator.isolate=true"),
        ("evaluator.timeout_s=0", "evaluator.timeout_s=0: must be above 0"),
        ("+evaluator.nonsense=1", "evaluator.nonsense"),
    ],
)
def test_wrong_settings_are_one_line(folder: Path, override: str, line: str) -> None:
    with pytest.raises(UserError) as error:
        run(folder, override)
    assert str(error.value).startswith(line.replace("=0:", "=0.0:") if "timeout_s=0" in line else line)
    assert not (folder / "run").exists()


@pytest.mark.long
def test_a_finished_run_goes_on_with_another_limit(folder: Path) -> None:
    before = run(folder, "evaluator.isolate=true", "search.max_queries=4").history()
    after = run(folder, "evaluator.isolate=2", "evaluator.timeout_s=60", "search.max_queries=6").history()
    assert after[:4] == before and len(after) == 6
