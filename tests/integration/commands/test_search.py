"""Test searches on tables: their files, their reproducibility, and that they resume from any point."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seminas.commands import predictor, search
from seminas.config.compose import CONFIG_DIR
from seminas.config.evaluators import TableSettings
from seminas.errors import UserError
from seminas.evaluators.table import TableEvaluator
from seminas.runs.folder import RunFolder
from seminas.runs.records import read_history
from seminas.spaces.nasbench101 import NASBench101
from seminas.tables.table import accuracy_column, load_table, save_table
from support import SMALL_CONTROLLER, made_up_table, strategy_overrides

STRATEGIES = sorted(path.stem for path in (CONFIG_DIR / "strategy").glob("*.yaml"))
SLOW = ("bananas", "nao", "seminas_evolution")
"""Strategies that fit a network, as SemiNAS does in the short tests."""
Configure = Callable[..., dict[str, Any]]


def run(config: dict[str, Any], folder: Path) -> float:
    return search.run(config, RunFolder(folder), quiet=True)


def result_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result.json").read_text())


def history_of(folder: Path) -> list[str]:
    return (folder / "history.jsonl").read_text().splitlines()


@pytest.mark.parametrize("strategy", ["seminas", pytest.param("nao", marks=pytest.mark.long), "random"])
def test_a_search_leaves_its_files_and_repeats_itself(
    configure: Configure, small_table: Path, space: NASBench101, tmp_path: Path, strategy: str
) -> None:
    overrides = strategy_overrides(small_table, [f"strategy={strategy}"])
    if strategy == "random":
        overrides = [o for o in overrides if not o.startswith(("strategy.", "controller."))]
    config = configure("search", *overrides)
    best = search.run(config, RunFolder(tmp_path / "a"))
    assert run(config, tmp_path / "b") == best
    assert history_of(tmp_path / "a") == history_of(tmp_path / "b")
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names >= {
        "history.jsonl",
        "result.json",
        "config.yaml",
        "search_curve.png",
        "best_architecture.png",
    }
    assert "pending.jsonl" not in names
    records = read_history(tmp_path / "a")
    assert [r.index for r in records] == list(range(20)) and [r.round for r in records] == [0] * 8 + [
        1
    ] * 6 + [2] * 6
    assert len({r.key for r in records}) == 20
    result = result_of(tmp_path / "a")
    assert result["strategy"] == strategy and result["space"] == "nasbench101" and result["seed"] == 0
    assert result["num_queries"] == 20 and result["num_failures"] == 0
    assert result["best_val_accuracy"] == best == max(r.val_accuracy for r in records if r.val_accuracy)
    cell = space.from_json(result["best_architecture"])
    assert space.key(cell) == result["best_key"]
    evaluator = TableEvaluator(space, seed=0, settings=TableSettings(path=str(small_table)))
    assert result["test_accuracy"] == evaluator.test(cell)
    assert result["cost_s"] == pytest.approx(sum(r.cost_s for r in records))
    other = run(configure("search", *overrides, "seed=1"), tmp_path / "c")
    assert history_of(tmp_path / "c") != history_of(tmp_path / "a") and other > 0


def test_a_test_accuracy_is_looked_at_once_after_the_search(
    configure: Configure, small_table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def watched(evaluator: TableEvaluator[object], architecture: object) -> float:
        asked.append(len(read_history(tmp_path)))
        return 0.123456

    monkeypatch.setattr(TableEvaluator, "test", watched)
    run(configure("search", *strategy_overrides(small_table)), tmp_path)
    assert asked == [20]
    assert "0.123456" not in (tmp_path / "history.jsonl").read_text()
    assert result_of(tmp_path)["test_accuracy"] == 0.123456


@pytest.mark.parametrize(
    "strategy", [pytest.param(s, marks=pytest.mark.long if s in SLOW else ()) for s in STRATEGIES]
)
def test_what_a_strategy_does_does_not_depend_on_test_accuracies(
    configure: Configure, small_table: Path, space: NASBench101, tmp_path: Path, strategy: str
) -> None:
    """Search two tables with the same validation accuracies. The second table's test accuracies rank the cells."""
    table = load_table(small_table, space)
    order = np.argsort(np.argsort(table.columns["val"].at().mean(axis=1)))
    betraying = accuracy_column(np.round(order / len(order), 4)[:, None])
    paths = [tmp_path / "plain.npz", tmp_path / "betraying.npz"]
    for path, test in zip(paths, (table.columns["test"], betraying), strict=True):
        save_table(replace(table, columns={**table.columns, "test": test}), path)
    extra = ["strategy.pool=2000"] if strategy in ("seminas", "nao") else []
    overrides = [
        "evaluator=table",
        "search.max_queries=30",
        "search.num_labeled=20",
        f"strategy={strategy}",
        *SMALL_CONTROLLER,
        *extra,
    ]
    for path in paths:
        run(configure("search", *overrides, f"evaluator.path={path}"), tmp_path / path.stem)
    plain, told = (tmp_path / path.stem for path in paths)
    assert history_of(plain) == history_of(told) and len(history_of(plain)) == 30
    assert "test" not in (told / "history.jsonl").read_text()
    assert result_of(plain)["test_accuracy"] != result_of(told)["test_accuracy"]
    # The result has the test accuracy of each best architecture so far, for the curve of the report.
    evaluator = TableEvaluator(space, seed=0, settings=TableSettings(path=str(paths[1])))
    values = [r.val_accuracy or 0 for r in read_history(told)]
    for incumbent in result_of(told)["incumbents"]:
        record = read_history(told)[incumbent["index"]]
        assert incumbent["val_accuracy"] == record.val_accuracy == max(values[: record.index + 1])
        assert incumbent["test_accuracy"] == evaluator.test(space.from_json(record.architecture))
    assert result_of(told)["best_there_is"]["test_accuracy"] == pytest.approx(betraying.at().max())


