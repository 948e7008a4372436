"""Test searches and studies with several objectives: their files, resumed runs, and wrong settings."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import seminas
from seminas.commands.main import app
from seminas.config.search import SearchSettings
from seminas.errors import UserError
from seminas.evaluators.base import Evaluator
from seminas.loop.objectives import read_goals
from seminas.loop.wandb_media import media
from seminas.runs.archive import MemoryArchive
from seminas.runs.metric import ACCURACY, Metric
from seminas.runs.objectives import EXACT, Objectives, hypervolume, scored
from seminas.runs.results import SearchResult
from seminas.spaces.nasbench101 import NASBench101
from seminas.spaces.nasbench201 import NASBench201

TABLE: dict[str, Any] = {"evaluator": {"path": "digits101"}, "logger": []}
BOTH = ["val_accuracy", "parameters"]
ENERGY = '''
import seminas
from seminas.evaluators.base import Evaluator


class Energy(Evaluator):
    """An accuracy and an energy. The third evaluation gives a wrong energy."""

    metrics = (seminas.Metric("energy", "minimize", "J"),)

    def __init__(self, space, third: str = "", killed_at: int = 0):
        self.space, self.third, self.number, self.killed_at = space, third, 0, killed_at

    def evaluate_one(self, architecture):
        self.number += 1
        if self.number == self.killed_at:
            raise KeyboardInterrupt  # Stands in for a kill.
        values = [int(token) for token in self.space.encode([architecture])[0]]
        accuracy, energy = sum(values) / 40, float(values[0] * values[1])
        if self.third and self.number == 3:
            return {"val_accuracy": accuracy, **eval(self.third)}
        return {"val_accuracy": accuracy, "energy": energy}
'''


def search(folder: Path, strategy: str, queries: int, **settings: Any) -> SearchResult:
    overrides = ["evaluator=table", f"strategy={strategy}", "space=nasbench101"]
    about = {"max_queries": queries, "objectives": BOTH, **settings.pop("search", {})}
    return seminas.search(overrides, folder=folder, quiet=True, search=about, **TABLE, **settings)


@pytest.mark.parametrize("strategy", ["gaussian_process", "evolution", "random"])
def test_the_result_has_the_front_of_the_history(tmp_path: Path, strategy: str) -> None:
    result = search(tmp_path / "run", strategy, 24)
    written = json.loads((tmp_path / "run" / "result.json").read_text())
    assert [o["name"] for o in written["objectives"]] == BOTH
    assert written["hypervolume"] == result.hypervolume
    lines = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    points = {line["index"]: (line["val_accuracy"], line["metrics"]["parameters"]) for line in lines}
    front = {
        i
        for i, (a, p) in points.items()
        if not any((b >= a and q <= p) and (b, q) != (a, p) for b, q in points.values())
    }
    assert result.pareto is not None and result.reference is not None
    found = {member["index"] for member in result.pareto}
    assert found <= front
    assert {points[i] for i in front} == {points[i] for i in found}
    for member in result.pareto:
        assert tuple(member["values"].values()) == points[member["index"]]
        assert 0 < member["test_values"]["test_accuracy"] < 1
    objectives = Objectives((ACCURACY, EXACT["parameters"]), ACCURACY, ("parameters",))
    _, scores = scored(objectives, result.history)
    reference = np.array([result.reference["val_accuracy"], -result.reference["parameters"]])
    assert result.hypervolume == pytest.approx(hypervolume(scores, reference))
    first = [a for i, (a, _) in points.items() if i < (10 if strategy == "evolution" else 5)]
    assert result.reference["val_accuracy"] == pytest.approx(min(first) - 0.1 * (max(first) - min(first)))
    assert seminas.load_run(tmp_path / "run") == result


@pytest.mark.parametrize("workers", [1, 3])
def test_a_longer_search_goes_on_as_without_a_break(tmp_path: Path, workers: int) -> None:
    settings: dict[str, Any] = {"search": {"num_labeled": 8}, "strategy": {"max_candidates": 500}}
    overrides = ["evaluator=table", "strategy=gaussian_process", f"evaluator.num_workers={workers}"]
    about = {"num_labeled": 8, "objectives": BOTH}
    histories = []
    for folder, numbers in (("once", [16]), ("twice", [11, 16])):
        for number in numbers:
            seminas.search(
                overrides,
                folder=tmp_path / folder,
                quiet=True,
                search={**about, "max_queries": number},
                strategy=settings["strategy"],
                **TABLE,
            )
        histories.append([json.loads(x)["key"] for x in (tmp_path / folder / "history.jsonl").open()])
    if workers == 1:
        assert histories[0] == histories[1]
    assert len(set(histories[1])) == 16


def test_one_objective_is_the_same_search(tmp_path: Path) -> None:
    for folder, objectives in (("plain", None), ("one", ["val_accuracy"])):
        result = search(tmp_path / folder, "evolution", 15, search={"objectives": objectives})
        assert result.pareto is None
        assert "pareto" not in json.loads((tmp_path / folder / "result.json").read_text())
    assert (tmp_path / "plain/history.jsonl").read_text() == (tmp_path / "one/history.jsonl").read_text()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["search.objectives=[val_accuracy,energy]"],
            "has energy, must be some of val_accuracy, macs, parameters",
        ),
        (["search.objectives=[val_accuracy,latency_ms]"], "the space does not state it"),
        (["search.objectives=[val_accuracy,macs,macs]"], "has macs twice"),
        (["search.objectives=[macs,parameters]"], "must contain val_accuracy"),
        (["search.objectives=[macs]"], "must contain val_accuracy"),
        (["search.objectives=[]"], "search.objectives=[]: must be names of metrics"),
        (["search.reference={macs:1}"], "must be empty without search.objectives"),
        (
            ["search.objectives=[val_accuracy,macs]", "search.reference.energy=1"],
            "search.reference.energy=1.0",
        ),
        (
            ["search.objectives=[val_accuracy,macs]", "search.reference.val_accuracy=2"],
            "a number from 0 to 1",
        ),
        (["search.objectives=[val_accuracy,macs]", "search.reference={macs:nan}"], "must be a finite number"),
        (["search.objectives=[val_accuracy,macs]", "strategy=bananas"], "Bananas takes one objective"),
    ],
)
def test_wrong_settings_are_one_line(tmp_path: Path, settings: list[str], message: str) -> None:
    with pytest.raises(UserError) as raised:
        seminas.search(
            ["evaluator=table", "strategy=random", *settings], folder=tmp_path / "run", quiet=True, **TABLE
        )
    assert message in str(raised.value) and "\n" not in str(raised.value)
    assert not (tmp_path / "run" / "history.jsonl").exists()


@pytest.fixture
def energies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SearchResult]:
    """Return a function that searches a small chain with an accuracy and a measured energy."""
    (tmp_path / "energies.py").write_text(ENERGY)
    positions = {f"p{i}": [1, 2, 3, 4] for i in range(4)}
    for group, section in (
        (
            "space",
            {"_target_": "seminas.spaces.sequence.SequenceSpace", "name": "chain", "positions": positions},
        ),
        ("evaluator", {"_target_": "energies.Energy", "third": "", "killed_at": 0}),
    ):
        (tmp_path / group).mkdir()
        (tmp_path / group / "small.yaml").write_text(json.dumps(section))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "energies", raising=False)

    def run(folder: str, strategy: str, evaluator: dict[str, Any], **about: Any) -> SearchResult:
        return seminas.search(
            [f"strategy={strategy}", "space=small", "evaluator=small"],
            tmp_path,
            folder=tmp_path / folder,
            quiet=True,
            search={"max_queries": 16, "objectives": ["val_accuracy", "energy"], **about},
            **({"evaluator": evaluator} if evaluator else {}),
        )

    return run


def test_a_measured_objective_is_learned_and_a_missing_one_is_a_failure(energies: Any) -> None:
    result = energies("run", "gaussian_process", {})
    assert result.pareto and all(set(m["values"]) == {"val_accuracy", "energy"} for m in result.pareto)
    for third, message in (
        ("{}", "energy: is missing, it is one of search.objectives"),
        ("{'energy': float('nan')}", "energy=nan: must be a finite number"),
        ("{'energy': float('inf')}", "energy=inf: must be a finite number"),
    ):
        result = energies(message[:12].replace(":", ""), "random", {"third": third})
        assert [r.error for r in result.history if r.error] == [message]
        assert all(member["index"] != 2 for member in result.pareto or [])


def test_a_killed_search_goes_on_exactly(energies: Any, tmp_path: Path) -> None:
    energies("whole", "gaussian_process", {})
    with pytest.raises(KeyboardInterrupt):
        energies("killed", "gaussian_process", {"killed_at": 11})
    assert len((tmp_path / "killed/history.jsonl").read_text().splitlines()) == 10
    resumed = energies("killed", "gaussian_process", {"killed_at": 11})
    whole = seminas.load_run(tmp_path / "whole")
    assert isinstance(whole, SearchResult)
    assert [(r.key, r.value, r.metrics) for r in resumed.history] == [
        (r.key, r.value, r.metrics) for r in whole.history
    ]
    assert (resumed.pareto, resumed.hypervolume) == (whole.pareto, whole.hypervolume)


def test_a_study_has_objectives(tmp_path: Path) -> None:
    energy = Metric("energy", "minimize", "J")
    arguments: dict[str, Any] = {
        "strategy": "gaussian_process",
        "metrics": [energy],
        "objectives": ["val_accuracy", "energy"],
    }
    space = {f"p{i}": [1, 2, 3, 4] for i in range(4)}

    def play(study: seminas.Study[Any], number: int) -> None:
        for _ in range(number):
            (trial,) = study.ask()
            values = [float(v) for v in trial.choices.values() if isinstance(v, int)]
            study.tell(trial, {"val_accuracy": sum(values) / 20, "energy": values[0] * values[1]})

    with seminas.Study(space, **arguments) as whole:
        play(whole, 26)
    for number in (22, 4):
        with seminas.Study(space, folder=tmp_path / "study", **arguments) as study:
            play(study, number)
    assert [r.key for r in study.history] == [r.key for r in whole.history]
    result = seminas.load_run(tmp_path / "study")
    assert isinstance(result, SearchResult) and result.pareto
    assert [m["index"] for m in result.pareto] == [r.index for r in whole.front]
    with (
        seminas.Study(space, **arguments) as study,
        pytest.raises(UserError, match="energy: is missing, it is one of objectives"),
    ):
        study.tell(study.ask()[0], 0.5)
    for wrong, message in (
        ({"objectives": ["val_accuracy", "macs"]}, r"^objectives=\[.*must be some of val_accuracy"),
        ({"reference": {"energy": 1.0}}, r"^reference=.*must be empty without objectives"),
        ({**arguments, "reference": {"macs": 1.0}}, r"^reference.macs=1.0: must be a value of"),
        ({**arguments, "strategy": "bananas"}, r"^objectives=\[val_accuracy, energy\]: strategy Bananas"),
        ({"settings": {"pol": 1}}, r"^settings.pol: is unknown; did you mean settings.pool"),
    ):
        with pytest.raises(UserError, match=message):
            seminas.Study(space, **wrong)


@pytest.mark.long
def test_the_front_is_exported_for_training(tmp_path: Path) -> None:
    result = search(tmp_path / "run", "random", 12)
    run = CliRunner().invoke
    out = tmp_path / "front"
    done = run(app, ["arch", "export", str(tmp_path / "run"), "--pareto", "-o", str(out)])
    assert done.exit_code == 0, done.output
    files = sorted(out.iterdir())
    assert result.pareto is not None and len(files) == len(result.pareto)
    for file in files:
        shown = run(app, ["arch", "show", str(file), "--json"])
        assert shown.exit_code == 0
        assert json.loads(shown.output)["key"] == json.loads(file.read_text())["key"]
    plain = search(tmp_path / "plain", "random", 5, search={"objectives": None})
    assert plain.pareto is None
    refused = run(app, ["arch", "export", str(tmp_path / "plain"), "--pareto"])
    assert refused.exit_code == 2 and "is a search for one objective, val_accuracy" in refused.output


def test_the_loggers_have_the_hypervolume_and_the_front(tmp_path: Path) -> None:
    about = {"max_queries": 10, "objectives": BOTH}
    result = seminas.search(
        ["evaluator=table", "evaluator.path=digits101", "strategy=random", "logger=[csv]"],
        folder=tmp_path / "run",
        quiet=True,
        search=about,
    )
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    volumes = [float(row["hypervolume"]) for row in rows if row.get("hypervolume")]
    assert volumes[-1] == pytest.approx(result.hypervolume)
    archive = MemoryArchive()
    archive.pursue(Objectives((ACCURACY, EXACT["parameters"]), ACCURACY, ("parameters",)), 10)
    for record in result.history:
        archive.add(record)
    shown = media(NASBench101(), archive, [])
    assert result.pareto is not None
    assert [row[0] for row in shown["front"].data] == [member["index"] for member in result.pareto]
    assert shown["front"].columns == ["index", "architecture", *BOTH] and "front_chart" in shown


class MeasuresAgain(Evaluator[Any]):
    """Evaluator of two metrics whose values change. Its exact costs are expensive to know."""

    revises = True
    metrics = (Metric("loss", "minimize"),)

    def exact_costs(self, space: Any) -> Any:
        self.asked = True
        return super().exact_costs(space)


def test_values_of_different_weights_share_no_front() -> None:
    space, evaluator = NASBench201(), MeasuresAgain()
    assert read_goals(SearchSettings(), space, evaluator) is None and not hasattr(evaluator, "asked")
    assert read_goals(SearchSettings(objectives=["val_accuracy", "macs"]), space, evaluator) is not None
    with pytest.raises(
        UserError, match="val_accuracy and exact costs, with an evaluator that measures again"
    ):
        read_goals(SearchSettings(objectives=["val_accuracy", "loss"]), space, evaluator)
