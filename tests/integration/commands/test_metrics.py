"""Test searches and studies that minimize a loss, or maximize a reward outside 0 to 1."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import seminas
from seminas.commands.main import app
from seminas.errors import UserError
from seminas.loop.figures import predictions, search_curve
from seminas.loop.wandb_media import columns, media
from seminas.report.curves import over_evaluations
from seminas.report.page import sections
from seminas.report.plots import lines
from seminas.report.runs import group, read_runs
from seminas.report.section import as_csv, as_markdown
from seminas.runs.archive import MemoryArchive
from seminas.runs.folder import RunFolder
from seminas.runs.metric import Metric
from seminas.runs.records import Record
from seminas.spaces.sequence import SequenceSpace

LOSSES = '''
import seminas
from seminas.evaluators.base import Evaluator


class Loss(Evaluator):
    """A loss from 3.7 to 120."""

    metric = seminas.Metric("val_loss", "minimize", "nats")
    metrics = (seminas.Metric("latency_ms", "minimize", "ms"),)

    def __init__(self, space, broken: str = "", killed_at: int = 0):
        self.space, self.broken, self.left = space, broken, killed_at

    def evaluate_one(self, architecture):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt  # Stands in for a kill.
        values = [int(token) for token in self.space.encode([architecture])[0]]
        loss = 3.7 + sum((v - 1) ** 2 for v in values) * 116.3 / 64
        wrong = {"text": "low", "none": None, "missing": {"loss": 1.0}}
        wrong |= {"not_a_number": float("nan"), "infinite": float("inf")}
        if self.broken == "always_missing":
            return {"loss": loss}
        if self.broken and architecture[0] == 2:
            return wrong[self.broken]
        return {"val_loss": loss, "latency_ms": 2.5 * values[0]}

    def test(self, architecture):
        return self.evaluate_one(architecture)["val_loss"] + 1000.0

    def look_up_tests(self, architectures):
        return [self.test(architecture) for architecture in architectures]

    def best_there_is(self):
        return {"val_loss": 3.7, "test_loss": 1003.7}


class Misspelt(Loss):
    metric = "val_loss"


class Direction(Evaluator):
    def __init__(self):
        self.metric = seminas.Metric("val_loss", "minimise")
'''
SPACE = {"_target_": "seminas.spaces.sequence.SequenceSpace", "name": "chain"}
POSITIONS = {f"p{i}": [0, 1, 2, 3, 4] for i in range(4)}
SMALL: dict[str, Any] = {
    "controller": {
        "encoder": {"hidden": 16, "layers": 2},
        "teachers": {"members": 2, "steps": 10},
        "student": {"steps": 10},
    }
}


@pytest.fixture
def searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs a search with a class of the module ``losses`` as its evaluator."""
    (tmp_path / "losses.py").write_text(LOSSES)
    (tmp_path / "space").mkdir()
    (tmp_path / "evaluator").mkdir()
    (tmp_path / "space" / "chain.yaml").write_text(json.dumps({**SPACE, "positions": POSITIONS}))
    for name in ("Loss", "Misspelt", "Direction"):
        (tmp_path / "evaluator" / f"{name.lower()}.yaml").write_text(f"_target_: losses.{name}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "losses", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(folder: str, *overrides: str, evaluator: str = "loss", **settings: Any) -> Any:
        every = ["space=chain", f"evaluator={evaluator}", "search.max_queries=14", *overrides]
        return seminas.search(every, tmp_path, folder=tmp_path / folder, quiet=True, **settings)

    return run


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def without_times(records: list[Any]) -> list[tuple[Any, ...]]:
    return [(r.key, r.value, r.prediction, r.metrics, r.round) for r in records]


def test_a_search_minimizes_a_loss_and_its_files_name_it(searched: Any, tmp_path: Path) -> None:
    result = searched("run", "strategy=evolution", "strategy.population_size=5", "logger=[csv]")
    lines = lines_of(tmp_path / "run")
    values = [line["value"] for line in lines]
    assert result.metric == Metric("val_loss", "minimize", "nats")
    assert result.best_value == min(values) < values[0] and result.test_value == result.best_value + 1000
    assert [i["value"] for i in result.incumbents] == sorted(
        {min(values[: n + 1]) for n in range(14)}, reverse=True
    )
    assert all(line["metrics"]["latency_ms"] > 0 for line in lines)
    written = json.loads((tmp_path / "run" / "result.json").read_text())
    assert written["best_value"] == min(values) and set(written["incumbents"][0]) == {
        "index",
        "value",
        "test_value",
    }
    assert "accuracy" not in (tmp_path / "run" / "history.jsonl").read_text()
    assert not [name for name in written if "accuracy" in name]
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    best = [float(row["best_val_loss"]) for row in rows if row.get("best_val_loss")]
    assert best == [min(values[: n + 1]) for n in range(14)]
    assert not [name for name in rows[0] if "accuracy" in name] and {"val_loss", "latency_ms"} <= set(rows[0])
    assert {"final/best_val_loss", "final/test_loss"} <= set(rows[0])
    assert seminas.load_run(tmp_path / "run") == result


@pytest.mark.parametrize("asynchronous", [pytest.param(False, marks=pytest.mark.long), True])
def test_a_killed_search_for_a_loss_goes_on_as_without_the_kill(
    searched: Any, tmp_path: Path, asynchronous: bool
) -> None:
    few = {**SMALL, "search": {"num_labeled": 6, "num_new": 4, "num_rounds": 2, "asynchronous": asynchronous}}
    arguments = ("strategy=seminas", "strategy.pool=200", "strategy.num_seeds=5", "strategy.max_steps=3")
    whole = searched("whole", *arguments, **few)
    with pytest.raises(BaseException):  # noqa: B017  # KeyboardInterrupt, wherever it is raised.
        searched("killed", *arguments, "+evaluator.killed_at=9", **few)
    assert 6 <= len(lines_of(tmp_path / "killed")) < 14
    config = (tmp_path / "killed" / "config.yaml").read_text()
    (tmp_path / "killed" / "config.yaml").write_text(config.replace("  killed_at: 9\n", ""))
    again = searched("killed", *arguments, **few)
    assert without_times(again.history) == without_times(whole.history)
    predicted = [r.prediction for r in whole.history if r.prediction is not None]
    assert predicted and all(-100 < p < 300 for p in predicted) and max(predicted) > 1


@pytest.mark.parametrize("broken", ["not_a_number", "infinite", "text", "none", "missing"])
def test_a_wrong_value_is_a_failed_evaluation(searched: Any, tmp_path: Path, broken: str) -> None:
    result = searched("run", "strategy=random", f"+evaluator.broken={broken}", "search.max_failures=14")
    failed = [record for record in result.history if record.error is not None]
    assert 0 < result.num_failures == len(failed) < 14
    assert all(str(record.error).startswith("val_loss") for record in failed)
    assert all(record.value is None and record.metrics == {} for record in failed)


def test_a_metric_that_no_evaluation_has_ends_the_search_at_once(searched: Any, tmp_path: Path) -> None:
    line = "val_loss: is missing, the evaluation gave loss; the search ends, because no evaluation has this metric"
    with pytest.raises(UserError, match=line):
        searched("run", "strategy=random", "+evaluator.broken=always_missing")
    assert lines_of(tmp_path / "run") == []


@pytest.mark.parametrize(
    ("evaluator", "overrides", "line"),
    [
        ("misspelt", [], "metric='val_loss': must be a seminas.Metric"),
        ("direction", [], "val_loss: direction='minimise': must be maximize or minimize"),
        (
            "loss",
            ["search.target_accuracy=0.9"],
            "search.target_accuracy=0.9: must be null with the metric val_loss",
        ),
        ("loss", ["search.target=nan"], "search.target=nan: must be finite"),
        ("loss", ["search.target=4", "search.target_accuracy=0.9"], "search.target=4: must be null with"),
    ],
)
def test_a_wrong_declaration_ends_before_anything_is_evaluated(
    searched: Any, tmp_path: Path, evaluator: str, overrides: list[str], line: str
) -> None:
    with pytest.raises(UserError, match="^" + line.replace("[", r"\[")):
        searched("run", "strategy=random", *overrides, evaluator=evaluator)
    assert not (tmp_path / "run" / "history.jsonl").exists()


def test_a_target_ends_a_search_and_another_one_goes_on(searched: Any, tmp_path: Path) -> None:
    rounds = ("strategy=random", "search.max_queries=null", "search.num_labeled=4", "search.num_rounds=2")
    first = searched("whole", *rounds).history[:4]
    target = min(record.value for record in first)
    result = searched("run", *rounds, f"search.target={target!r}")
    assert (result.num_queries, result.ended_by) == (4, "target")
    assert searched("run", *rounds, f"search.target={target!r}") == result
    assert searched("run", *rounds, "search.target=1").num_queries == 12


def test_a_search_for_accuracies_has_a_target_from_0_to_1(searched: Any) -> None:
    with pytest.raises(
        UserError, match=r"search.target=90: must be a number from 0 to 1, as val_accuracy is"
    ):
        every = ["space=mobilenet", "evaluator=landscape", "strategy=random", "search.target=90"]
        seminas.search(every, folder="run", quiet=True)


def test_losses_are_imported_for_losses_only(searched: Any, tmp_path: Path) -> None:
    searched("first", "strategy=random", "search.max_queries=5")
    second = searched("second", "strategy=evolution", "search.max_queries=4", "search.import_from=[first]")
    imported = [line for line in lines_of(tmp_path / "second") if line["index"] < 0]
    assert sorted(line["value"] for line in imported) == sorted(
        line["value"] for line in lines_of(tmp_path / "first")
    )
    assert second.num_imported == 5
    (tmp_path / "mine.csv").write_text("p0,p1,p2,p3,val_loss\n0,0,0,1,5.5\n1,0,0,1,77\n")
    third = searched("third", "strategy=random", "search.max_queries=4", "search.import_from=[mine.csv]")
    assert third.num_imported == 2 and lines_of(tmp_path / "third")[1]["value"] == 77.0
    (tmp_path / "mine.csv").write_text("p0,p1,p2,p3,val_loss\n0,0,0,1,nan\n")
    with pytest.raises(UserError, match="val_loss=nan: must be a finite number"):
        searched("fourth", "strategy=random", "search.import_from=[mine.csv]")
    config = tmp_path / "first" / "config.yaml"
    config.write_text(config.read_text().replace("direction: minimize\n  unit: nats", "direction: maximize"))
    with pytest.raises(
        UserError, match=r"is a search for val_loss \(maximize\), so that it cannot be imported"
    ):
        searched("fifth", "strategy=random", "search.import_from=[first]")


def test_a_report_names_the_loss_and_ranks_by_it(searched: Any, tmp_path: Path) -> None:
    results = {}
    for strategy in ("random", "evolution"):
        extra = ["strategy.population_size=4"] if strategy == "evolution" else []
        for seed in (0, 1):
            folder = f"runs/{strategy}{seed}"
            results[strategy, seed] = searched(folder, f"strategy={strategy}", f"seed={seed}", *extra)
    ((problem, settings),) = group(read_runs([tmp_path / "runs"]).searches).items()
    assert problem.endswith("val_loss (minimize, nats)")
    runs = read_runs([tmp_path / "runs"])
    text, plain = as_markdown(sections(runs, figures=False)), as_csv(sections(runs, figures=False))
    assert "val_loss (nats) | test_loss (nats) | test regret (nats)" in text and "accuracy" not in text
    assert "val_loss_mean,val_loss_sd,test_loss_mean" in plain and "accuracy" not in plain
    tests = {s: [results[s, seed].test_value for seed in (0, 1)] for s in ("random", "evolution")}
    for row in csv.DictReader(plain.splitlines()):
        assert float(row["test_regret_mean"]) == pytest.approx(
            float(row["test_loss_mean"]) - 1003.7, abs=0.01
        )
        found = [results[row["setting"], seed].best_value <= 3.7 for seed in (0, 1)]
        assert float(row["found_best"]) == sum(found) / 2
    winner = min(tests, key=lambda s: sum(tests[s]))
    first, second = list(csv.DictReader(plain.splitlines()))
    assert first["setting"] == winner and float(first["test_loss_mean"]) <= float(second["test_loss_mean"])
    ranks = [1.5 if a == b else 1.0 if a < b else 2.0 for a, b in zip(*tests.values(), strict=True)]
    row = first if first["setting"] == "random" else second
    assert float(row["rank"]) == sum(ranks) / 2
    axes = lines(over_evaluations(settings)).axes
    assert [ax.get_ylabel() for ax in axes] == [
        "val_loss of the best so far (nats)",
        "test_loss of the best so far (nats)",
    ]
    assert all((line.get_ydata()[1:] <= line.get_ydata()[:-1]).all() for line in axes[0].lines)
    page = CliRunner().invoke(app, ["report", str(tmp_path / "runs"), "--out", str(tmp_path / "page")])
    assert page.exit_code == 0, page.output
    html = (tmp_path / "page" / "report.html").read_text()
    assert "lowest val_loss" in html and "accuracy" not in html and "accuracies" not in html


def test_status_figures_and_screen_name_the_loss(
    searched: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    every = ["space=chain", "evaluator=loss", "search.max_queries=10", "strategy=random"]
    result = seminas.search(every, tmp_path, folder=tmp_path / "run")
    shown = capsys.readouterr()
    assert "val_loss" in shown.out and f"{result.best_value:.5g} nats" in shown.out
    assert "accuracy" not in shown.out + shown.err
    status = CliRunner().invoke(app, ["status", str(tmp_path / "run")])
    assert f"best         val_loss {result.best_value:.5g} nats" in status.output
    figure = search_curve(RunFolder(tmp_path / "run").history(), result.metric)
    assert figure.axes[0].get_ylabel() == "val_loss (nats)"
    low, high = figure.axes[0].get_ylim()
    assert low < result.best_value < high
    assert predictions([result.history], result.metric) is None


@pytest.mark.parametrize("strategy", ["evolution", "gaussian_process", "bananas", "local_search"])
def test_a_study_of_losses_asks_as_a_study_of_rewards(strategy: str) -> None:
    """A reward is the negative loss. So it is negative, and higher rewards are better."""
    space = {f"p{i}": [0, 1, 2, 3] for i in range(4)}
    histories = []
    for name, direction, sign in (("val_loss", "minimize", 1), ("reward", "maximize", -1)):
        study = seminas.Study(space, strategy, seed=1, metric=name, direction=direction)
        for _ in range(14):
            (trial,) = study.ask()
            loss = 3.7 + 116 * sum(v * v for v in trial.choices.values()) / 36
            study.tell(trial, sign * loss)
        assert study.best is not None
        assert study.best.value == sign * min(sign * record.value for record in study.history)  # type: ignore[operator]
        histories.append([(r.key, sign * (r.value or 0), r.origin) for r in study.history])
    assert histories[0] == histories[1]


def test_a_study_of_losses_survives(tmp_path: Path) -> None:
    metric, further = Metric("val_loss", "minimize"), [Metric("size_mb", "minimize", "MB")]
    space = {f"p{i}": [0, 1, 2, 3] for i in range(3)}

    def study() -> Any:
        return seminas.Study(space, "evolution", folder=tmp_path / "mine", metric=metric, metrics=further)

    with study() as first:
        a, b, c = first.ask(3)
        first.tell(a, 120)
        first.tell(b, {"val_loss": 3.7, "size_mb": 12})
    with study() as again:
        assert [(r.value, r.metrics) for r in again.history] == [(120.0, {}), (3.7, {"size_mb": 12.0})]
        assert again.best.key == b.key and again.ask() == [c]
        for wrong, line in (
            (float("nan"), "trial 2: val_loss=nan: must be a finite number"),
            ("3.7", "trial 2: val_loss='3.7': must be a finite number"),
            ({"size_mb": 1}, "trial 2: val_loss: is missing, the evaluation gave size_mb"),
            ({"val_loss": 1, "speed": 1}, "trial 2: speed: is not among the declared metrics, size_mb"),
        ):
            with pytest.raises(UserError) as raised:
                again.tell(c, wrong)
            assert str(raised.value) == line
        again.tell(c, accuracy=50)
    result = seminas.load_run(tmp_path / "mine")
    assert isinstance(result, seminas.SearchResult) and result.best_value == 3.7
    with pytest.raises(UserError, match="belongs to another config: metric"):
        seminas.Study(space, "evolution", folder=tmp_path / "mine")
    with pytest.raises(UserError, match="val_loss: direction=None: must be maximize or minimize"):
        seminas.Study(space, "evolution", metric="val_loss")


def test_an_error_rate_is_a_percentage_and_lower_is_better(tmp_path: Path) -> None:
    rate = Metric("val_error", "minimize", "fraction")
    for seed in (0, 1):
        space = {"a": [0, 1, 2], "b": [0, 1, 2]}
        with seminas.Study(space, "random", seed, folder=tmp_path / str(seed), metric=rate) as study:
            for error in (0.5, 0.125, 0.75):
                study.tell(*study.ask(), error)
            with pytest.raises(UserError, match=r"trial 3: val_error=12.5: must be a number from 0 to 1"):
                study.tell(*study.ask(), 12.5)
    text = as_markdown(sections(read_runs([tmp_path]), figures=False))
    assert "val_error (%) | test_error (%)" in text and "| 12.50 ± 0.00 |" in text and "accuracy" not in text


def test_worker_processes_measure_the_metrics_of_the_evaluator(searched: Any) -> None:
    result = searched("run", "strategy=random", "evaluator.isolate=1", "search.max_queries=3")
    assert result.best_value == min(record.value for record in result.history) >= 3.7
    assert all(record.metrics["latency_ms"] > 0 for record in result.history)


def test_the_table_of_wandb_has_the_columns_of_the_metrics() -> None:
    pytest.importorskip("wandb")
    space = SequenceSpace("chain", {"a": [1, 2, 3], "b": [1, 2]})
    archive = MemoryArchive(Metric("val_loss", "minimize"))
    for i, loss in enumerate((120.0, 3.7, None)):
        metrics = {} if loss is None else {"latency_ms": 2.0}
        archive.add(Record(i, 0, space.to_json((i, 0)), space.key((i, 0)), loss, 1.0, metrics=metrics))
    table = media(space, archive, [])["architectures"]
    assert table.columns == columns("val_loss", "latency_ms")
    assert [row[3:5] for row in table.data] == [[120.0, 2.0], [3.7, 2.0], [None, None]]
