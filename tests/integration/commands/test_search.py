import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import DictConfig
from seminas.commands.app import CONFIG_DIR

from seminas import predictor, search
from seminas.errors import UserError
from seminas.evaluators.table import TableEvaluator
from seminas.runs.archive import read_history
from seminas.spaces.nasbench101 import NASBench101
from seminas.tables.table import accuracy_column, load_table, save_table
from support import SMALL_CONTROLLER, background, command, strategy_overrides

STRATEGIES = sorted(path.stem for path in (CONFIG_DIR / "strategy").glob("*.yaml"))
Configure = Callable[..., DictConfig]


def result_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result.json").read_text())


def history_of(folder: Path) -> list[str]:
    return (folder / "history.jsonl").read_text().splitlines()


@pytest.mark.parametrize("strategy", ["seminas", "nao", "random"])
def test_a_search_leaves_its_files_and_repeats_itself(
    configure: Configure, small_table: Path, space: NASBench101, tmp_path: Path, strategy: str
) -> None:
    overrides = strategy_overrides(small_table, [f"strategy={strategy}"])
    if strategy == "random":
        overrides = [o for o in overrides if not o.startswith(("strategy.", "controller."))]
    config = configure("search", *overrides)
    best = search.run(config, tmp_path / "a")
    assert search.run(config, tmp_path / "b") == best
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
    evaluator = TableEvaluator(space, str(small_table), seed=0)
    assert result["test_accuracy"] == evaluator.test(cell)
    assert result["cost_s"] == pytest.approx(sum(r.cost_s for r in records))
    other = search.run(configure("search", *overrides, "seed=1"), tmp_path / "c")
    assert history_of(tmp_path / "c") != history_of(tmp_path / "a") and other > 0