@pytest.fixture(scope="module")
def whole(configure: Configure, small_table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished search of 20 evaluations in rounds of 8, 6 and 6."""
    folder = tmp_path_factory.mktemp("whole")
    run(configure("search", *strategy_overrides(small_table), "search.asynchronous=false"), folder)
    return folder


# The case (9, False) has no plan, as a search of version 0.1.
@pytest.mark.parametrize(
    ("kept", "planned"),
    [
        *((kept, True) for kept in (0, 7, 8, 14, 20)),
        *(pytest.param(kept, True, marks=pytest.mark.long) for kept in (1, 9, 13, 19)),
        (9, False),
    ],
)
def test_a_search_goes_on_from_any_point_and_ends_alike(
    configure: Configure,
    small_table: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kept: int,
    planned: bool,
) -> None:
    config = configure("search", *strategy_overrides(small_table), "search.asynchronous=false")
    lines = history_of(whole)
    for name in ("config.yaml", "plan.json") if planned else ("config.yaml",):
        shutil.copy(whole / name, tmp_path)
    half = lines[kept][: len(lines[kept]) // 2] if kept < len(lines) else ""
    (tmp_path / "history.jsonl").write_text("".join(line + "\n" for line in lines[:kept]) + half)
    evaluated = []
    evaluate = TableEvaluator.evaluate

    def watched(evaluator: TableEvaluator[object], architectures: list[object]) -> object:
        evaluated.extend(architectures)
        return evaluate(evaluator, architectures)

    monkeypatch.setattr(TableEvaluator, "evaluate", watched)
    run(config, tmp_path)
    assert history_of(tmp_path) == lines and len(evaluated) == 20 - kept
    mine, other = result_of(tmp_path), result_of(whole)
    assert {**mine, "wall_s": 0} == {**other, "wall_s": 0}


def test_a_folder_of_another_config_is_refused_and_left_alone(
    configure: Configure, small_table: Path, tmp_path: Path
) -> None:
    overrides = strategy_overrides(small_table)
    run(configure("search", *overrides), tmp_path)
    before = history_of(tmp_path)
    with pytest.raises(
        UserError, match=r"belongs to another config: seed is 0 in its config\.yaml, and 1 in this command"
    ):
        run(configure("search", *overrides, "seed=1"), tmp_path)
    assert history_of(tmp_path) == before
    # Settings that do not affect the search may change.
    run(configure("search", *overrides, "search.max_failures=3", "logger=[]"), tmp_path)


@pytest.mark.parametrize("raises", ["in evaluate_one", "in evaluate"])
def test_a_failing_evaluation_is_recorded_and_the_search_goes_on(
    configure: Configure, small_table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raises: str
) -> None:
    evaluate = TableEvaluator.evaluate
    count = [0]

    def failing(evaluator: TableEvaluator[object], architectures: list[object]) -> object:
        for position, evaluation in evaluate(evaluator, architectures):
            count[0] += 1
            if count[0] in (3, 9):
                raise ValueError("no memory\nfor this one")
            yield position, evaluation

    if raises == "in evaluate":
        monkeypatch.setattr(TableEvaluator, "evaluate", failing)
    else:
        values = TableEvaluator.val_accuracies

        def one(evaluator: TableEvaluator[object], architecture: object) -> float:
            count[0] += 1
            if count[0] in (3, 9):
                raise ValueError("no memory\nfor this one")
            return float(values(evaluator, [architecture])[0])

        monkeypatch.delattr(TableEvaluator, "evaluate")
        monkeypatch.setattr(TableEvaluator, "evaluate_one", one, raising=False)
    run(configure("search", *strategy_overrides(small_table)), tmp_path)
    records = read_history(tmp_path)
    failures = [r for r in records if r.val_accuracy is None]
    assert len(records) == 20 and [r.index for r in failures] == [2, 8]
    assert {r.error for r in failures} == {"ValueError: no memory"}
    assert result_of(tmp_path)["num_failures"] == 2
    # The log has the whole tracebacks. Each traceback follows the evaluation's number and key.
    function = "one" if raises == "in evaluate_one" else "failing"
    log = (tmp_path / "error.log").read_text()
    assert log.count("Traceback (most recent call last):") == log.count(f", in {function}\n") == 2
    for record in failures:
        (logged,) = re.findall(rf"^evaluation {record.index}, {record.key}:\n(?:.+\n)+\n", log, re.M)
        assert logged.endswith("ValueError: no memory\nfor this one\n\n")


def test_too_many_failures_stop_the_search_and_it_can_go_on(
    configure: Configure, small_table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(evaluator: TableEvaluator[object], architectures: list[object]) -> object:
        raise RuntimeError("out of luck")
        yield

    overrides = strategy_overrides(small_table)
    with monkeypatch.context() as patch:
        patch.setattr(TableEvaluator, "evaluate", failing)
        with pytest.raises(UserError, match=r"search.max_failures=2: 3 evaluations failed.*out of luck"):
            run(configure("search", *overrides, "search.max_failures=2"), tmp_path)
    assert len(read_history(tmp_path)) == 3 and not (tmp_path / "result.json").exists()
    state = RunFolder(tmp_path).state()
    assert state.name == "failed" and "search.max_failures=2" in str(state.error)
    run(configure("search", *overrides, "search.max_failures=3"), tmp_path)
    assert result_of(tmp_path)["num_failures"] == 3 and len(read_history(tmp_path)) == 20


def test_the_table_may_run_out(configure: Configure, space: NASBench101, tmp_path: Path) -> None:
    save_table(made_up_table(space, 60), tmp_path / "sixty.npz")
    overrides = strategy_overrides(tmp_path / "sixty.npz", ["search.num_labeled=56"])
    run(configure("search", *overrides), tmp_path / "run")
    assert result_of(tmp_path / "run")["num_queries"] == 60


def test_the_predictor_is_measured_on_all_other_rows(
    configure: Configure, small_table: Path, tmp_path: Path
) -> None:
    overrides = ["evaluator=table", f"evaluator.path={small_table}", "predictor.num_labeled=100"]
    overrides += ["predictor.pseudo_label_ratio=5", *SMALL_CONTROLLER, "controller.teachers.members=2"]
    overrides += [
        "controller.teachers.steps=150",
        "controller.student.steps=50",
        "controller.teachers.forest=0",
    ]
    tau = predictor.run(configure("predictor", *overrides), RunFolder(tmp_path / "a"), quiet=True)
    result = result_of(tmp_path / "a")
    assert result["kendall_tau"] == tau > 0.6 and result["spearman_rho"] > tau
    assert result["num_ranked"] == 1_900 and result["num_pseudo_labeled"] == 500
    regrets = [result["top_k"][f"top_{k}_regret"] for k in (100, 10, 1)]
    assert 0 <= regrets[0] <= regrets[1] <= regrets[2] < 0.1
    assert result["wall_s"] > 0
    assert predictor.run(configure("predictor", *overrides), RunFolder(tmp_path / "b"), quiet=True) == tau


@pytest.mark.long
def test_several_loggers_at_once(configure: Configure, small_table: Path, tmp_path: Path) -> None:
    overrides = strategy_overrides(small_table, ["search.num_rounds=1", "search.num_new=2"])
    run(configure("search", *overrides, "logger=[csv,wandb]"), tmp_path)
    metrics = (tmp_path / "metrics.csv").read_text()
    assert "val_accuracy" in metrics and "best_val_accuracy" in metrics and "round/fit_s" in metrics
    assert list((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))
