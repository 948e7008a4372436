"""Test settings that a run keeps although the command has null."""

from collections.abc import Callable
from typing import Any

from seminas.config.check import changed_keys, with_kept
from seminas.config.renamed import todays


def test_a_run_of_version_0_1_goes_on_without_the_gaussian_process(configure: Callable[..., Any]) -> None:
    now = configure("search", "evaluator=table", "evaluator.path=digits101")
    assert now["controller"]["teachers"]["gaussian_process"] is None
    before = todays({**now, "controller": {"members": 5, "encoder": "graph"}})
    assert before["controller"]["teachers"] == {"members": 5, "gaussian_process": 0.0}
    strategy = {name: value for name, value in now["strategy"].items() if name != "improvement"}
    assert todays({**now, "strategy": strategy})["strategy"]["improvement"] == 0.0
    assert todays(now)["strategy"]["improvement"] is None
    kept = with_kept(before, now)
    assert kept["controller"]["teachers"]["gaussian_process"] == 0.0
    assert "controller.teachers.gaussian_process" not in changed_keys(before, kept)
    assert now["controller"]["teachers"]["gaussian_process"] is None  # The command's config stays as it is.
    chosen = configure(
        "search", "evaluator=table", "evaluator.path=digits101", "controller.teachers.gaussian_process=0.5"
    )
    assert "controller.teachers.gaussian_process" in changed_keys(before, with_kept(before, chosen))