def test_a_test_accuracy_is_looked_at_once_after_the_search(
    configure: Configure, small_table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def watched(evaluator: TableEvaluator[object], architecture: object) -> float:
        asked.append(len(read_history(tmp_path)))
        return 0.123456

    monkeypatch.setattr(TableEvaluator, "test", watched)
    search.run(configure("search", *strategy_overrides(small_table)), tmp_path)
    assert asked == [20]
    assert "0.123456" not in (tmp_path / "history.jsonl").read_text()
    assert result_of(tmp_path)["test_accuracy"] == 0.123456


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_a_strategy_does_does_not_depend_on_test_accuracies(
    configure: Configure, small_table: Path, space: NASBench101, tmp_path: Path, strategy: str
) -> None:
    """Two tables of the same validation accuracies; the second's test accuracies name the best cells, and the worst."""
    table = load_table(small_table, space)
    order = np.argsort(np.argsort(table.columns["val"].at().mean(axis=1)))
    betraying = accuracy_column(np.round(order / len(order), 4)[:, None])
    paths = [tmp_path / "plain.npz", tmp_path / "betraying.npz"]
    for path, test in zip(paths, (table.columns["test"], betraying), strict=True):
        save_table(replace(table, columns={**table.columns, "test": test}), path)
    extra = ["strategy.pool=200"] if strategy in ("seminas", "nao") else []
    overrides = [
        "evaluator=table",
        "search.max_queries=30",
        f"strategy={strategy}",
        *SMALL_CONTROLLER,
        *extra,
    ]
    for path in paths:
        search.run(configure("search", *overrides, f"evaluator.path={path}"), tmp_path / path.stem)
    plain, told = (tmp_path / path.stem for path in paths)
    assert history_of(plain) == history_of(told) and len(history_of(plain)) == 30
    assert "test" not in (told / "history.jsonl").read_text()
    assert result_of(plain)["test_accuracy"] != result_of(told)["test_accuracy"]
    # The curve of the report: each best so far, its test accuracy looked up after the search.
    evaluator = TableEvaluator(space, str(paths[1]), seed=0)
    values = [r.val_accuracy or 0 for r in read_history(told)]
    for incumbent in result_of(told)["incumbents"]:
        record = read_history(told)[incumbent["index"]]
        assert incumbent["val_accuracy"] == record.val_accuracy == max(values[: record.index + 1])
        assert incumbent["test_accuracy"] == evaluator.test(space.from_json(record.architecture))
    assert result_of(told)["best_there_is"]["test_accuracy"] == pytest.approx(betraying.at().max())


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 9, 13, 14, 19, 20])
def test_a_search_goes_on_from_any_point_and_ends_alike(
    configure: Configure, small_table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    config = configure("search", *strategy_overrides(small_table))
    search.run(config, tmp_path / "whole")
    lines = history_of(tmp_path / "whole")
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "config.yaml").write_bytes((tmp_path / "whole" / "config.yaml").read_bytes())
    half = lines[kept][: len(lines[kept]) // 2] if kept < len(lines) else ""
    (cut / "history.jsonl").write_text("".join(line + "\n" for line in lines[:kept]) + half)
    evaluated = []
    evaluate = TableEvaluator.evaluate

    def watched(evaluator: TableEvaluator[object], architectures: list[object]) -> object:
        evaluated.extend(architectures)
        return evaluate(evaluator, architectures)

    monkeypatch.setattr(TableEvaluator, "evaluate", watched)
    search.run(config, cut)
    assert history_of(cut) == lines and len(evaluated) == 20 - kept
    mine, other = result_of(cut), result_of(tmp_path / "whole")
    assert {**mine, "wall_s": 0} == {**other, "wall_s": 0}


def test_a_killed_search_on_trainings_goes_on(tmp_path: Path) -> None:
    """SIGKILL while worker processes are training; accuracies are those of a run that was left alone."""
    overrides = ["search.num_labeled=5", "search.num_rounds=0", "data.recipe.epochs=1", "strategy=random"]
    done = command("seminas-search", *overrides, "hydra.run.dir=whole", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    process = background("seminas-search", *overrides, "hydra.run.dir=killed", cwd=tmp_path)
    history = tmp_path / "killed" / "history.jsonl"
    while not history.exists() or history.read_bytes().count(b"\n") < 2:
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = history_of(tmp_path / "killed")
    assert 2 <= len(before) < 5
    done = command("seminas-search", *overrides, "hydra.run.dir=killed", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert history_of(tmp_path / "killed")[: len(before)] == before

    def told(folder: str) -> list[tuple[str, float | None]]:
        return [(r.key, r.val_accuracy) for r in read_history(tmp_path / folder)]

    assert told("killed") == told("whole") and len(told("whole")) == 5
    # The workers of the killed process are gone as well.
    time.sleep(1)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_sigterm_ends_the_fit_of_a_controller_and_the_status_says_so(tmp_path: Path) -> None:
    """Lightning takes the signal while it fits, and would end with a status of 0, or forget it."""
    fit = ["evaluator.path=digits101", "predictor.num_labeled=50", "controller.labeled_steps=1000000"]
    process = background("seminas-predictor", *fit, "hydra.run.dir=run", cwd=tmp_path)
    while not (tmp_path / "run" / "config.yaml").exists():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(5)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(60) in (128 + signal.SIGTERM, -signal.SIGTERM)
    assert not (tmp_path / "run" / "result.json").exists()


def test_a_folder_of_another_config_is_refused_and_left_alone(
    configure: Configure, small_table: Path, tmp_path: Path
) -> None:
    overrides = strategy_overrides(small_table)
    search.run(configure("search", *overrides), tmp_path)
    before = history_of(tmp_path)
    with pytest.raises(UserError, match="belongs to another config: seed is 0 there, 1 here"):
        search.run(configure("search", *overrides, "seed=1"), tmp_path)
    assert history_of(tmp_path) == before
    # What does not change the search may change.
    search.run(configure("search", *overrides, "search.max_failures=3", "logger=[]"), tmp_path)


@pytest.mark.parametrize("raises", ["in evaluate_one", "in evaluate"])
def test_a_failing_evaluation_is_recorded_and_the_search_goes_on(
    configure: Configure, small_table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raises: str
) -> None:
    evaluate = TableEvaluator.evaluate
    count = [0]

    def failing(evaluator: TableEvaluator[object], architectures: list[object]) -> object:
        for place, evaluation in evaluate(evaluator, architectures):
            count[0] += 1
            if count[0] in (3, 9):
                raise ValueError("no memory\nfor this one")
            yield place, evaluation

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
    search.run(configure("search", *strategy_overrides(small_table)), tmp_path)
    records = read_history(tmp_path)
    failures = [r for r in records if r.val_accuracy is None]
    assert len(records) == 20 and [r.index for r in failures] == [2, 8]
    assert {r.error for r in failures} == {"ValueError: no memory"}
    assert result_of(tmp_path)["num_failures"] == 2


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
            search.run(configure("search", *overrides, "search.max_failures=2"), tmp_path)
    assert len(read_history(tmp_path)) == 3 and not (tmp_path / "result.json").exists()
    search.run(configure("search", *overrides, "search.max_failures=3"), tmp_path)
    assert result_of(tmp_path)["num_failures"] == 3 and len(read_history(tmp_path)) == 20


def test_the_table_may_run_out(configure: Configure, small_table: Path, tmp_path: Path) -> None:
    overrides = strategy_overrides(small_table, ["search.num_labeled=1996", "controller.labeled_steps=2"])
    search.run(configure("search", *overrides), tmp_path)
    assert result_of(tmp_path)["num_queries"] == 2_000


def test_the_predictor_is_measured_on_all_other_rows(
    configure: Configure, small_table: Path, tmp_path: Path
) -> None:
    overrides = ["evaluator=table", f"evaluator.path={small_table}", "predictor.num_labeled=100"]
    overrides += [
        "predictor.pseudo_label_ratio=5",
        "controller.labeled_steps=150",
        "controller.pseudo_steps=50",
    ]
    tau = predictor.run(configure("predictor", *overrides), tmp_path / "a")
    result = result_of(tmp_path / "a")
    assert result["kendall_tau"] == tau > 0.6 and result["spearman_rho"] > tau  # type: ignore[operator]
    assert result["num_ranked"] == 1_900 and result["num_pseudo_labeled"] == 500
    assert 0 <= result["top_100_regret"] <= result["top_10_regret"] <= result["top_1_regret"] < 0.1  # type: ignore[operator]
    assert result["wall_s"] > 0  # type: ignore[operator]
    assert predictor.run(configure("predictor", *overrides), tmp_path / "b") == tau


def test_several_loggers_at_once(configure: Configure, small_table: Path, tmp_path: Path) -> None:
    search.run(configure("search", *strategy_overrides(small_table, ["logger=[csv,wandb]"])), tmp_path)
    metrics = (tmp_path / "metrics.csv").read_text()
    assert "val_accuracy" in metrics and "best_val_accuracy" in metrics and "round/fit_s" in metrics
    assert list((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))
