"""Tests of the best architecture that fail, or that give no accuracy."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seminas.commands import search
from seminas.errors import UserError
from seminas.evaluators.table import TableEvaluator
from seminas.runs.folder import RunFolder

Search = Callable[[], RunFolder]


@pytest.fixture
def run(configure: Callable[..., dict[str, Any]], small_table: Path, tmp_path: Path) -> Search:
    """Search in one folder, again and again."""
    overrides = [
        "evaluator=table",
        f"evaluator.path={small_table}",
        "strategy=random",
        "search.max_queries=5",
    ]
    config = configure("search", *overrides)

    def searched() -> RunFolder:
        search.run(config, RunFolder(tmp_path / "run"), quiet=True)
        return RunFolder(tmp_path / "run")

    return searched


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.5, -0.1, "x", True, [0.5]], ids=repr)
def test_a_value_that_is_no_accuracy_is_stated_as_unknown(
    run: Search, value: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(TableEvaluator, "test", lambda self, architecture: value)
    monkeypatch.setattr(TableEvaluator, "look_up_tests", lambda self, asked: [value] * len(asked))
    with caplog.at_level(logging.WARNING):
        folder = run()
    result: Any = folder.result()
    assert result.test_accuracy is None and result.incumbents[0]["test_value"] is None
    assert "is no number from 0 to 1" in caplog.text


def test_a_number_of_numpy_is_an_accuracy(run: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TableEvaluator, "test", lambda self, architecture: np.float32(0.5))
    result: Any = run().result()
    assert result.test_accuracy == 0.5


def test_a_test_that_raises_is_one_line_and_is_made_again(
    run: Search, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(self: Any, architecture: Any) -> float:
        raise ValueError("no images\nat all")

    folder = RunFolder(tmp_path / "run")
    with monkeypatch.context() as patched:
        patched.setattr(TableEvaluator, "test", broken)
        with pytest.raises(
            UserError,
            match="^the best architecture cannot be tested: ValueError: no images; the same command tests again$",
        ):
            run()
    history = folder.history()
    assert len(history) == 5 and folder.state().name == "failed"
    traceback = (tmp_path / "run" / "error.log").read_text()
    assert "in broken" in traceback and "at all" in traceback
    result: Any = run().result()
    assert folder.history() == history and result.test_accuracy is not None
